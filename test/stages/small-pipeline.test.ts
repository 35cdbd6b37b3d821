import { copyFile, cp, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { canonicalJson } from '../../src/core/canonical-json.ts';
import { readParquet } from '../../src/format/parquet-table.ts';
import { readDataset } from '../../src/images/dataset-manifest.ts';
import { readImage } from '../../src/images/read-image.ts';
import { LEDGER_COLUMNS } from '../../src/stages/ledger-table.ts';
import { emojiNames } from '../support/emoji-folder.ts';
import { failing } from '../support/failing.ts';
import { writeTinyTeacher } from '../support/tiny-teacher.ts';
import { WHOLE, countsOf, digestsOf, ranIn, smallRun, workFolder } from './small-run.ts';

const TRAIN = 16;
const EVAL = 8;
/** Two views of each training image and one of each evaluation image, summary and spatial, at two sizes. */
const TARGETS = (2 * TRAIN + EVAL) * 2 * 2;

const ledgerOf = (folder: string, id: string) =>
  readParquet(join(folder, 'out', 'small', id, 'ledger.parquet'), { columns: LEDGER_COLUMNS });

describe('a small run on real images', () => {
  it('ends with balanced stages and the figures of the summary, and reuses everything when run again', async () => {
    const folder = await workFolder({ train: TRAIN, eval: EVAL });
    const first = await smallRun(folder);
    expect(first.result.results.map(({ id }) => id)).toEqual(WHOLE.map(({ id }) => id));
    expect([first.written, first.reused]).toEqual([TARGETS, 0]);
    expect(countsOf(first, 'embed')).toEqual({ seen: TARGETS, kept: TARGETS, rejected: {} });
    expect(Object.keys(first.summary).sort()).toEqual(
      ['$schema', 'audit', 'curate', 'images', 'run', 'seconds', 'seed', 'stages', 'targets'].sort(),
    );
    expect(first.summary['images']).toEqual({
      train: TRAIN,
      eval: EVAL,
      curated: countsOf(first, 'curate').kept,
    });
    expect(first.summary['targets']).toMatchObject({
      perTeacher: {
        tiny: { 16: { written: TARGETS / 2, reused: 0 }, 32: { written: TARGETS / 2, reused: 0 } },
      },
    });
    expect(Object.keys(first.summary['seconds'] as object).sort()).toEqual(
      [...WHOLE.map(({ id }) => id), 'total'].sort(),
    );
    const onDisk = JSON.parse(await readFile(join(folder, 'out', 'small', 'summary.json'), 'utf8')) as object;
    expect(onDisk).toEqual(JSON.parse(canonicalJson(first.summary)));

    const again = await smallRun(folder);
    expect(ranIn(again)).toEqual([]);
    expect([again.written, again.reused]).toEqual([0, TARGETS]);
    expect(again.events.filter(({ kind }) => kind === 'stage-reused')).toHaveLength(WHOLE.length);
    expect(again.summary['audit']).toEqual(first.summary['audit']);
  });

  it('gives the same outputs in another folder, from a copy of the images', async () => {
    const folder = await workFolder({ train: 6, eval: 4 });
    const other = await workFolder({ train: 0, eval: 0 });
    await cp(join(folder, 'train'), join(other, 'train'), { recursive: true });
    await cp(join(folder, 'eval'), join(other, 'eval'), { recursive: true });
    expect(digestsOf(await smallRun(other))).toEqual(digestsOf(await smallRun(folder)));
  });
});

describe('what is computed again', () => {
  it('is exactly the rows of a space whose parts were removed', async () => {
    const folder = await workFolder({ train: TRAIN, eval: EVAL });
    const first = await smallRun(folder);
    const data = join(folder, 'out', 'cache', 'data');
    const [space] = (await readdir(data)).filter((name) => name.startsWith('tiny@32.spatial.'));
    await rm(join(data, space!), { recursive: true });
    const second = await smallRun(folder);
    // no summary of 32 px is written again, although the teacher gives both with one call
    expect([second.written, second.reused]).toEqual([TARGETS / 4, (3 * TARGETS) / 4]);
    expect(second.summary['targets']).toMatchObject({
      perTeacher: { tiny: { 16: { written: 0 }, 32: { written: TARGETS / 4, reused: TARGETS / 4 } } },
    });
    expect(ranIn(second)).toEqual(['embed']);
    expect(digestsOf(second)).toEqual(digestsOf(first));
  });

  it('is exactly the rows of one lost part', async () => {
    const folder = await workFolder({ train: TRAIN, eval: EVAL });
    await smallRun(folder);
    const data = join(folder, 'out', 'cache', 'data');
    const [space] = (await readdir(data)).filter((name) => name.startsWith('tiny@16.summary.'));
    const [part] = await readdir(join(data, space!));
    await rm(join(data, space!, part!));
    expect((await smallRun(folder)).written).toBe(Number(part!.split('.')[0]));
  });

  it('is nothing but the targets of an image that was added', async () => {
    const folder = await workFolder({ train: 8, eval: 4 });
    await smallRun(folder);
    const names = await emojiNames(12);
    const source = join('node_modules', 'emoji-datasource-twitter', 'img', 'twitter', '64', names[11]!);
    await copyFile(source, join(folder, 'train', 'class-0', names[11]!));
    const second = await smallRun(folder);
    expect(second.written).toBe(2 * 2 * 2);
    expect(second.summary['images']).toMatchObject({ train: 9, eval: 4 });
  });

  it('is no target when the dataset folder is renamed', async () => {
    const folder = await workFolder({ train: 8, eval: 4 });
    const first = await smallRun(folder);
    await rename(join(folder, 'train'), join(folder, 'moved'));
    const moved = WHOLE.map((stage) =>
      stage.id === 'train-images' ? { ...stage, with: { dataset: 'moved', split: 'train' } } : stage,
    );
    const second = await smallRun(folder, moved);
    expect(second.written).toBe(0);
    expect(digestsOf(second)['embed.tiny@16.summary']).toBe(digestsOf(first)['embed.tiny@16.summary']);
  });

  it('is every target of a teacher whose weights changed, and none of the old ones is lost', async () => {
    const folder = await workFolder({ train: 4, eval: 2 });
    const first = await smallRun(folder);
    await writeTinyTeacher(folder, { seed: 2 });
    expect((await smallRun(folder)).written).toBe(first.written);
    await writeTinyTeacher(folder, { seed: 1 });
    expect((await smallRun(folder)).written).toBe(0);
  });

  it('are the random views, but not the whole image, when the seed changes', async () => {
    const folder = await workFolder({ train: 4, eval: 2 });
    await smallRun(folder);
    expect((await smallRun(folder, WHOLE, 4)).written).toBe(4 * 2 * 2);
  });
});

describe('a teacher that answers NaN for some images', () => {
  it('gives ledger rows with the reason, balanced totals, and the same ledger from a full cache', async () => {
    const folder = await workFolder({ train: 8, eval: 4 });
    // whole emoji on white are bright: the darkest of these are below 0.75
    await writeTinyTeacher(folder, { nanBelow: 0.75 });
    const first = await smallRun(folder);
    const { seen, kept, rejected } = countsOf(first, 'embed');
    const failed = (rejected as Record<string, number>)['non-finite'] ?? 0;
    expect(failed).toBeGreaterThan(0);
    expect(failed).toBeLessThan(seen);
    expect(kept + failed).toBe(seen);
    const ledger = await ledgerOf(folder, 'embed');
    expect(ledger).toHaveLength(failed);
    expect(new Set(ledger.map(({ reason }) => reason))).toEqual(new Set(['non-finite']));
    expect(ledger[0]!.uri).toMatch(/^class-\d\/1f3.*\.png$/);
    expect(await readFile(first.report, 'utf8')).toContain('non-finite');

    await rm(join(folder, 'out', 'small', 'embed'), { recursive: true });
    const second = await smallRun(folder);
    expect(second.written).toBe(0);
    expect(await ledgerOf(folder, 'embed')).toEqual(ledger);
    expect(digestsOf(second)).toEqual(digestsOf(first));
  });
});

describe('a pipeline whose stages read the wrong kind', () => {
  it.each([
    ['audit', { train: 'embed', eval: 'eval-images' }, 'index or curate', 'cache'],
    ['audit', { train: 'train-images', eval: 'eval-images', embeddings: 'train-images' }, 'cache', 'index'],
    ['curate', { audit: 'embed', train: 'train-images', eval: 'eval-images' }, 'audit', 'cache'],
  ])('is told which kind %s needs', async (stage, params, wanted, got) => {
    const folder = await workFolder({ train: 2, eval: 1 });
    await expect(
      smallRun(folder, [...WHOLE.slice(0, 3), { id: 'last', stage, with: params }]),
    ).rejects.toThrow(
      failing(3, { wanted: expect.stringContaining(wanted), got: expect.stringContaining(`kind ${got}`) }),
    );
  });
});

describe('an image that changed or vanished after it was indexed', () => {
  it('is never read as if it were the indexed one: the message names it and the next step', async () => {
    const folder = await workFolder({ train: 2, eval: 1 });
    await smallRun(folder, WHOLE.slice(0, 2));
    const { rows } = await readDataset(join(folder, 'out', 'small', 'train-images'));
    const [row, places] = [rows[0]!, { root: join(folder, 'train'), packagesFrom: [] }];
    expect((await readImage(row, places)).length).toBe(row.sizeBytes);
    await writeFile(join(folder, 'train', row.uri), 'changed');
    await expect(readImage(row, places)).rejects.toThrow(
      failing(3, { where: row.uri, wanted: `sha256 ${row.id}`, next: expect.stringContaining('run again') }),
    );
    await rm(join(folder, 'train', row.uri));
    await expect(readImage(row, places)).rejects.toThrow(failing(3, { got: 'ENOENT' }));
  });
});
