/** The fill as a run drives it, with real decoding and a real engine: what is decoded, and what one bad answer costs. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openCatalogue } from '../../src/cache/catalogue.ts';
import { TargetReader } from '../../src/cache/read.ts';
import { rowKeyOf } from '../../src/cache/row-key.ts';
import { spaceLabel } from '../../src/cache/space.ts';
import { readParquet } from '../../src/format/parquet-table.ts';
import { readDataset } from '../../src/images/dataset-manifest.ts';
import { FULL_VIEW, viewIdOf } from '../../src/images/view.ts';
import { asFile, noise } from '../images/tiny-images.ts';
import { LEDGER_COLUMNS } from '../../src/stages/ledger-table.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { writeTinyTeacher } from '../support/tiny-teacher.ts';
import { countsOf, smallRun } from './small-run.ts';

const BLACK = 3;

/** Six pictures of bright noise; the fourth is black. */
async function photos(): Promise<string> {
  const folder = await tempFolder();
  await mkdir(join(folder, 'photos'));
  for (let i = 0; i < 6; i++) {
    const data =
      i === BLACK ? new Uint8Array(16 * 16 * 3) : noise(16, 16, i + 1).map((byte) => 128 + byte / 2);
    await writeFile(join(folder, 'photos', `${i}.png`), await asFile(data, { width: 16, height: 16 }));
  }
  return folder;
}

function stages(teachers: readonly { name: string; sizesPx: number[] }[], more: object = {}) {
  return [
    { id: 'images', stage: 'index', with: { dataset: 'photos', split: 'train' } },
    { id: 'targets', stage: 'cache', with: { datasets: [{ from: 'images' }], teachers, ...more } },
  ];
}

describe('a fill from files', () => {
  it('decodes each image once for two teachers at two sizes and three views', async () => {
    const folder = await photos();
    await writeTinyTeacher(folder);
    await writeTinyTeacher(folder, { name: 'other', seed: 2 });
    const teachers = ['tiny.yaml', 'other.yaml'].map((name) => ({ name, sizesPx: [16, 32] }));
    // units of four rows hold one image: their borders cost no decode either
    const more = { datasets: [{ from: 'images', views: 3 }], unitRows: 4 };
    const run = await smallRun(folder, stages(teachers, more));
    expect(run.written).toBe(6 * 3 * 2 * 2 * 2);
    const { outcome } = run.result.results.find(({ id }) => id === 'targets')!;
    expect(outcome.measured).toMatchObject({ decodes: 6 });
  });

  it('of a teacher that answers NaN for one image of a batch rejects that image and keeps the others bit for bit', async () => {
    const folder = await photos();
    await writeTinyTeacher(folder, { name: 'healthy' });
    await writeTinyTeacher(folder, { name: 'sick', nanBelow: 0.2 });
    const teachers = ['healthy.yaml', 'sick.yaml'].map((name) => ({ name, sizesPx: [16] }));
    const run = await smallRun(folder, stages(teachers, { batch: 6 }));
    expect(countsOf(run, 'targets')).toEqual({ seen: 24, kept: 22, rejected: { 'non-finite': 2 } });
    const { rows } = await readDataset(join(folder, 'out', 'small', 'images'));
    const black = rows.find(({ name }) => name.startsWith(`${BLACK}`))!;
    const ledger = await readParquet(join(folder, 'out', 'small', 'targets', 'ledger.parquet'), {
      columns: LEDGER_COLUMNS,
    });
    const row = { imageId: black.id, uri: black.uri, stage: 'cache', reason: 'non-finite' };
    expect(ledger).toEqual([
      { ...row, detail: 'sick@16.summary' },
      { ...row, detail: 'sick@16.spatial' },
    ]);

    const { spaces } = await openCatalogue(join(folder, 'out', 'cache'));
    const byLabel = new Map([...spaces.values()].map((space) => [spaceLabel(space.descriptor), space]));
    const reader = new TargetReader();
    for (const tap of ['summary', 'spatial'])
      for (const { id } of rows) {
        const key = rowKeyOf({ image: id, view: viewIdOf(FULL_VIEW) });
        const [healthy, sick] = await Promise.all(
          ['healthy', 'sick'].map((name) => reader.readStored(byLabel.get(`${name}@16.${tap}`)!, key)),
        );
        expect(healthy).not.toBeNull();
        expect(sick).toEqual(id === black.id ? null : healthy);
      }
    await reader.close();
  });
});
