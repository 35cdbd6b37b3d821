/** Curation by embeddings: semantic duplicates against plain loops, retrieval, sampling, mixing and splits of one set. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { Rng } from '../../src/core/rng.ts';
import { readParquet, writeParquet } from '../../src/format/parquet-table.ts';
import { readDataset } from '../../src/images/dataset-manifest.ts';
import type { PipelineFile } from '../../src/run/pipeline.ts';
import { CURATE_LEDGER_COLUMNS, KEPT_COLUMNS } from '../../src/stages/curate-tables.ts';
import { noisePng, put } from '../images/tiny-images.ts';
import { failing } from '../support/failing.ts';
import { suiteFolder } from '../support/temp-folder.ts';
import { type SmallRun, countsOf, smallRun } from './small-run.ts';

type Stages = PipelineFile['stages'];
const COUNT = 60;
const DIM = 5;
const LEVEL = 'copy:known';
const folder = suiteFolder();
const nameOf = (i: number): string => `class-${i % 3}/${String(i).padStart(3, '0')}.png`;
const embeddings = new Map<string, Float32Array>();

/** Images that differ in every pixel, and embeddings that say what they please. Rows 58 and 59 are not usable. */
beforeAll(async () => {
  const rng = new Rng(11, 'embeddings');
  for (let i = 0; i < COUNT; i++) {
    await put(Buffer.from(join(folder(), 'train', nameOf(i))), await noisePng(i + 1));
    const row = Float32Array.from({ length: DIM }, () => rng.normal());
    // every sixth lies near the one before it, where k-means would draw borders between them
    if (i % 6 === 5)
      embeddings.get(nameOf(i - 1))!.forEach((value, c) => (row[c] = value + 0.1 * rng.normal()));
    embeddings.set(nameOf(i), row);
  }
  embeddings.get(nameOf(58))![2] = NaN;
  embeddings.get(nameOf(59))!.fill(0);
  for (let i = 0; i < 3; i++)
    await put(Buffer.from(join(folder(), 'seeds', `s${i}.png`)), await noisePng(500 + i));
  const table = (rows: Iterable<readonly [string, Float32Array]>) =>
    writeParquet(
      { name: 'string', embedding: 'bytes' },
      [...rows].map(([name, row]) => ({ name, embedding: new Uint8Array(row.slice().buffer) })),
    );
  await writeFile(join(folder(), 'train.parquet'), table(embeddings));
  const seeds = [0, 1, 2].map((i) => [`s${i}.png`, embeddings.get(nameOf(10 * i))!] as const);
  await writeFile(join(folder(), 'seeds.parquet'), table(seeds));
});

const SETS: Stages = [
  { id: 'images', stage: 'index', with: { dataset: 'train' } },
  { id: 'seeds', stage: 'index', with: { dataset: 'seeds' } },
];
const run = (over: object, more: Stages = []): Promise<SmallRun> =>
  smallRun(folder(), [
    ...SETS,
    {
      id: 'curate',
      stage: 'curate',
      with: {
        train: 'images',
        embeddingFiles: [
          { name: 'known', role: 'copy', files: { images: 'train.parquet', seeds: 'seeds.parquet' } },
        ],
        ...over,
      },
    },
    ...more,
  ]);
const ledgerOf = ({ result }: SmallRun) =>
  readParquet(join(result.folder, 'curate', 'ledger.parquet'), { columns: CURATE_LEDGER_COLUMNS });
const keptOf = ({ result }: SmallRun) =>
  readParquet(join(result.folder, 'curate', 'kept.parquet'), { columns: KEPT_COLUMNS });

function cosine(a: Float32Array, b: Float32Array): number {
  const dot = (x: Float32Array, y: Float32Array): number => x.reduce((sum, v, c) => sum + v * y[c]!, 0);
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
}

