import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { copyEmoji, emojiNames } from '../support/emoji-folder.ts';
import { cli, expectOneMessage } from '../support/run-cli.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { writeTinyTeacher } from '../support/tiny-teacher.ts';

describe('teachers check', () => {
  it('checks several teachers at several sizes with a picture of one’s own, and states which', async () => {
    const cwd = await tempFolder();
    await writeTinyTeacher(cwd);
    await writeTinyTeacher(cwd, { name: 'other', seed: 2 });
    const [name] = await emojiNames(1);
    await copyEmoji(join(cwd, 'photos'), { vendor: 'twitter', names: [name!] });
    const image = join('photos', name!);
    const args = ['teachers', 'check', 'tiny.yaml', 'other.yaml', '--size', '16,32', '--image', image];
    const { code, stdout, stderr } = await cli(args, { cwd });
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(new RegExp(`^picture: ${image}, 64 x 64 px$`, 'm'));
    for (const teacher of ['tiny', 'other']) {
      expect(stdout).toMatch(
        new RegExp(`^${teacher} +Apache-2.0 +onnxruntime [0-9.]+ +cpu +f32 +[0-9a-f]{16} +fits$`, 'm'),
      );
      expect(stdout).toMatch(
        new RegExp(`^${teacher} +32 +spatial +8x8x8 +float32 +8x8 of 4 px .* 0 +0 +-$`, 'm'),
      );
    }
  });

  it('prints what it found, then refuses NaN with exit code 3 and one message', async () => {
    const cwd = await tempFolder();
    await writeTinyTeacher(cwd, { nanBelow: 2 });
    const result = await cli(['teachers', 'check', 'tiny.yaml', '--size', '16'], { cwd });
    expect(result.stdout).toMatch(/^tiny +16 +summary +8 +float32 +- +- +- +- +- +8 +0 /m);
    expect(expectOneMessage(result, 3)).toContain('values that are not finite');
  });
});
