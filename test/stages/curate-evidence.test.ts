/** Evidence that a curation finds while pairs are under a budget and the set shrinks. */
import { describe, expect, it } from 'vitest';
import type { Threshold } from '../../src/audit/evidence.ts';
import type { ImageId } from '../../src/core/ids.ts';
import { hashImages } from '../../src/stages/audit-hashes.ts';
import { type CandidateList, evidenceFinder } from '../../src/stages/curate-evidence.ts';
import type { OpenDataset } from '../../src/stages/dataset-access.ts';
import { blobs, idOf, rowOf } from '../audit/sample-images.ts';
import { tempFolder } from '../support/temp-folder.ts';

const names = ['a', 'b', 'c', 'd', 'e', 'f'];
const rows = names.map((name) => rowOf(name)).sort((x, y) => (x.id < y.id ? -1 : 1));
const datasetOf = (from: string, list: typeof rows) => ({ from, rows: list }) as unknown as OpenDataset;
const VERIFIED: Threshold[] = [{ level: 'verified', minNcc: 0.95, minSsim: 0.5 }];

/** Six images of one hash; those in `equal` also show the same. */
async function finder(pairBudget: number, equal: readonly ImageId[]) {
  const folder = await tempFolder();
  const { byId } = await hashImages({
    rows,
    decode: () => Promise.resolve(blobs(0)),
    folder,
    workFolder: folder,
    workers: 1,
    signal: new AbortController().signal,
    onProgress: () => undefined,
  });
  const decoded: ImageId[] = [];
  let lists: readonly CandidateList[] = [];
  const find = await evidenceFinder({
    train: datasetOf('train', rows),
    evaluations: [],
    decontaminate: [],
    deduplicate: VERIFIED,
    // pixel digests apart: nothing is an exact copy
    hashes: new Map([...byId].map(([id, one]) => [id, { ...one, pixelDigest: idOf(id) as never }])),
    sources: [],
    decode: ({ id }) => {
      decoded.push(id);
      return Promise.resolve(
        equal.includes(id) ? blobs(9) : blobs(names.findIndex((name) => idOf(name) === id)),
      );
    },
    workers: 1,
    signal: new AbortController().signal,
    onUncompared: () => undefined,
    pairBudget,
    onCandidates: (told) => (lists = told),
  });
  const search = async (list: typeof rows) => {
    const { within } = await find(list);
    return {
      verified: within
        .filter(({ evidence }) => evidence.level === 'verified')
        .map(({ a, b }) => [a, b].map((id) => rows.findIndex((row) => row.id === id))),
      lists: lists.map(({ level, listedTo, open }) => [level, listedTo, open]),
    };
  };
  return { search, decoded };
}

describe('the evidence of a curation', () => {
  it('lays all candidates over each other within the budget, and says that none is open', async () => {
    const { search, decoded } = await finder(15, [rows[4]!.id, rows[5]!.id]);
    const whole = [
      ['phash', 10, 0],
      ['dhash', 10, 0],
    ];
    expect(await search(rows)).toEqual({ verified: [[4, 5]], lists: whole });
    expect(decoded).toHaveLength(6);
    // what was compared, listed and decoded before serves the smaller set
    expect(await search(rows.slice(0, 5))).toEqual({ verified: [], lists: whole });
    expect(decoded).toHaveLength(6);
  });

  it('says how many images have candidates beyond the budget, and reaches those as others go', async () => {
    const { search } = await finder(3, [rows[3]!.id, rows[5]!.id]);
    // of each image only one of five equally near ones is listed, and no list has the third beside the last
    const open = (images: number) => [
      ['phash', -1, images],
      ['dhash', -1, images],
    ];
    expect(await search(rows)).toEqual({ verified: [], lists: open(6) });
    const few = await search(rows.slice(3));
    expect(few.verified).toEqual([[3, 5]]);
    expect(few.lists).toEqual([
      ['phash', 10, 0],
      ['dhash', 10, 0],
    ]);
  });
});