describe('curation by embeddings', () => {
  it('finds every semantic duplicate that plain loops over all pairs find, and no other', async () => {
    const minCosine = 0.9;
    const made = await run({ deduplicate: [{ level: LEVEL, minCosine }] });
    const { rows } = await readDataset(join(made.result.folder, 'images'));
    // the same greedy choice: larger file first, then smaller id
    const order = rows
      .filter(({ name }) => !['58', '59'].includes(name.slice(-6, -4)))
      .sort((x, y) => y.sizeBytes - x.sizeBytes || (x.id < y.id ? -1 : 1));
    const stays: string[] = [];
    for (const { name } of order)
      if (stays.every((other) => cosine(embeddings.get(name)!, embeddings.get(other)!) < minCosine))
        stays.push(name);
    const kept = (await readDataset(join(made.result.folder, 'curate'))).rows.map(({ name }) => name);
    expect(kept.sort()).toEqual(stays.sort());
    expect(order.length - stays.length).toBeGreaterThan(8);
    const reasons = (await ledgerOf(made)).filter(({ reason }) => reason === 'no-embedding');
    expect(reasons.map(({ uri }) => uri).sort()).toEqual([nameOf(58), nameOf(59)].sort());
  });

  it('keeps what is like the seeds, with seed and cosine', async () => {
    const retrieve = { kind: 'neighbours', level: LEVEL, perSeed: 4, minCosine: 0.2 };
    const made = await run({ seeds: 'seeds', retrieve });
    const kept = await keptOf(made);
    expect(kept.length).toBeGreaterThanOrEqual(4);
    expect(kept.length).toBeLessThanOrEqual(12);
    expect(kept.filter(({ seedCosine }) => seedCosine! > 0.9999)).toHaveLength(3);
    expect(kept.every(({ seedCosine }) => seedCosine! >= 0.2)).toBe(true);
    const { rejected } = countsOf(made, 'curate');
    expect(rejected).toMatchObject({ 'unlike-seeds': COUNT - 2 - kept.length, 'no-embedding': 2 });
  });

  it('samples evenly over clusters, mixes classes exactly, and splits into parts that stages can take', async () => {
    const policy = {
      sample: {
        level: LEVEL,
        total: 40,
        levels: [
          { clusters: 12, resamples: 1 },
          { clusters: 4, resamples: 1 },
        ],
      },
      balance: { kind: 'weights', weights: { 'class-0': 2, 'class-1': 1 } },
      split: { sizes: { val: 3 }, rest: 'train' },
    };
    const made = await run(policy, [{ id: 'val', stage: 'part', with: { dataset: 'curate', split: 'val' } }]);
    const kept = await keptOf(made);
    const { rows } = await readDataset(join(made.result.folder, 'curate'));
    const count = (label: string): number => rows.filter((row) => row.label === label).length;
    expect(Math.abs(count('class-0') - 2 * count('class-1'))).toBeLessThanOrEqual(1);
    expect(count('class-2')).toBe(0);
    expect(rows.filter(({ split }) => split === 'val')).toHaveLength(3);
    expect(rows.filter(({ split }) => split === 'train')).toHaveLength(rows.length - 3);
    const { rows: val, header } = await readDataset(join(made.result.folder, 'val'));
    expect([header.split, val]).toEqual(['val', rows.filter(({ split }) => split === 'val')]);
    expect(countsOf(made, 'val').rejected).toEqual({ 'other-split': rows.length - 3 });
    const wrong = { id: 'val', stage: 'part', with: { dataset: 'curate', split: 'vla' } };
    await expect(run(policy, [wrong])).rejects.toEqual(
      failing(3, { got: 'vla', wanted: 'one of val, train' }),
    );
    expect(kept.every(({ cluster }) => /^\d+\.\d+$/.test(cluster!))).toBe(true);
    expect(kept.some(({ inclusionProbability }) => inclusionProbability < 1)).toBe(true);
    const { rejected } = countsOf(made, 'curate');
    expect(rejected).toMatchObject({ 'over-cluster-share': COUNT - 2 - 40, 'no-embedding': 2 });
  });

  it.each<[string, object, object]>([
    ['retrieval without seeds', { retrieve: { kind: 'neighbours', level: LEVEL } }, { where: 'seeds' }],
    [
      'a split of more images than there are',
      { split: { sizes: { val: 500 }, rest: 'train' } },
      { what: 'a split asks for more images than there are' },
    ],
    [
      'weights that sum to 0',
      { balance: { kind: 'weights', weights: { 'class-0': 0 } } },
      { what: 'the weights of a mix sum to 0' },
    ],
    [
      'a level of another name',
      { deduplicate: [{ level: 'copy:knwon', minCosine: 0.9 }] },
      { wanted: 'one of copy:known' },
    ],
    ['an unknown key', { filters: { minSharpnes: 3 } }, { got: expect.stringContaining('minSharpness') }],
    [
      'levels that do not shrink',
      { sample: { level: LEVEL, total: 9, levels: [{ clusters: 3 }, { clusters: 3 }] } },
      { got: expect.stringContaining('each level needs fewer clusters') },
    ],
  ])('refuses %s', async (_, over, failure) => {
    await expect(run(over)).rejects.toEqual(failing(3, failure as Record<string, unknown>));
  });

  it('keeps one of images that a centred level cannot tell apart, and says which evaluation images it cannot see', async () => {
    const files = { images: 'one.parquet', bench: 'bench.parquet' };
    for (let i = 0; i < 4; i++) {
      await put(Buffer.from(join(folder(), 'few', `${i}.png`)), await noisePng(700 + i));
      await put(Buffer.from(join(folder(), 'bench', `${i}.png`)), await noisePng(800 + i));
    }
    const table = (row: (i: number) => number[]) =>
      writeParquet(
        { name: 'string', embedding: 'bytes' },
        [0, 1, 2, 3].map((i) => ({
          name: `${i}.png`,
          embedding: new Uint8Array(Float32Array.from(row(i)).buffer),
        })),
      );
    await writeFile(
      join(folder(), files.images),
      table(() => [0.1, 0.7, 0.3]),
    );
    await writeFile(
      join(folder(), files.bench),
      table((i) => (i === 0 ? [NaN, 1, 0] : [0, 0, -1 - i])),
    );
    const made = await smallRun(folder(), [
      { id: 'images', stage: 'index', with: { dataset: 'few' } },
      { id: 'bench', stage: 'index', with: { dataset: 'bench' } },
      {
        id: 'curate',
        stage: 'curate',
        with: {
          train: 'images',
          eval: ['bench'],
          embeddingFiles: [{ name: 'flat', role: 'domain', files }],
          decontaminate: [{ level: 'teacher:flat', minCosine: 0.9 }],
          deduplicate: [{ level: 'teacher:flat', minCosine: 0.9 }],
        },
      },
    ]);
    expect(countsOf(made, 'curate')).toEqual({ seen: 4, kept: 1, rejected: { 'semantic-duplicate': 3 } });
    const record = JSON.parse(
      await readFile(join(made.result.folder, 'curate', 'curation.json'), 'utf8'),
    ) as object;
    expect(record).toMatchObject({ uncompared: [{ level: 'teacher:flat', set: 'bench', images: 1 }] });
    expect(JSON.stringify(made.events)).toContain('1 images of bench have no usable embedding');
  });

  it('keeps one of a set in which all images are one', async () => {
    const same = await noisePng(1);
    for (let i = 0; i < 5; i++) await put(Buffer.from(join(folder(), 'same', `${i}.png`)), same);
    const made = await smallRun(folder(), [
      { id: 'images', stage: 'index', with: { dataset: 'same' } },
      { id: 'curate', stage: 'curate', with: { train: 'images' } },
    ]);
    expect(countsOf(made, 'curate')).toEqual({ seen: 1, kept: 1, rejected: {} });
    expect(countsOf(made, 'images')).toMatchObject({ seen: 5, kept: 1 });
  });
});
