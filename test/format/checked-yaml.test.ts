import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { checkYaml } from '../../src/format/checked-yaml.ts';

const schema = z.strictObject({
  name: z.string(),
  size: z.union([z.int(), z.strictObject({ min: z.int(), max: z.int() })]).default(3),
  parts: z.array(z.strictObject({ kind: z.literal('a'), 'odd/key~': z.int().optional() })).optional(),
  by: z.record(z.string(), z.strictObject({ share: z.number() })).optional(),
});
const check = (text: string) => checkYaml(text, { schema, noun: 'toy', where: 'toy.yaml' });
const failureOf = (text: string): unknown => {
  try {
    return check(text);
  } catch (error) {
    return error instanceof Error && 'failure' in error ? error.failure : error;
  }
};

describe('checked YAML', () => {
  it('gives the value with its defaults', () => {
    expect(check('name: x\n')).toEqual({ name: 'x', size: 3 });
  });

  it('names file, pointer, line and the nearest key of one mistake', () => {
    expect(failureOf('name: x\nsizes: 4\n')).toEqual({
      kind: 'bad-input',
      what: 'toy has a mistake',
      where: 'toy.yaml',
      got: '/ (line 2): unknown key "sizes", did you mean "size"?',
      next: expect.stringContaining('manifests/schema') as string,
    });
  });

  it('looks for the key inside lists, records and the branch of a union that was meant', () => {
    const got = (text: string) => (failureOf(`name: x\n${text}`) as { got: string }).got;
    expect(got('parts:\n  - kind: a\n  - { kind: a, kin: 1 }\n')).toBe(
      '/parts/1 (line 4): unknown key "kin", did you mean "kind"?',
    );
    expect(got('by: { a/b: { shar: 1, share: 2 } }\n')).toBe(
      '/by/a~1b (line 2): unknown key "shar", did you mean "share"?',
    );
    expect(got('size: { min: 1, max: 2.5 }\n')).toMatch(/^\/size\/max \(line 2\): .*int/);
    expect(got('size: { min: 1, max: 2, mid: 3 }\n')).toMatch(/unknown key "mid", did you mean "min"\?/);
    expect(got('parts: [{ kind: a, odd/key~: x }]\n')).toMatch(/^\/parts\/0\/odd~1key~0 /);
  });

  it('gives each unknown key the line it stands on', () => {
    const got = (text: string) => (failureOf(text) as { got: string }).got;
    expect(got('# toy\nsiz: 1\n\nname: x\n"bye": y\n')).toBe(
      '/ (line 2): unknown key "siz", did you mean "size"?; / (line 5): unknown key "bye", did you mean "by"?',
    );
    expect(got('name: x\nby:\n  a: &a\n    share: 1\n    shore: 2\n')).toBe(
      '/by/a (line 5): unknown key "shore", did you mean "share"?',
    );
  });

  it('refuses a file whose aliases unfold without end', () => {
    const levels = 'abcdefgh'.split('').map((name, i, all) => {
      const inner = i === 0 ? '"x"' : `*${all[i - 1]!}`;
      return `${name}: &${name} [${Array.from({ length: 9 }, () => inner).join(', ')}]`;
    });
    expect(failureOf(levels.join('\n'))).toMatchObject({ kind: 'bad-input', got: /alias/i });
  });
});
