/** What the table of hashes holds, and which images are decoded for it. */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { ImageId } from '../../src/core/ids.ts';
import { hashImages, readHashTable } from '../../src/stages/audit-hashes.ts';
import { blobs, rowOf } from '../audit/sample-images.ts';
import { suiteFolder } from '../support/temp-folder.ts';

const folder = suiteFolder();
const rows = ['a', 'b', 'c', 'd'].map((name) => rowOf(name));

/** Hashes the rows; `decoded` collects what was decoded for it. */
async function hash(into: string, { measured = [] as ImageId[], knownIn = [] as string[] } = {}) {
  const decoded: ImageId[] = [];
  const { fresh } = await hashImages({
    rows,
    decode: ({ id }) => {
      decoded.push(id);
      return Promise.resolve(blobs(rows.findIndex((row) => row.id === id)));
    },
    folder: join(folder(), into),
    knownIn: knownIn.map((name) => join(folder(), name)),
    workFolder: join(folder(), `${into}-work`),
    workers: 2,
    signal: new AbortController().signal,
    onProgress: () => undefined,
    measured: new Set(measured),
  });
  expect(fresh).toBe(decoded.length);
  return { decoded: decoded.sort(), table: await readHashTable(join(folder(), into)) };
}

describe('hashImages', () => {
  it('measures only the images that it is asked to, and decodes no other again', async () => {
    const plain = await hash('audit');
    expect(plain.decoded).toHaveLength(4);
    expect(plain.table.map(({ measures }) => measures)).toEqual([null, null, null, null]);

    const [first, , third] = rows.map(({ id }) => id);
    const wanted = [first!, third!].sort();
    const measured = await hash('curate', { measured: wanted, knownIn: ['audit'] });
    expect(measured.decoded).toEqual(wanted);
    const bare = measured.table.map((one) => ({ ...one, measures: null }));
    expect(bare).toEqual(plain.table);
    const withMeasures = measured.table.filter(({ measures }) => measures !== null);
    expect(withMeasures.map(({ id }) => id)).toEqual(wanted);
    expect(withMeasures[0]!.measures!.sharpness).toBeGreaterThan(0);

    // known with measures from one place and without from another
    const again = await hash('again', { measured: wanted, knownIn: ['curate', 'audit'] });
    expect(again.decoded).toEqual([]);
    expect(again.table).toEqual(measured.table);
  });
});
