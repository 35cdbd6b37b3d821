import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { readParquet } from '../../src/format/parquet-table.ts';
import { IMAGE_COLUMNS } from '../../src/images/dataset-manifest.ts';
import { noise, png, put } from '../images/tiny-images.ts';
import { LEDGER_COLUMNS } from '../../src/stages/ledger-table.ts';
import { copyEmoji, emojiNames } from '../support/emoji-folder.ts';
import { failing } from '../support/failing.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { writeTinyTeacher } from '../support/tiny-teacher.ts';
import { WHOLE, countsOf, smallRun, workFolder } from './small-run.ts';

interface Level {
  readonly images: number;
  readonly matched: number;
  readonly pairs: number;
  readonly rate: number | null;
  readonly degenerate: { readonly images: number; readonly pairs: number };
}
type Levels = Readonly<Record<string, Readonly<Record<string, Level>>>>;
const levelsOf = (summary: object): Levels => (summary as { audit: { levels: Levels } }).audit.levels;

/** A PNG of one colour whose bytes differ with `text`: a comment chunk. */
const flat = (text: string): Promise<Buffer> =>
  sharp({ create: { width: 32, height: 32, channels: 3, background: '#808080' } })
    .withExif({ IFD0: { ImageDescription: text } })
    .png()
    .toBuffer();

/** One pattern, written with other compression: other bytes, same pixels. */
const pattern = (level: number): Promise<Buffer> =>
  sharp(noise(32, 32), { raw: { width: 32, height: 32, channels: 3 } })
    .png({ compressionLevel: level })
    .toBuffer();

async function folderOf(sides: Readonly<Record<'train' | 'eval', readonly Buffer[]>>): Promise<string> {
  const folder = await tempFolder();
  for (const [side, files] of Object.entries(sides)) {
    await mkdir(join(folder, side));
    for (const [i, bytes] of files.entries()) await writeFile(join(folder, side, `${i}.png`), bytes);
  }
  await writeTinyTeacher(folder);
  return folder;
}

describe('a set compared with itself', () => {
  it('overlaps wholly at every exact level, and curation keeps nothing of it', async () => {
    const folder = await workFolder({ train: 6, eval: 0 });
    const stages = WHOLE.map((stage) =>
      stage.id === 'eval-images' ? { ...stage, with: { dataset: 'train', split: 'eval' } } : stage,
    );
    const run = await smallRun(folder, stages);
    for (const level of ['byte', 'pixel'] as const)
      expect(levelsOf(run.summary)[level]!['train-eval']).toMatchObject({
        images: 6,
        matched: 6,
        pairs: 6,
        rate: 1,
      });
    const { seen, kept, rejected } = countsOf(run, 'curate');
    expect([seen, kept]).toEqual([6, 0]);
    expect(Object.values(rejected as Record<string, number>).reduce((sum, n) => sum + n, 0)).toBe(6);
    // one image of both sides is one target
    expect(run.written).toBe(6 * 2 * 2 * 2);
  });
});

describe('one image on each side', () => {
  it('goes through every stage and into the report', async () => {
    const run = await smallRun(await workFolder({ train: 1, eval: 1 }));
    expect(countsOf(run, 'audit')).toEqual({ seen: 2, kept: 2, rejected: {} });
    expect(countsOf(run, 'curate')).toEqual({ seen: 1, kept: 1, rejected: {} });
    expect(await readFile(run.report, 'utf8')).toContain('<!doctype html>');
  });
});

describe('a handful of images', () => {
  const student = { imagePx: 16, patchPx: 8, width: 16, depth: 1, heads: 1, headHiddenCap: 16 };
  const trained = (more: object) => [
    ...WHOLE.filter(({ id }) => id !== 'curate'),
    {
      id: 'train',
      stage: 'train',
      with: { dataset: 'train-images', cache: 'embed', student, steps: 2, heldOut: 0, ...more },
    },
  ];

  it('is trained on in one batch that is as large as there are samples', async () => {
    const run = await smallRun(await workFolder({ train: 3, eval: 1 }), trained({}));
    // two views of each image, two steps
    expect(countsOf(run, 'train')).toEqual({ seen: 2 * 6, kept: 2 * 6, rejected: {} });
  });

  it('is refused before any step when a larger batch was asked for', async () => {
    const folder = await workFolder({ train: 3, eval: 1 });
    await expect(smallRun(folder, trained({ batchSize: 7 }))).rejects.toThrow(
      failing(3, {
        what: 'there are too few images left to train on',
        wanted: '7 samples or more, one batch',
        got: '6',
      }),
    );
  });
});

