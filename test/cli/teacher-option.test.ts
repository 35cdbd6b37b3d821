import { describe, expect, it } from 'vitest';
import { teacherNameOption, teacherOption } from '../../src/cli/teacher-option.ts';
import { failing } from '../support/failing.ts';

describe('--teacher', () => {
  it.each([
    ['nanodet@160', { name: 'nanodet', sizesPx: [160] }],
    ['nanodet@160,224', { name: 'nanodet', sizesPx: [160, 224] }],
    ['./my.vit.yaml@256m4', { name: './my.vit.yaml', sizesPx: [256], mosaic: 4 }],
    ['who@home/vit.yaml@32', { name: 'who@home/vit.yaml', sizesPx: [32] }],
  ])('%s is a name and sizes', (text, wanted) => {
    expect(teacherOption(text)).toEqual(wanted);
    expect(teacherNameOption(text)).toBe(wanted.name);
  });

  it.each(['nanodet', 'nanodet@', 'nanodet@m4', 'nanodet@256m0', 'nanodet@16,', '@16', ''])(
    '%j has no sizes: a usage error where they are needed, a name where they are not',
    (text) => {
      expect(() => teacherOption(text)).toThrow(failing(2, { where: '--teacher', got: text }));
      expect(teacherNameOption(text)).toBe(text);
    },
  );
});
