import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { decodeStatistics } from '../../src/cache/statistics/feature-statistics.ts';
import { copyEmoji, emojiNames } from '../support/emoji-folder.ts';
import { cli, expectOneMessage } from '../support/run-cli.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { writeTinyTeacher } from '../support/tiny-teacher.ts';

interface Stats {
  readonly spaces: readonly {
    readonly space: string;
    readonly reused: boolean;
    readonly phi: number;
    readonly file: string;
  }[];
  readonly interpolation?: readonly object[];
}

it('cache stats measures every space once, names the file, and compares maps between sizes', async () => {
  const cwd = await tempFolder();
  await copyEmoji(join(cwd, 'photos'), { vendor: 'twitter', names: await emojiNames(5) });
  await writeTinyTeacher(cwd);
  const run = (...args: string[]) => cli(['cache', ...args], { cwd });
  expect((await run('--data', 'photos', '--teacher', 'tiny.yaml@16,32')).code).toBe(0);

  const text = await run('stats', '--interpolation');
  expect([text.code, text.stderr]).toEqual([0, '']);
  expect(text.stdout).toMatch(/^tiny@16\.summary\.f16 +5 +5 +8 .* measured$/m);
  expect(text.stdout).toMatch(/^tiny@32\.spatial\.f16 +5 +320 +8 .* measured$/m);
  expect(text.stdout).toMatch(/^tiny +f16 +16 +32 +5 +0\.\d{4} +0\.\d{4} +0\.\d{4} +0\.\d{4}$/m);

  const { code, stdout } = await run('stats', 'tiny@32.spatial', '--json');
  expect(code).toBe(0);
  const { spaces, interpolation } = JSON.parse(stdout) as Stats;
  expect(interpolation).toBeUndefined();
  expect(spaces).toMatchObject([
    { space: 'tiny@32.spatial.f16', reused: true, rows: 5, channels: 8, position: { maps: 5 } },
  ]);
  const path = join(cwd, 'out', 'cache', spaces[0]!.file);
  const { covariance } = decodeStatistics(await readFile(path), path);
  const trace = [...covariance].filter((_, i) => i % 9 === 0).reduce((sum, variance) => sum + variance, 0);
  expect(spaces[0]!.phi).toBeCloseTo(Math.sqrt(trace / 8), 6);

  expect(expectOneMessage(await run('stats', 'nobody'), 3)).toContain('tiny@16.spatial.f16');
});