describe('a list', () => {
  it('with paths that lead nowhere or out of the dataset gives ledger rows for them, and keeps the others', async () => {
    const folder = await workFolder({ train: 2, eval: 0 });
    const [name] = await readdir(join(folder, 'train', 'class-0'));
    await writeFile(
      join(folder, 'list.csv'),
      `path\ntrain/class-0/${name!}\nnowhere.png\n../up.png\n/etc/hostname\n`,
    );
    const stages = [{ id: 'images', stage: 'index', with: { dataset: 'list.csv' } }];
    expect(countsOf(await smallRun(folder, stages), 'images')).toEqual({
      seen: 4,
      kept: 1,
      rejected: { missing: 1, unreadable: 2 },
    });
    await writeFile(join(folder, 'list.csv'), 'path\n../up.png\n');
    await expect(smallRun(folder, stages)).rejects.toThrow(
      failing(3, { got: expect.stringMatching(/\.\.\/up\.png, a path that is not inside the dataset/) }),
    );
  });
});

describe('images that are all alike', () => {
  it('with the same bytes are indexed once; the others are ledger rows', async () => {
    const same = await pattern(6);
    const run = await smallRun(await folderOf({ train: [same, same, same], eval: [await pattern(1)] }));
    expect(countsOf(run, 'train-images')).toEqual({ seen: 3, kept: 1, rejected: { 'duplicate-bytes': 2 } });
  });

  it('with the same pixels overlap at the pixel level, and one at most survives curation', async () => {
    const [a, b, c] = await Promise.all([0, 1, 9].map(pattern));
    const alone = await folderOf({ train: [a!, b!, c!], eval: [await flat('other')] });
    const run = await smallRun(alone);
    expect(levelsOf(run.summary)['pixel']!['within-train']).toMatchObject({
      images: 3,
      matched: 3,
      pairs: 3,
    });
    const counts = countsOf(run, 'curate');
    expect([counts.seen, counts.kept]).toEqual([3, 1]);
  });

  it('of one colour are in no rate: a bucket of their own shows pixel pairs and no hash pairs', async () => {
    const run = await smallRun(
      await folderOf({ train: [await flat('a'), await flat('b')], eval: [await flat('c')] }),
    );
    const levels = levelsOf(run.summary);
    const none = { images: 0, matched: 0, rate: null };
    expect(levels['phash']!['train-eval']).toMatchObject({ ...none, degenerate: { images: 1, pairs: 0 } });
    expect(levels['pixel']!['train-eval']).toMatchObject({ ...none, degenerate: { images: 1, pairs: 2 } });
    expect((run.summary['audit'] as { degenerate: number }).degenerate).toBe(3);
    const { seen, kept, rejected } = countsOf(run, 'curate');
    expect([seen, kept]).toEqual([2, 0]);
    expect(Object.values(rejected as Record<string, number>)).toEqual([2]);
  });
});

describe('a dataset without labels', () => {
  it('has null labels, no classes, and is curated all the same', async () => {
    const folder = await tempFolder();
    const names = await emojiNames(4);
    await copyEmoji(join(folder, 'train'), { vendor: 'twitter', names });
    await copyEmoji(join(folder, 'eval'), { vendor: 'google', names: names.slice(0, 2) });
    await writeTinyTeacher(folder);
    const run = await smallRun(folder);
    const path = join(folder, 'out', 'small', 'train-images', 'images.parquet');
    const rows = await readParquet(path, { columns: IMAGE_COLUMNS });
    expect(rows.map(({ label }) => label)).toEqual([null, null, null, null]);
    expect(countsOf(run, 'curate').kept).toBe(4);
  });
});

