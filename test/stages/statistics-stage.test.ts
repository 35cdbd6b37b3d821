import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { decodeStatistics } from '../../src/cache/statistics/feature-statistics.ts';
import { failing } from '../support/failing.ts';
import { WHOLE, countsOf, ranIn, smallRun, workFolder } from './small-run.ts';

interface Figures {
  readonly spaces: readonly {
    readonly space: string;
    readonly rows: number;
    readonly file: string;
    readonly phi: number;
  }[];
  readonly interpolation: readonly object[];
}

const CACHED = WHOLE.slice(0, 3);
const measuring = (changes: object = {}) => [
  ...CACHED,
  { id: 'features', stage: 'statistics', with: { dataset: 'train-images', cache: 'embed', ...changes } },
];

describe('the statistics of a run', () => {
  it('are over the views of one dataset, in the summary, with their files, and measured once', async () => {
    const folder = await workFolder({ train: 5, eval: 3 });
    const run = await smallRun(folder, measuring());
    expect(countsOf(run, 'features')).toEqual({ seen: 4, kept: 4, rejected: {} });
    const { spaces, interpolation } = run.summary['statistics'] as unknown as Figures;
    // two views of each training image; the cache holds the evaluation images too
    expect(spaces.map(({ space, rows }) => [space, rows])).toEqual([
      ['tiny@16.summary.f16', 10],
      ['tiny@16.spatial.f16', 10],
      ['tiny@32.summary.f16', 10],
      ['tiny@32.spatial.f16', 10],
    ]);
    expect(interpolation).toMatchObject([{ teacher: 'tiny', lowPx: 16, highPx: 32, rows: 10, measured: 10 }]);
    const path = join(folder, 'out', 'cache', spaces[3]!.file);
    expect(decodeStatistics(await readFile(path), path).facts.phi).toBe(spaces[3]!.phi);

    const again = await smallRun(folder, measuring({ rows: 4, interpolationRows: 0 }));
    expect(ranIn(again)).toEqual(['features']);
    const fewer = again.summary['statistics'] as unknown as Figures;
    expect([fewer.spaces.map(({ rows }) => rows), fewer.interpolation]).toEqual([[4, 4, 4, 4], []]);
  });

  it('leave out a space whose codec changes the features, and say so', async () => {
    const folder = await workFolder({ train: 4, eval: 2 });
    const stages = measuring().map((stage) =>
      stage.id === 'embed'
        ? { ...stage, with: { ...stage.with, codec: { summary: 'f16', spatial: 'i8c' } } }
        : stage,
    );
    expect(countsOf(await smallRun(folder, stages), 'features')).toEqual({
      seen: 4,
      kept: 2,
      rejected: { 'codec-changes-features': 2 },
    });
  });

  it('cannot be of images that the cache stage does not have', async () => {
    const folder = await workFolder({ train: 2, eval: 1 });
    const stages = measuring().map((stage) =>
      stage.id === 'embed'
        ? { ...stage, with: { ...stage.with, datasets: [{ from: 'eval-images' }] } }
        : stage,
    );
    await expect(smallRun(folder, stages)).rejects.toThrow(
      failing(3, { what: 'the images have no cached targets', wanted: 'targets of "train-images"' }),
    );
  });
});
