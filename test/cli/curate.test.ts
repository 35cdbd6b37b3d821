/** `stillhouse curate` as a person uses it, without a pipeline file: a policy, several evaluation sets, and the story of an image. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import { imageStory } from '../../src/stages/image-story.ts';
import { copyEmoji, emojiNames } from '../support/emoji-folder.ts';
import { failing } from '../support/failing.ts';
import { cli, expectOneMessage } from '../support/run-cli.ts';
import { suiteFolder } from '../support/temp-folder.ts';

const folder = suiteFolder();
const run = (...args: string[]) => cli(['curate', ...args], { cwd: folder() });
const storyOf = (image: string) => imageStory(join(folder(), 'out', 'mine'), image);
const SETS = ['--train', 'photos', '--eval', 'bench', '--eval', 'other bench'];

beforeAll(async () => {
  const names = await emojiNames(20);
  await copyEmoji(join(folder(), 'photos'), { vendor: 'twitter', names: names.slice(0, 10), labels: 2 });
  for (const [i, set] of ['bench', 'other bench'].entries()) {
    await mkdir(join(folder(), set));
    await copyEmoji(join(folder(), set), { vendor: 'google', names: names.slice(10 + 3 * i, 13 + 3 * i) });
  }
  const photo = (name: string) => join(folder(), 'photos', 'class-0', name);
  await sharp(join(folder(), 'other bench', names[13]!))
    .flop()
    .png()
    .toFile(photo('leak.png'));
  const copy = sharp(photo(names[0]!)).flatten({ background: '#fff' });
  await copy.clone().resize(50).jpeg().toFile(photo('small-copy.jpg'));
  await copy.clone().resize(20).png().toFile(photo('tiny.png'));
  await writeFile(photo('broken.png'), 'text');
  const policy = 'version: 1\nfilters: { minSidePx: 24 }\nsplit: { sizes: { val: 2 }, rest: train }\n';
  await writeFile(join(folder(), 'curate.yaml'), policy);
  const made = await run(...SETS, '--policy', 'curate.yaml', '--name', 'mine');
  expect(made, made.stderr).toMatchObject({ code: 0 });
  expect(made.stdout).toMatch(/^curate +13 +10 +3 /m);
  expect(made.stdout).toContain('1 matches-evaluation, 1 near-duplicate, 1 too-small');
});

describe('curate --explain', () => {
  it.each([
    [
      'photos/class-0/leak.png',
      'not kept: matches-evaluation',
      /decontaminate removed .*\(mirror\).* of eval-other-bench/,
    ],
    ['small-copy.jpg', 'not kept: near-duplicate', /the other image kept class-0\/\w+\.png was kept/],
    ['tiny.png', 'not kept: too-small', /filters removed .*shorter side 20, minSidePx 24/],
    ['broken.png', 'not kept: not-an-image', /index removed/],
  ])('tells why %s is gone', async (image, verdict, line) => {
    const story = await storyOf(image);
    expect(story.verdict).toBe(verdict);
    const lines = story.steps.map(({ step, outcome, detail }) => `${step} ${outcome} ${detail}`);
    expect(lines.join('\n')).toMatch(line);
  });

  it('tells of a kept image what it passed with which numbers, by path or by the first digits of its id', async () => {
    const [name] = await emojiNames(1);
    const told = await run('--explain', `class-0/${name!}`, '--name', 'mine');
    expect(told.stdout).toContain('  kept\n');
    expect(told.stdout).toMatch(/filters +passed +shorter side 64 \(minSidePx 24\)/);
    expect(told.stdout).toMatch(/decontaminate +passed +eval-bench: nearest phash distance \d+/);
    expect(told.stdout).toMatch(/deduplicate +passed +kept in favour of class-0\/small-copy\.jpg/);
    expect(told.stdout).toMatch(/result +kept +one of 10, chance of inclusion 1, part (train|val)/);
    const id = /[0-9a-f]{64}/.exec(told.stdout)![0];
    const byId = await run('--explain', id.slice(0, 12), '--name', 'mine', '--json');
    expect(JSON.parse(byId.stdout)).toMatchObject({ image: { id }, verdict: 'kept' });
  });

  it('names the nearest image where none fits, and the run that is missing', async () => {
    await expect(storyOf('tinny.png')).rejects.toEqual(
      failing(3, { got: expect.stringContaining('class-0/tiny.png') as string }),
    );
    await expect(imageStory(join(folder(), 'out', 'none'), 'x')).rejects.toEqual(
      failing(3, { what: 'there is no finished curation' }),
    );
  });
});

describe('curate', () => {
  it('refuses an unknown key of the policy as a mistake in what was asked, with the nearest', async () => {
    await writeFile(join(folder(), 'typo.yaml'), 'version: 1\nfilters: { minSidPx: 24 }\n');
    const refused = await run(...SETS, '--policy', 'typo.yaml', '--name', 'typo');
    expect(expectOneMessage(refused, 2)).toMatch(
      /line 2\): unknown key "minSidPx", did you mean "minSidePx"\?/,
    );
  });

  it('refuses a teacher that the policy does not look at', async () => {
    const unused = await run(...SETS, '--teacher', 'nanodet@128', '--name', 'unused');
    expect(expectOneMessage(unused, 2)).toContain("level: 'teacher:nanodet@128'");
  });

  it('takes embeddings computed elsewhere, a file for each set, and says so where one is missing', async () => {
    const few = await run(...SETS, '--embeddings', 'clip=train.npy,bench.npy', '--name', 'few');
    expect(expectOneMessage(few, 2)).toContain(
      'a .parquet, .npy or .safetensors file for each of train-images, eval-bench, eval-other-bench',
    );
    const gone = await run('--train', 'photos', '--embeddings', 'copy:clip=gone.npy', '--name', 'gone');
    expect(expectOneMessage(gone, 3)).toContain('gone.npy');
  });

  it('plans without writing, and needs no evaluation set', async () => {
    const plan = await run('--train', 'photos', '--dry-run', '--name', 'plan');
    expect(plan, plan.stderr).toMatchObject({ code: 0 });
    expect(plan.stdout).toMatch(/^curate +waits/m);
  });
});
