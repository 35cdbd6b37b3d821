import { join } from 'node:path';
import { cp, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { copyEmoji, emojiNames } from '../support/emoji-folder.ts';
import { cli, expectOneMessage } from '../support/run-cli.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { writeTinyTeacher } from '../support/tiny-teacher.ts';

async function fill(cwd: string, images: number): Promise<void> {
  await copyEmoji(join(cwd, 'photos'), { vendor: 'twitter', names: await emojiNames(images) });
  await writeTinyTeacher(cwd);
  expect((await run(cwd, ...FILL)).code).toBe(0);
}

const IMAGES = 6;
let original = '';
beforeAll(async () => {
  original = await mkdtemp(join(tmpdir(), 'stillhouse-filled-'));
  await fill(original, IMAGES);
});
afterAll(() => rm(original, { recursive: true, force: true }));

/** A folder of its own with a run that has filled its cache: the usual number of images is filled once, and copied. */
async function filled(images = IMAGES): Promise<string> {
  const cwd = await tempFolder();
  if (images === IMAGES) await cp(original, cwd, { recursive: true, preserveTimestamps: true });
  else await fill(cwd, images);
  return cwd;
}

const FILL = ['cache', '--data', 'photos', '--teacher', 'tiny.yaml@16'];
const run = (cwd: string, ...args: string[]) => cli(args, { cwd });
const json = async (cwd: string, ...args: string[]): Promise<unknown> => {
  const result = await run(cwd, ...args, '--json');
  expect(result, result.stderr).toMatchObject({ code: 0 });
  return JSON.parse(result.stdout) as unknown;
};

describe('the verbs below cache', () => {
  it('ls, du, tag, drop, gc and quota: from a full cache to an empty one and back', async () => {
    const cwd = await filled();
    expect(await json(cwd, 'cache', 'ls')).toMatchObject({
      snapshot: { n: 1 },
      spaces: [{ rows: 6, coverage: [{ dataset: 'photos', images: 6, covered: 6 }] }, { rows: 6 }],
    });
    expect(await json(cwd, 'cache', 'du')).toMatchObject({
      spaces: [{ rows: 6 }, { rows: 6 }],
      datasets: [{ images: 6 }],
    });
    expect(await json(cwd, 'cache', 'tag', 'v1', '--note', 'first')).toMatchObject({
      tags: [{ name: 'v1', n: 1, note: 'first' }],
    });
    expectOneMessage(await run(cwd, 'cache', 'tag', 'v1'), 3);
    expectOneMessage(await run(cwd, 'cache', 'drop', 'nobody'), 3);
    expect(await json(cwd, 'cache', 'drop', 'tiny')).toMatchObject({ parts: 2 });
    expect(await json(cwd, 'cache', 'gc', '--keep', '1')).toMatchObject({ swept: [] });
    expect(await json(cwd, 'cache', 'tag', 'v1', '--delete')).toEqual({ tags: [] });
    expect(await json(cwd, 'cache', 'gc', '--keep', '1', '--dry-run')).toMatchObject({
      dryRun: true,
      purged: [],
    });
    expect(
      ((await json(cwd, 'cache', 'gc', '--keep', '1')) as { swept: string[] }).swept.length,
    ).toBeGreaterThan(3);
    expect(await json(cwd, 'cache', 'ls')).toMatchObject({ spaces: [{ rows: 0 }, { rows: 0 }] });
    await json(cwd, 'cache', 'gc', '--restore');
    expect(await json(cwd, 'cache', 'ls')).toMatchObject({ spaces: [{ rows: 6 }, { rows: 6 }] });
    expect((await run(cwd, 'cache', 'verify', '--level', 'rows')).code).toBe(0);
    expect(await json(cwd, 'cache', 'quota', '--hard', '10')).toMatchObject({
      quota: { total: { hardBytes: 10 } },
    });
    const refused = await run(cwd, 'cache', '--data', 'photos', '--teacher', 'tiny.yaml@32');
    expect(expectOneMessage(refused, 5)).toContain('beyond its quota');
    expect(await json(cwd, 'cache', 'quota', '--hard', '0')).toMatchObject({ quota: {} });
    expect((await run(cwd, 'cache', '--data', 'photos', '--teacher', 'tiny.yaml@32')).code).toBe(0);
    expectOneMessage(await run(cwd, 'cache', 'gc', '--grace', 'soon'), 2);
  });

  it('--dry-run says what would be computed, what is reused, how many bytes and how long', async () => {
    const cwd = await filled();
    await copyEmoji(join(cwd, 'photos'), { vendor: 'twitter', names: (await emojiNames(9)).slice(6) });
    expect((await run(cwd, 'index', '--data', 'photos', '--name', 'targets')).code).toBe(0);
    const before = await readdir(join(cwd, 'out', 'cache'), { recursive: true });
    const { stages } = (await json(cwd, ...FILL, '--dry-run')) as { stages: { id: string; plan: object }[] };
    expect(stages.find(({ id }) => id === 'cache')!.plan).toMatchObject({
      compute: { 'tiny@16.summary': 3, 'tiny@16.spatial': 3 },
      reuse: { 'tiny@16.summary': 6, 'tiny@16.spatial': 6 },
      bytesToWrite: expect.any(Number) as number,
      estimatedSeconds: 'unknown',
    });
    expect(await readdir(join(cwd, 'out', 'cache'), { recursive: true })).toEqual(before);
  });

  it('an image that is renamed, moved, or in another dataset is not computed again', async () => {
    const cwd = await filled();
    const names = await readdir(join(cwd, 'photos'));
    await cp(join(cwd, 'photos'), join(cwd, 'elsewhere', 'deep'), { recursive: true });
    await cp(join(cwd, 'photos', names[0]!), join(cwd, 'elsewhere', 'renamed.png'));
    const again = await run(
      cwd,
      'cache',
      '--data',
      'elsewhere',
      '--teacher',
      'tiny.yaml@16',
      '--name',
      'other',
    );
    expect(again.stdout).toContain('targets: 0 written, 12 reused');
    const grown = await run(
      cwd,
      'cache',
      '--data',
      'photos',
      '--teacher',
      'tiny.yaml@16,32',
      '--name',
      'third',
    );
    expect(grown.stdout).toContain('targets: 12 written, 12 reused');
  });
});

it('cache verify --level recompute takes a teacher as a run does: sizes and mosaic are no part of its name', async () => {
  const cwd = await filled();
  const verify = [
    'cache',
    'verify',
    '--level',
    'recompute',
    '--dataset',
    'out/targets/images',
    '--sample',
    '2',
  ];
  expect(await json(cwd, ...verify, '--teacher', 'tiny.yaml@16m2')).toMatchObject({
    recomputed: [{ rows: 2, reason: null }, { rows: 2 }],
  });
  // what the other levels found is told although no teacher can be asked, and a changed image is one more finding
  const [photo] = await readdir(join(cwd, 'photos'));
  await writeFile(join(cwd, 'photos', photo!), 'no image');
  const all = await run(cwd, ...verify.slice(0, -2), '--sample', '6', '--teacher', 'tiny.yaml');
  expect(expectOneMessage(all, 4)).toContain('restore the images');
  expect(all.stdout.match(/ image +row \d+: an image changed or vanished/g)).toHaveLength(2);
  const data = join(cwd, 'out', 'cache', 'data');
  const [file] = (await readdir(data, { recursive: true })).filter((name) => name.endsWith('.arrow'));
  const bytes = await readFile(join(data, file!));
  bytes[bytes.length >> 1]! ^= 1;
  await writeFile(join(data, file!), bytes);
  const without = await run(cwd, 'cache', 'verify', '--level', 'recompute', '--dataset', 'nowhere');
  expectOneMessage(without, 3);
  expect(without.stdout).toMatch(/ (row-crc|digest) /);
});

describe('codecs on the command line', () => {
  it('cache derive stores targets again without the teacher, once, and ls shows what that cost', async () => {
    const cwd = await filled();
    const derive = ['cache', 'derive', 'tiny@16.spatial', '--codec', 'i8p', '--statistics-views', '4'];
    expect(await json(cwd, ...derive, '--dry-run')).toMatchObject({
      dryRun: true,
      spaces: [{ space: 'tiny@16.spatial.i8p', statistics: 'measured first', rows: 6, present: 0 }],
    });
    const near = { mean: expect.closeTo(1, 3) as number, worst: expect.closeTo(1, 2) as number };
    expect(await json(cwd, ...derive)).toMatchObject({
      spaces: [{ rows: 6, present: 0, failed: 0, error: { tokens: 6 * 16, cosine: near } }],
    });
    expect(await json(cwd, ...derive)).toMatchObject({ spaces: [{ rows: 0, present: 6 }] });
    const { spaces } = (await json(cwd, 'cache', 'ls')) as { spaces: { codec: string; rows: number }[] };
    expect(spaces.find(({ codec }) => codec === 'i8p')).toMatchObject({ rows: 6, error: { cosine: near } });
    expect(await json(cwd, 'cache', 'derive', 'tiny', '--codec', 'i4p-pool2')).toMatchObject({
      spaces: [{ space: 'tiny@16.spatial.i4p-pool2' }, { space: 'tiny@16.summary.i4p' }],
    });
    // by label, in whatever order they were named
    const both = ['tiny@16.summary', 'tiny@16.spatial', '--codec', 'i8c', '--dry-run'];
    expect(await json(cwd, 'cache', 'derive', ...both)).toMatchObject({
      spaces: [{ space: 'tiny@16.spatial.i8c' }, { space: 'tiny@16.summary.i8c' }],
    });
    const poorer = await run(cwd, 'cache', 'derive', 'tiny@16.spatial.i8p', '--codec', 'f16');
    expect(expectOneMessage(poorer, 3)).toContain('cannot be derived from a poorer one');
  });

  it('cache --codec fills a space under it, from the spaces that are there', async () => {
    const cwd = await filled();
    const fill = await run(cwd, ...FILL, '--codec', 'spatial=i8c', '--name', 'coded');
    expect(fill, fill.stderr).toMatchObject({ code: 0 });
    expect(fill.stdout).toContain('targets: 6 written, 6 reused');
  });
});

describe('a cache that is not as it should be: one message, one exit code', () => {
  const damaged = async (file: RegExp, change: (text: string) => string, at?: string): Promise<string> => {
    const cwd = at ?? (await filled());
    const root = join(cwd, 'out', 'cache');
    const name = (await readdir(root, { recursive: true }))
      .filter((one) => file.test(one))
      .sort()
      .at(-1)!;
    await writeFile(join(root, name), change(await readFile(join(root, name), 'latin1')), 'latin1');
    return cwd;
  };

  it('of another format version', async () => {
    const cwd = await damaged(/^FORMAT$/, (text) => text.replace('"major":2', '"major":3'));
    expect(expectOneMessage(await run(cwd, 'cache', 'ls'), 4)).toContain('another format version');
  });

  it('with an edited description of a space, which --repair and the next run mend', async () => {
    const cwd = await damaged(/^spaces\/.*\.json$/, (text) => text.replace('"sizePx":16', '"sizePx":17'));
    expect(expectOneMessage(await run(cwd, 'cache', 'ls'), 4)).toContain(
      'description of a space was changed',
    );
    expectOneMessage(await run(cwd, 'cache', 'verify'), 4);
    expect((await run(cwd, 'cache', 'verify', '--repair')).code).toBe(0);
    expect((await run(cwd, ...FILL, '--name', 'again')).code).toBe(0);
    expect((await run(cwd, 'cache', 'verify', '--level', 'rows')).code).toBe(0);
  });

  it.each([
    ['a snapshot', /^snapshots\/\d+\.json$/],
    ['an index file', /^index\/.*\.arrow$/],
    ['a journal entry', /^log\/.*\.json$/],
  ])('with %s that was edited: verify says so and mends it, and no target is lost', async (_, file) => {
    const cwd = await damaged(file, (text) => text.replace(/6/, '7'));
    expectOneMessage(await run(cwd, 'cache', 'verify'), 4);
    expect((await run(cwd, 'cache', 'verify', '--repair')).code).toBe(0);
    const again = await run(cwd, ...FILL, '--name', 'again');
    expect(again.stdout).toContain('targets: 0 written, 12 reused');
    expect((await run(cwd, 'cache', 'verify', '--level', 'rows')).code).toBe(0);
  });

  it('with changed statistics of a codec: --repair says what it cannot mend, until those targets are dropped', async () => {
    const cwd = await filled();
    const derive = ['cache', 'derive', 'tiny@16.spatial', '--codec', 'i8p'];
    await json(cwd, ...derive);
    await damaged(/^statistics\/.*\.safetensors$/, (text) => `${text}x`, cwd);
    for (let time = 1; time <= 2; time++) {
      const repair = await run(cwd, 'cache', 'verify', '--repair');
      const message = expectOneMessage(repair, 4);
      expect(message).toContain('damage that no repair mends');
      expect(message).toContain('tiny@16.spatial.i8p cannot be decoded');
    }
    await json(cwd, 'cache', 'drop', 'tiny@16.spatial.i8p');
    expect((await run(cwd, 'cache', 'verify', '--repair')).code).toBe(0);
    expect(await json(cwd, ...derive)).toMatchObject({ spaces: [{ rows: 6, failed: 0 }] });
    expect((await run(cwd, 'cache', 'verify', '--level', 'rows')).code).toBe(0);
  });

  it('with a part of another version', async () => {
    // the version is a string of one digit in the footer's metadata
    const cwd = await damaged(/^data\/.*\.arrow$/, (text) =>
      text.replaceAll('\u0001\0\0\u00001\0', '\u0001\0\0\u00009\0'),
    );
    const message = await run(cwd, 'cache', 'verify', '--level', 'footers');
    expectOneMessage(message, 4);
    expect(message.stdout).toMatch(/damaged +part version 9/);
  });

  it('that lost a part which its snapshot names: the next run computes it again', async () => {
    const cwd = await filled();
    const root = join(cwd, 'out', 'cache');
    const part = (await readdir(root, { recursive: true })).find((one) =>
      /^data\/.*summary.*\.arrow$/.test(one),
    )!;
    await rm(join(root, part));
    expectOneMessage(await run(cwd, 'cache', 'verify', '--level', 'names'), 4);
    const again = await run(cwd, ...FILL, '--name', 'again');
    expect(again.stdout).toContain('targets: 6 written, 6 reused');
  });

  it('merged by hand from two: it has the targets of both', async () => {
    const [one, two] = [await filled(4), await filled(4)];
    await copyEmoji(join(two, 'photos'), { vendor: 'twitter', names: (await emojiNames(8)).slice(4) });
    expect((await run(two, ...FILL, '--name', 'more')).code).toBe(0);
    await cp(join(one, 'out', 'cache'), join(two, 'out', 'cache'), { recursive: true });
    expect((await run(two, 'cache', 'verify', '--level', 'rows')).code).toBe(0);
    expect((await run(two, ...FILL, '--name', 'merged')).stdout).toContain('targets: 0 written, 16 reused');
  });

  it('whose path is a file', async () => {
    const cwd = await filled(1);
    await writeFile(join(cwd, 'file'), '');
    expectOneMessage(await run(cwd, ...FILL, '--cache', 'file'), 5);
    expectOneMessage(await run(cwd, 'cache', 'ls', '--cache', 'file'), 3);
  });
});
