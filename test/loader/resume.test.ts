import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { type Catalogue, openCatalogue } from '../../src/cache/catalogue.ts';
import { type LoaderOptions, openLoader } from '../../src/loader/open-loader.ts';
import { image, images, keyOf, openWriter, partFor, space } from '../cache/rig.ts';

const COUNT = 26;
const keys = Array.from({ length: COUNT }, (_, i) => keyOf(image(i)));
let root = '';
let catalogue: Catalogue;

beforeAll(async () => {
  root = fs.mkdtempSync(join(tmpdir(), 'stillhouse-resume-'));
  const { writer } = await openWriter(root);
  for (let from = 0; from < COUNT; from += 6)
    await writer.commit([partFor(space(), images(COUNT).slice(from, from + 6))]);
  await writer.close();
  catalogue = await openCatalogue(root);
});
afterAll(() => fs.rmSync(root, { recursive: true, force: true }));

async function open(changes: Partial<LoaderOptions<'sums@2.summary', 'f32', null>>) {
  const loader = await openLoader<'sums@2.summary'>({
    snapshot: catalogue,
    dataset: { name: 'photos', keys },
    spaces: ['sums@2.summary'],
    batchSize: 4,
    seed: 5,
    workers: 0,
    ...changes,
  });
  onTestFinished(() => loader.close());
  return loader;
}

describe('a loader', () => {
  it('resumes at every batch of an epoch on any number of ranks, in the very order', async () => {
    const ids = async (loader: Awaited<ReturnType<typeof open>>, to: number): Promise<string[][]> => {
      const batches: string[][] = [];
      for await (const batch of loader.batches(undefined, to)) batches.push([...batch.ids]);
      return batches;
    };
    const settings = { batchSize: 24, last: 'keep' } as const;
    const whole = await ids(await open(settings), 4);
    // an epoch of 26: a full batch, and the 2 that are left
    expect(whole.map(({ length }) => length)).toEqual([24, 2, 24, 2]);
    for (const end of [2, 4])
      expect(new Set(whole.slice(end - 2, end).flat())).toEqual(new Set(keys.map((key) => key.slice(0, 64))));
    const before = [1, 2, 3, 4, 6, 8];
    for (let stop = 0; stop < 4; stop++)
      for (const [i, worldSize] of before.entries()) {
        const first = await open({ ...settings, worldSize, rank: worldSize - 1 });
        await ids(first, stop);
        const state = JSON.parse(JSON.stringify(first.state()));
        const other = before[(i + 1 + stop) % before.length]!;
        const shares: string[][][] = [];
        for (let rank = 0; rank < other; rank++)
          shares.push(await ids(await open({ ...settings, worldSize: other, rank, state }), 4));
        const rest = Array.from({ length: 4 - stop }, (_, b) => shares.flatMap((share) => share[b]!));
        expect(rest).toEqual(whole.slice(stop));
      }
  });
});