describe('bad files among good ones', () => {
  it('are ledger rows with a reason each; the totals balance and the good ones go on', async () => {
    const folder = await tempFolder();
    const names = await emojiNames(4);
    await copyEmoji(join(folder, 'train'), { vendor: 'twitter', names });
    await copyEmoji(join(folder, 'eval'), { vendor: 'google', names });
    await writeTinyTeacher(folder);
    const whole = await pattern(6);
    const bad: Readonly<Record<string, Uint8Array>> = {
      'zero-byte.png': new Uint8Array(0),
      'text.png': Buffer.from('this is no picture'),
      'truncated.png': whole.subarray(0, whole.length / 2),
      'corrupt.png': Buffer.concat([whole.subarray(0, 60), Buffer.alloc(40, 0xff), whole.subarray(100)]),
      'bomb.png': png({ width: 30_000, height: 30_000 }, new Uint8Array(1000)),
    };
    for (const [name, bytes] of Object.entries(bad)) await writeFile(join(folder, 'train', name), bytes);
    const run = await smallRun(folder);
    expect(countsOf(run, 'train-images')).toEqual({
      seen: 9,
      kept: 4,
      rejected: { corrupt: 2, 'empty-file': 1, 'not-an-image': 1, 'too-many-pixels': 1 },
    });
    const ledger = await readParquet(join(folder, 'out', 'small', 'train-images', 'ledger.parquet'), {
      columns: LEDGER_COLUMNS,
    });
    expect(Object.fromEntries(ledger.map(({ uri, reason }) => [uri, reason]))).toEqual({
      'zero-byte.png': 'empty-file',
      'text.png': 'not-an-image',
      'truncated.png': 'corrupt',
      'corrupt.png': 'corrupt',
      'bomb.png': 'too-many-pixels',
    });
    expect(ledger.find(({ uri }) => uri === 'bomb.png')!.detail).toContain('30000 x 30000 px');
    expect(countsOf(run, 'embed').kept).toBe(run.written);
  });

  it('that are all of them stop the run, with the reasons', async () => {
    const folder = await folderOf({
      train: [Buffer.alloc(0), Buffer.from('text')],
      eval: [await pattern(6)],
    });
    await expect(smallRun(folder)).rejects.toThrow(
      failing(3, {
        what: 'no file of the dataset is an image that can be read',
        got: expect.stringMatching(/empty-file.*not-an-image/),
      }),
    );
  });

  it.each(['missing', 'empty'])('a folder that is %s stops the run and is named', async (kind) => {
    const folder = await folderOf({ train: [], eval: [] });
    const dataset = kind === 'missing' ? 'nowhere' : 'train';
    await expect(smallRun(folder, [{ id: 'images', stage: 'index', with: { dataset } }])).rejects.toThrow(
      failing(3, { where: join(folder, dataset) }),
    );
  });
});

describe('file names that are hard to show', () => {
  const NAMES: readonly (readonly [string, Buffer])[] = [
    ['quotes', Buffer.from(`"double" 'single' \`back\`.png`)],
    ['a newline', Buffer.from('two\nlines.png')],
    ['a script', Buffer.from('<script>alert(1)<%2Fscript>.png')],
    ['bytes that are no UTF-8', Buffer.from([0xff, 0xfe, 0x2e, 0x70, 0x6e, 0x67])],
    ['a terminal escape', Buffer.from('\u001b[31mred.png')],
  ];

  it('are indexed, cached and shown harmlessly, good images and bad', async () => {
    const folder = await tempFolder();
    await writeTinyTeacher(folder);
    const slash = Buffer.from('/');
    for (const [i, [, name]] of NAMES.entries()) {
      const of = (side: string): Buffer => Buffer.concat([Buffer.from(join(folder, side)), slash, name]);
      const bytes = await sharp(noise(32, 32, i + 1), { raw: { width: 32, height: 32, channels: 3 } })
        .png()
        .toBuffer();
      await put(of('train'), bytes);
      await put(of('eval'), bytes);
      // the same names once more as bad files, in a folder of their own
      await put(of('train/<img src=x onerror=alert(2)>'), 'no image');
    }
    const run = await smallRun(folder);
    expect(countsOf(run, 'train-images')).toEqual({
      seen: 2 * NAMES.length,
      kept: NAMES.length,
      rejected: { 'not-an-image': NAMES.length },
    });
    expect(countsOf(run, 'audit').seen).toBe(2 * NAMES.length);
    const html = await readFile(run.report, 'utf8');
    expect(html).not.toContain('<script>alert');
    expect(html).not.toContain('<img src=x');
    expect(html.includes('\u001b')).toBe(false);
    for (const part of ['two%0Alines', '%FF%FE']) expect(html).toContain(part);
  });
});
