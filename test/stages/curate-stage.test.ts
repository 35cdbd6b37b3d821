/** The curate stage on real emoji with planted trouble: what it removes and why, and that its result keeps its promises. */
import { copyFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import { readParquet } from '../../src/format/parquet-table.ts';
import { curate } from '../../src/curate/curate.ts';
import { readDataset } from '../../src/images/dataset-manifest.ts';
import { curatedStages } from '../../src/stages/curated-stages.ts';
import { imageStory } from '../../src/stages/image-story.ts';
import { checkPostCondition } from '../../src/stages/curate-stage.ts';
import { CURATE_LEDGER_COLUMNS } from '../../src/stages/curate-tables.ts';
import { Rng } from '../../src/core/rng.ts';
import type { CandidateList } from '../../src/stages/curate-evidence.ts';
import type { PipelineFile } from '../../src/run/pipeline.ts';
import { rowOf } from '../audit/sample-images.ts';
import { curateInput } from '../curate/curation-input.ts';
import { copyEmoji, emojiNames } from '../support/emoji-folder.ts';
import { failing } from '../support/failing.ts';
import { suiteFolder } from '../support/temp-folder.ts';
import { type SmallRun, countsOf, digestsOf, ranIn, smallRun } from './small-run.ts';

type Stages = PipelineFile['stages'];
const index = (id: string, dataset: string): Stages[number] => ({ id, stage: 'index', with: { dataset } });
const SETS = [index('train-images', 'train'), index('bench-a', 'bench-a'), index('bench-b', 'bench-b')];
const FILTERS = { minSidePx: 24, maxAspect: 3, minBrightest: 0.2, maxUniformShare: 0.95, minSharpness: 20 };
const curateStage = (over: object = {}, id = 'curate'): Stages[number] => ({
  id,
  stage: 'curate',
  with: { train: 'train-images', eval: ['bench-a', 'bench-b'], filters: FILTERS, ...over },
});

const folder = suiteFolder();

/** 24 emoji in two classes; a leak from each of two evaluation sets, a smaller copy, and one image for each filter. */
beforeAll(async () => {
  const names = await emojiNames(40);
  await copyEmoji(join(folder(), 'train'), { vendor: 'twitter', names: names.slice(0, 24), labels: 2 });
  for (const [i, set] of ['bench-a', 'bench-b'].entries()) {
    await mkdir(join(folder(), set));
    await copyEmoji(join(folder(), set), { vendor: 'google', names: names.slice(28 + 4 * i, 32 + 4 * i) });
  }
  const train = (name: string) => join(folder(), 'train', 'class-0', name);
  const picture = () => sharp(train(names[2]!)).flatten({ background: '#fff' });
  const benchA = sharp(join(folder(), 'bench-a', names[28]!)).flatten({ background: '#fff' });
  await benchA.clone().jpeg({ quality: 90 }).toFile(train('leak-a.jpg'));
  await sharp(join(folder(), 'bench-b', names[32]!))
    .flop()
    .png()
    .toFile(train('leak-b.png'));
  await picture().resize(48).jpeg({ quality: 85 }).toFile(train('smaller.jpg'));
  await picture().resize(16, 16).png().toFile(train('tiny.png'));
  await picture().resize(200, 40, { fit: 'fill' }).png().toFile(train('long.png'));
  await picture().linear(0.1, 0).png().toFile(train('dark.png'));
  await picture().blur(12).png().toFile(train('blurred.png'));
  await sharp({ create: { width: 40, height: 40, channels: 3, background: '#3a9' } }).toFile(
    train('flat.png'),
  );
});

const ledgerOf = (run: SmallRun, id = 'curate') =>
  readParquet(join(run.result.folder, id, 'ledger.parquet'), { columns: CURATE_LEDGER_COLUMNS });
const reasonsByFile = async (run: SmallRun) =>
  Object.fromEntries((await ledgerOf(run)).map(({ uri, reason }) => [uri.split('/').at(-1)!, reason]));

describe('the curate stage', () => {
  it('removes each planted image for its reason, without an audit, and counts every step', async () => {
    const run = await smallRun(folder(), [...SETS, curateStage()]);
    const reasons = await reasonsByFile(run);
    expect(reasons).toMatchObject({
      'leak-a.jpg': 'matches-evaluation',
      'leak-b.png': 'matches-evaluation',
      'smaller.jpg': 'near-duplicate',
      'tiny.png': 'too-small',
      'long.png': 'odd-aspect',
      'dark.png': 'too-dark',
      'blurred.png': 'blurred',
      'flat.png': 'uniform-colour',
    });
    const rows = await ledgerOf(run);
    const leaks = rows.filter(({ reason }) => reason === 'matches-evaluation');
    expect(leaks.map(({ otherSet }) => otherSet).sort()).toEqual(['bench-a', 'bench-b']);
    expect(rows.find(({ reason }) => reason === 'too-small')).toMatchObject({
      value: 16,
      threshold: 'minSidePx 24',
      step: 'filters',
    });
    const { seen, kept, rejected } = countsOf(run, 'curate');
    expect(seen).toBe(kept + rows.length);
    expect(Object.values(rejected as Record<string, number>).reduce((a, b) => a + b, 0)).toBe(rows.length);
  });

  it('names parents, policy and code in its record, so that it can be made again', async () => {
    const run = await smallRun(folder(), [...SETS, curateStage()]);
    const record = JSON.parse(
      await readFile(join(run.result.folder, 'curate', 'curation.json'), 'utf8'),
    ) as Record<string, unknown>;
    const { derivation } = await readDataset(join(run.result.folder, 'curate'));
    expect(derivation).toMatchObject({ policySha256: record['policyDigest'], record: 'curation.json' });
    const parents = await Promise.all(
      SETS.map(async ({ id }) => (await readDataset(join(run.result.folder, id))).digest),
    );
    expect(record).toMatchObject({
      code: { stage: 'curate' },
      policy: { filters: FILTERS },
      parents: [
        { role: 'train', digest: parents[0] },
        { role: 'evaluation', from: 'bench-a', digest: parents[1] },
        { role: 'evaluation', from: 'bench-b', digest: parents[2] },
      ],
    });
    expect(derivation!.parents.map(({ digest }) => digest)).toEqual(parents);
  });

  it('leaves a set in which an audit finds nothing, and which it does not curate further', async () => {
    const audit = (id: string): Stages[number] => ({
      id: `audit-${id}`,
      stage: 'audit',
      with: { train: 'curate', eval: id, canaries: 3 },
    });
    const again = curateStage({ train: 'curate', exclude: [{ path: '**/leak-a.jpg' }] }, 'again');
    const run = await smallRun(folder(), [
      ...SETS,
      curateStage({ exclude: [{ path: '**/leak-a.jpg' }] }),
      again,
      audit('bench-a'),
      audit('bench-b'),
    ]);
    const { seen, kept } = countsOf(run, 'again');
    expect(kept).toBe(seen);
    for (const id of ['audit-bench-a', 'audit-bench-b']) {
      const { facts } = run.result.results.find((result) => result.id === id)!.outcome;
      const matched = (
        facts as unknown as { levels: { level: string; type: string; matched: number }[] }
      ).levels.filter(
        ({ level, type }) =>
          ['byte', 'pixel', 'phash'].includes(level) && ['train-eval', 'within-train'].includes(type),
      );
      expect(matched).toHaveLength(6);
      expect(matched.every((row) => row.matched === 0)).toBe(true);
    }
  });

  it('gives the same bytes whatever the order of the list and the number of workers', async () => {
    const run = await smallRun(folder(), [...SETS, curateStage()]);
    const { rows } = await readDataset(join(run.result.folder, 'train-images'));
    const { rows: bench } = await readDataset(join(run.result.folder, 'bench-a'));
    const write = (set: string, order: typeof rows) =>
      writeFile(
        join(folder(), `${set}.csv`),
        ['path,label', ...order.map(({ uri, label }) => `${set}/${uri},${label ?? ''}`)].join('\n'),
      );
    const stages = [
      index('train-images', 'train.csv'),
      index('bench-a', 'bench-a.csv'),
      SETS[2]!,
      curateStage({
        decontaminate: [
          { level: 'phash', maxDistance: 8 },
          { level: 'verified', minNcc: 0.9 },
        ],
        deduplicate: [
          { level: 'dhash', maxDistance: 12 },
          { level: 'verified', minNcc: 0.9 },
        ],
        // so small that of equally near pairs some are left out
        pairBudget: 3,
        balance: { kind: 'equal-share', total: 9 },
        split: { shares: { train: 2, val: 1 } },
      }),
    ];
    const found = [];
    for (const [seed, workers] of [
      [0, 1],
      [1, 4],
      [2, 2],
    ] as const) {
      const rng = new Rng(seed, 'order');
      // the lists keep their names: the outputs name them
      await write('train', rng.shuffled(rows));
      await write('bench-a', rng.shuffled(bench));
      await rm(join(run.result.folder, 'curate'), { recursive: true, force: true });
      const other = await smallRun(folder(), stages, 3, workers);
      expect(ranIn(other)).toEqual(expect.arrayContaining(['train-images', 'bench-a', 'curate']));
      const files = Object.entries(digestsOf(other)).filter(([key]) => key.startsWith('curate.'));
      expect(files.map(([key]) => key).sort()).toEqual([
        'curate.curation',
        'curate.dataset',
        'curate.hashes',
        'curate.kept',
        'curate.ledger',
      ]);
      found.push(files);
    }
    expect(found[1]).toEqual(found[0]);
    expect(found[2]).toEqual(found[0]);
  });

  it('compares what a budget of pairs allows, the nearest of each image at least, and says how far that goes', async () => {
    const cut = [{ level: 'verified', minNcc: 0.95 }];
    const policy = { decontaminate: cut, deduplicate: cut, pairBudget: 0 };
    const run = await smallRun(folder(), [...SETS, curateStage(policy)]);
    expect(await reasonsByFile(run)).toMatchObject({
      'leak-a.jpg': 'matches-evaluation',
      'leak-b.png': 'matches-evaluation',
      'smaller.jpg': 'near-duplicate',
    });
    const record = await readFile(join(run.result.folder, 'curate', 'curation.json'), 'utf8');
    const { candidates } = JSON.parse(record) as { candidates: CandidateList[] };
    expect(candidates.map(({ set, level, radius }) => [set, level, radius])).toEqual(
      [null, 'bench-a', 'bench-b'].flatMap((set) => ['phash', 'dhash'].map((level) => [set, level, 10])),
    );
    expect(candidates.some(({ listedTo }) => listedTo < 10)).toBe(true);
    expect(run.summary['curate']).toMatchObject({ candidates });
  });

  it('finds a copy of the very file, which has no pixels to lay over, by a policy of verified alone', async () => {
    const at = folder();
    await copyFile(
      join(at, 'bench-a', (await emojiNames(40))[28]!),
      join(at, 'train', 'class-0', 'same.png'),
    );
    const decontaminate = [{ level: 'verified', minNcc: 0.95 }];
    const run = await smallRun(at, [...SETS, curateStage({ decontaminate, deduplicate: [] })]);
    await rm(join(at, 'train', 'class-0', 'same.png'));
    expect(await reasonsByFile(run)).toMatchObject({ 'same.png': 'matches-evaluation' });
  });

  it('refuses a level that nothing computes, with what to do', async () => {
    const cut = { level: 'teacher:nothing@16', minCosine: 0.9 };
    await expect(smallRun(folder(), [...SETS, curateStage({ deduplicate: [cut] })])).rejects.toEqual(
      failing(3, { where: 'teacher:nothing@16' }),
    );
  });

  it('may keep nothing: every image has its row, and a note says so', async () => {
    const { result, events } = await smallRun(folder(), [
      ...SETS,
      curateStage({ filters: { minSidePx: 5000 } }),
    ]);
    const { outcome } = result.results.find(({ id }) => id === 'curate')!;
    expect([outcome.kept, outcome.rejected]).toEqual([0, { 'too-small': outcome.seen }]);
    expect(JSON.stringify(events)).toContain('no image is left');
  });
});

describe('curations that read each other', () => {
  it('are told in the order of all their parents, through parts of splits, each image along its own way', async () => {
    const part = (id: string, dataset: string, split: string) => ({
      id,
      stage: 'part',
      with: { dataset, split },
    });
    const bare = { eval: [], filters: {} };
    // what other tests left there would be curations of this run too
    await rm(join(folder(), 'out', 'small'), { recursive: true, force: true });
    // names against the order: z before y before a
    const run = await smallRun(folder(), [
      ...SETS,
      curateStage({ ...bare, split: { shares: { train: 1, val: 1 } } }, 'z-own'),
      curateStage({ ...bare, train: 'bench-a' }, 'y-bench'),
      part('part', 'z-own', 'train'),
      curateStage({ ...bare, train: 'part', eval: ['y-bench', 'bench-b'] }, 'a-both'),
      curateStage({ ...bare, train: 'bench-b' }, 'b-alone'),
    ]);
    const stages = await curatedStages(run.result.folder);
    expect(stages.map(({ id }) => id)).toEqual(['b-alone', 'y-bench', 'z-own', 'a-both']);
    expect(stages.map(({ source }) => source)).toEqual([
      { id: 'bench-b', isCurated: false, split: null },
      { id: 'bench-a', isCurated: false, split: null },
      { id: 'train-images', isCurated: false, split: null },
      { id: 'z-own', isCurated: true, split: 'train' },
    ]);
    const wayOf = async (id: string) => {
      const { steps } = await imageStory(run.result.folder, id);
      return [...new Set(steps.map(({ stage }) => stage))];
    };
    const partOf = new Map(stages[2]!.kept.map(({ imageId, split }) => [split, imageId]));
    expect(await wayOf(partOf.get('train')!)).toEqual(['train-images', 'z-own', 'a-both']);
    expect(await wayOf(partOf.get('val')!)).toEqual(['train-images', 'z-own']);
    expect(await wayOf(stages[1]!.kept[0]!.imageId)).toEqual(['bench-a', 'y-bench']);
    expect(await wayOf(stages[0]!.kept[0]!.imageId)).toEqual(['bench-b', 'b-alone']);
  });
});

describe('checkPostCondition', () => {
  it('fails with an integrity error when a search of its own still finds a pair', async () => {
    const rows = [rowOf('x'), rowOf('y')];
    const [a, b] = rows.map(({ id }) => id).sort();
    const pair = { type: 'within-train', a: a!, b: b!, evidence: { level: 'pixel' } } as const;
    const policy = { deduplicate: [{ level: 'pixel' }] as const };
    const blind = await curate(curateInput({ rows, policy }));
    await expect(checkPostCondition(blind, curateInput({ rows, policy }))).resolves.toBeUndefined();
    await expect(checkPostCondition(blind, curateInput({ rows, policy, evidence: [pair] }))).rejects.toEqual(
      failing(4, { what: 'the curated set does not keep its own policy' }),
    );
  });
});
