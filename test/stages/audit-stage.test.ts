/** The audit stage on real emoji: third set, precomputed embeddings, planted copies, what is computed again. */
import { copyFile, mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { ALTERATIONS } from '../../src/audit/calibration/alterations.ts';
import { readParquet, writeParquet } from '../../src/format/parquet-table.ts';
import { encodeSafetensors } from '../../src/format/safetensors.ts';
import { Rng } from '../../src/core/rng.ts';
import { readPairs } from '../../src/stages/audit-tables.ts';
import type { PipelineFile } from '../../src/run/pipeline.ts';
import { copyEmoji, emojiNames } from '../support/emoji-folder.ts';
import { failing } from '../support/failing.ts';
import { writeTinyTeacher } from '../support/tiny-teacher.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { type SmallRun, digestsOf, smallRun } from './small-run.ts';

type Stages = PipelineFile['stages'];
const index = (id: string, dataset: string, split: string): Stages[number] => ({
  id,
  stage: 'index',
  with: { dataset, split },
});
const TWO: Stages = [index('train-images', 'train', 'train'), index('eval-images', 'eval', 'eval')];
const audit = (over: object = {}): Stages[number] => ({
  id: 'audit',
  stage: 'audit',
  with: { train: 'train-images', eval: 'eval-images', canaries: 3, ...over },
});

/** `train/` of Twitter's and `eval/` of Google's first emoji. */
async function folderOf(train: number, evaluation: number): Promise<string> {
  const folder = await tempFolder();
  const names = await emojiNames(60);
  for (const [side, vendor, count] of [
    ['train', 'twitter', train],
    ['eval', 'google', evaluation],
  ] as const) {
    await mkdir(join(folder, side));
    await copyEmoji(join(folder, side), { vendor, names: names.slice(0, count), labels: 2 });
  }
  return folder;
}

const factsOf = (run: SmallRun) =>
  run.result.results.find(({ id }) => id === 'audit')!.outcome.facts as Record<string, never> & {
    levels: {
      level: string;
      type: string;
      matched: number;
      images: number;
      open: number;
      high: number;
      uncompared: number;
    }[];
    canaries: { planted: number; found: number; missed: string[] };
    distances: {
      level: string;
      images: number;
      leftOut: { metric: string; reason: string }[];
      summary: object[];
    }[];
    unusable: Record<string, Record<string, number>>;
    nulls: { level: string; side: string; mean: number | null }[];
  };
const noteOf = ({ events }: SmallRun): string =>
  events
    .flatMap((event) => (event.kind === 'stage-note' && event.stage === 'audit' ? [event.text] : []))
    .join();
const gaussian = (seed: number, rows: number, dim: number): Float32Array => {
  const rng = new Rng(seed, 'embedding');
  return Float32Array.from({ length: rows * dim }, () => rng.normal());
};

describe('the calibrate stage', () => {
  it('measures recall per alteration for hashes, pixels and a teacher, and chooses cuts', async () => {
    const folder = await folderOf(24, 20);
    await writeTinyTeacher(folder);
    const run = await smallRun(folder, [
      ...TWO,
      audit(),
      {
        id: 'calibrate',
        stage: 'calibrate',
        with: {
          audit: 'audit',
          train: 'train-images',
          eval: 'eval-images',
          teachers: [{ name: 'tiny.yaml', sizePx: 16 }],
          queries: 12,
          distractors: 20,
          minPrecision: 0.2,
          assumedRate: 0.9,
        },
      },
    ]);
    const { levels } = run.result.results.find(({ id }) => id === 'calibrate')!.outcome.facts as unknown as {
      levels: {
        level: string;
        chosen: number | null;
        validation: { planted: number } | null;
        alterations: { alteration: string; found: number; planted: number }[];
      }[];
    };
    expect(levels.map(({ level }) => level)).toEqual(['phash', 'dhash', 'verified', 'teacher:tiny@16']);
    const phash = levels[0]!;
    expect(phash.chosen).not.toBeNull();
    expect(phash.validation!.planted).toBe(6 * ALTERATIONS.length);
    const of = (name: string) => phash.alterations.find(({ alteration }) => alteration === name)!;
    expect(of('flip').found).toBe(6);
    expect(of('jpeg-95').found).toBeGreaterThanOrEqual(5);
    const rows = await readParquet(join(run.result.folder, 'calibrate', 'calibration.parquet'));
    expect(rows.filter(({ part }) => part === 'choosing').length).toBeGreaterThan(100);
  });
});

describe('the impact stage', () => {
  it('joins per-item scores with verified matches and counts scores of other images as rejected', async () => {
    const folder = await folderOf(10, 12);
    const names = (await emojiNames(60)).slice(0, 6);
    await copyEmoji(join(folder, 'train', 'class-0'), { vendor: 'google', names });
    await rm(join(folder, 'train', 'class-1'), { recursive: true });
    await smallRun(folder, TWO);
    const images = await readParquet(join(folder, 'out', 'small', 'eval-images', 'images.parquet'));
    const isCopy = (name: unknown) => names.some((one) => String(name).endsWith(one));
    await writeFile(
      join(folder, 'scores.parquet'),
      writeParquet({ item: 'string', model: 'string', score: 'double' }, [
        ...images.map(({ name }) => ({ item: String(name), model: 'm', score: isCopy(name) ? 1 : 0 })),
        { item: 'unknown', model: 'm', score: 1 },
      ]),
    );
    const run = await smallRun(folder, [
      ...TWO,
      audit(),
      { id: 'impact', stage: 'impact', with: { audit: 'audit', scores: 'scores.parquet' } },
    ]);
    const { outcome } = run.result.results.find(({ id }) => id === 'impact')!;
    expect(outcome.rejected).toEqual({ 'not-an-evaluation-image': 1 });
    expect(outcome.facts).toMatchObject({
      models: [{ model: 'm', overlap: { items: 6, value: 1 }, clean: { items: 6, value: 0 } }],
    });
  });
});

describe('the audit stage', () => {
  it('verifies planted copies through flip, JPEG and size, under one id per image, and finds its canaries', async () => {
    const folder = await folderOf(12, 8);
    const names = (await emojiNames(60)).slice(30, 34);
    await copyEmoji(join(folder, 'eval', 'class-0'), { vendor: 'twitter', names });
    const from = (i: number) => join(folder, 'eval', 'class-0', names[i]!);
    const to = (name: string) => join(folder, 'train', 'class-1', name);
    await copyFile(from(0), to('copy.png'));
    await sharp(from(1)).flop().png().toFile(to('mirrored.png'));
    await sharp(from(2)).flatten({ background: '#fff' }).jpeg({ quality: 75 }).toFile(to('recoded.jpg'));
    await sharp(from(3)).resize(200).png().toFile(to('larger.png'));
    const run = await smallRun(folder, [...TWO, audit()]);
    const { levels, canaries } = factsOf(run);
    const row = (level: string) => levels.find((one) => one.level === level && one.type === 'train-eval')!;
    expect(row('verified').matched).toBeGreaterThanOrEqual(4);
    expect(row('verified').matched).toBeLessThanOrEqual(5);
    expect(row('byte').matched).toBe(1);
    expect(canaries).toEqual({ planted: 15, found: 15, missed: [] });
    const pairs = await readPairs(join(run.result.folder, 'audit', 'pairs.parquet'));
    const transforms = pairs.flatMap(({ evidence }) => ('ncc' in evidence ? [evidence.transform] : []));
    expect(transforms).toContain('mirror');
    const items = await readParquet(join(run.result.folder, 'audit', 'items.parquet'));
    expect(items.some(({ side }) => side === 'train' && items.length > 20)).toBe(true);

    // no pairs but the nearest of each image: rates by hash stay, the others say how far they may be off, and the gate heeds it
    await writeFile(join(folder, 'policy.yaml'), 'version: 1\npairs: { train-eval: { maxRate: 0.5 } }\n');
    const gate = { id: 'gate', stage: 'gate', with: { audit: 'audit', policy: 'policy.yaml' } };
    const tight = await smallRun(folder, [...TWO, audit({ pairBudget: 0, dhashRadius: 24 }), gate]);
    const wide = await smallRun(folder, [...TWO, audit({ dhashRadius: 24 }), gate]);
    const rowsAt = (one: SmallRun, level: string) => factsOf(one).levels.filter((row) => row.level === level);
    const matchedAt = (one: SmallRun, level: string) => rowsAt(one, level).map(({ matched }) => matched);
    expect(matchedAt(wide, 'dhash')).toEqual(matchedAt(tight, 'dhash'));
    expect(matchedAt(wide, 'phash')).toEqual(matchedAt(tight, 'phash'));
    const [open, all] = [rowsAt(tight, 'verified')[0]!, rowsAt(wide, 'verified')[0]!];
    expect(all).toMatchObject({ bounded: 'no', open: 0 });
    expect(open).toMatchObject({ bounded: 'images', matched: all.matched });
    expect(open.open).toBeGreaterThan(open.images * 0.5 - open.matched);
    expect(open.high).toBeGreaterThan(all.high);
    const verdictOf = ({ result }: SmallRun) =>
      (result.results.at(-1)!.outcome.facts as { verdict: string }).verdict;
    expect([verdictOf(wide), verdictOf(tight)]).toEqual(['pass', 'invalid']);
  });

  it('keeps a third set apart: train-val and val-eval are types of their own', async () => {
    const folder = await folderOf(10, 6);
    const names = (await emojiNames(60)).slice(0, 2);
    await mkdir(join(folder, 'val'));
    await copyEmoji(join(folder, 'val'), { vendor: 'twitter', names });
    await copyEmoji(join(folder, 'val'), { vendor: 'google', names: (await emojiNames(60)).slice(4, 5) });
    const run = await smallRun(folder, [
      ...TWO,
      index('val-images', 'val', 'val'),
      audit({ val: 'val-images' }),
    ]);
    const matched = (type: string) =>
      factsOf(run).levels.find((one) => one.level === 'byte' && one.type === type)!;
    expect(matched('train-val')).toMatchObject({ images: 3, matched: 2 });
    expect(matched('val-eval')).toMatchObject({ images: 6, matched: 1 });
    expect(matched('train-eval')).toMatchObject({ matched: 0 });
    expect(matched('within-val')).toMatchObject({ images: 3, matched: 0 });
  });

  it('hashes added images only, and after a kill those that no batch holds, to the same bytes', async () => {
    const folder = await folderOf(14, 6);
    const stages = [...TWO, audit()];
    const first = await smallRun(folder, stages);
    expect(noteOf(first)).toContain('20 of 20 images hashed');
    await copyEmoji(join(folder, 'train', 'class-0'), {
      vendor: 'google',
      names: (await emojiNames(60)).slice(40, 43),
    });
    const second = await smallRun(folder, stages);
    expect(noteOf(second)).toContain('3 of 23 images hashed');
    const folderB = await folderOf(14, 6);
    await copyEmoji(join(folderB, 'train', 'class-0'), {
      vendor: 'google',
      names: (await emojiNames(60)).slice(40, 43),
    });
    expect(digestsOf(await smallRun(folderB, stages))).toEqual(digestsOf(second));
    // a table of hashes that is damaged is not believed
    const table = join(second.result.folder, 'audit', 'hashes.parquet');
    await writeFile(table, (await readFile(table)).subarray(0, 300));
    const third = await smallRun(folder, stages);
    expect(noteOf(third)).toContain('23 of 23 images hashed');
    expect(digestsOf(third)).toEqual(digestsOf(second));
  });

  it('takes embeddings from Parquet, npy and safetensors, measures distances, and marks images without one', async () => {
    const folder = await folderOf(30, 28);
    await smallRun(folder, TWO);
    const namesOf = async (side: string) =>
      (await readParquet(join(folder, 'out', 'small', `${side}-images`, 'images.parquet'))).map(({ name }) =>
        String(name),
      );
    const write = async (path: string, bytes: Uint8Array) => writeFile(join(folder, path), bytes);
    for (const [side, seed] of [
      ['train', 1],
      ['eval', 2],
    ] as const) {
      const names = await namesOf(side);
      const data = gaussian(seed, names.length, 8);
      if (side === 'eval') data.set(gaussian(1, 1, 8), 0);
      // not finite: one row of the array of the training side, and no other row suffers from it
      const damaged = data.slice();
      if (side === 'train') damaged[8 * (names.length - 1) + 3] = NaN;
      await write(
        `${side}.parquet`,
        writeParquet(
          { name: 'string', embedding: 'bytes' },
          names.slice(side === 'eval' ? 0 : 1).map((name) => {
            const i = [...names].sort().indexOf(name);
            return { name, embedding: new Uint8Array(data.slice(i * 8, i * 8 + 8).buffer) };
          }),
        ),
      );
      await write(`${side}.npy`, npy(damaged, names.length, 8));
      await write(`${side}.txt`, Buffer.from(`${[...names].sort().join('\n')}\n`));
      await write(
        `${side}.safetensors`,
        encodeSafetensors({
          tensors: new Map([['x', { shape: [names.length, 8], values: data }]]),
          metadata: {},
        }),
      );
    }
    const set = (name: string, of: (side: string) => unknown, role = 'domain') => ({
      name,
      role,
      train: of('train'),
      eval: of('eval'),
    });
    const run = await smallRun(folder, [
      ...TWO,
      audit({
        embeddingFiles: [
          set('table', (side) => `${side}.parquet`),
          set('array', (side) => `${side}.npy`),
          set('tensors', (side) => ({ path: `${side}.safetensors`, keys: `${side}.txt` }), 'copy'),
        ],
        distances: { items: 50, seeds: 1, permutations: 19, bootstrap: 19, components: 4 },
      }),
    ]);
    const { distances, unusable, levels } = factsOf(run);
    expect(distances.map(({ level, images }) => [level, images])).toEqual([
      ['teacher:table', 28],
      ['teacher:array', 28],
      ['copy:tensors', 28],
    ]);
    expect(distances[0]!.leftOut).toEqual([]);
    expect(unusable).toEqual({
      'teacher:table': { train: 1, eval: 0 },
      'teacher:array': { train: 1, eval: 0 },
      'copy:tensors': { train: 0, eval: 0 },
    });
    // the first image of both sides has one embedding
    const copies = levels.find(({ level, type }) => level === 'copy:tensors' && type === 'train-eval')!;
    expect(copies.matched).toBeGreaterThanOrEqual(1);
    const rows = await readParquet(join(run.result.folder, 'audit', 'distances.parquet'));
    expect(new Set(rows.map(({ comparison }) => comparison))).toEqual(
      new Set(['eval-train', 'train-train', 'eval-eval', 'train-anchor']),
    );
    const classes = await readParquet(join(run.result.folder, 'audit', 'classes.parquet'));
    expect(classes.filter(({ level }) => level === 'verified')).toHaveLength(2);
  });

  it('refuses embeddings of other dimensions, of other images, and of another number of rows', async () => {
    const folder = await folderOf(4, 3);
    const put = async (name: string, rows: number, dim: number) =>
      writeFile(join(folder, name), npy(gaussian(1, rows, dim), rows, dim));
    await put('four.npy', 4, 8);
    await put('three.npy', 3, 8);
    await put('narrow.npy', 3, 5);
    const refused = (train: unknown, evaluation: unknown, failure: object) =>
      expect(
        smallRun(folder, [...TWO, audit({ embeddingFiles: [{ name: 'x', train, eval: evaluation }] })]),
      ).rejects.toEqual(failing(3, failure as Record<string, unknown>));
    await refused('four.npy', 'narrow.npy', { wanted: '8 dimensions, as the first side has', got: '5' });
    await refused('three.npy', 'three.npy', { got: '3' });
    await writeFile(join(folder, 'keys.txt'), 'a\nb\nc\nd\n');
    await refused({ path: 'four.npy', keys: 'keys.txt' }, 'three.npy', {
      wanted: 'keys that are image ids or names of the dataset',
    });
    await refused('gone.npy', 'three.npy', { got: 'ENOENT' });
  });

  it('says that a set compared with itself is its own copy, with labels in no conflict', async () => {
    const folder = await folderOf(6, 0);
    await rm(join(folder, 'eval'), { recursive: true });
    const run = await smallRun(folder, [TWO[0]!, index('eval-images', 'train', 'eval'), audit()]);
    const facts = factsOf(run);
    const row = facts.levels.find(({ level, type }) => level === 'verified' && type === 'train-eval')!;
    expect(row).toMatchObject({ images: 6, matched: 6 });
    expect(facts['labelConflicts']).toBe(0);
    expect(await readdir(join(run.result.folder, 'audit'))).not.toContain('work');
  });
});

/** What numpy.save writes for a float32 matrix. */
function npy(data: Float32Array, rows: number, columns: number): Uint8Array {
  const dict = `{'descr': '<f4', 'fortran_order': False, 'shape': (${rows}, ${columns}), }`;
  const header = dict.padEnd(Math.ceil((dict.length + 11) / 64) * 64 - 11 + 64 - 64) + '\n';
  const head = Buffer.alloc(10);
  head.write('\x93NUMPY', 'latin1');
  head[6] = 1;
  head.writeUInt16LE(header.length, 8);
  return Buffer.concat([
    head,
    Buffer.from(header),
    Buffer.from(data.buffer, data.byteOffset, data.byteLength),
  ]);
}
