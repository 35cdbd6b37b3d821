import { describe, expect, it } from 'vitest';
import { wantedRows } from '../../src/cache/plan.ts';
import { rowKeysOf } from '../../src/cache/row-key.ts';
import { partOf } from '../../src/cache/target-part.ts';
import { encodeHalf } from '../../src/core/half.ts';
import { LEFT_HALF, group, images, space } from './rig.ts';
import { FULL_VIEW } from '../../src/images/view.ts';

const rows = wantedRows(images(2, [FULL_VIEW, LEFT_HALF]));

describe('the part of some rows', () => {
  it('holds the half encoding of every value, bit for bit', () => {
    const values = Float32Array.from([0, -0, 1 / 3, 65504, -65504, 1e-8, 6e-8, -2.5, 1, 2, 3, 4]);
    const { part, failures } = partOf(space(), rows, values);
    expect(part.payload).toEqual(encodeHalf(values));
    expect([...part.ok]).toEqual([1, 1, 1, 1]);
    expect(failures).toEqual([]);
    expect(rowKeysOf(part.keys, part.views)).toEqual(rows.map(({ key }) => key));
  });

  it.each([
    [NaN, 'non-finite'],
    [Infinity, 'non-finite'],
    [-Infinity, 'non-finite'],
    [65505, 'beyond-f16'],
    [-1e6, 'beyond-f16'],
  ])('records a row with %d as %s with a zero payload, and leaves the others alone', (bad, reason) => {
    const values = Float32Array.from({ length: 12 }, (_, i) => i + 0.5);
    values[7] = bad;
    const { part, failures } = partOf(space(), rows, values);
    expect(failures).toEqual([{ row: 2, reason }]);
    expect([...part.ok]).toEqual([1, 1, 0, 1]);
    const wanted = encodeHalf(values);
    wanted.fill(0, 6, 9);
    expect(part.payload).toEqual(wanted);
  });

  it('names its dimensions, and lets no two columns share a buffer', () => {
    const spatial = group().spaces[1]!;
    const { part } = partOf(spatial, rows, new Float32Array(16));
    expect(part).toMatchObject({
      shape: [2, 1, 2],
      dimNames: ['row', 'column', 'channel'],
      dtype: 'float16',
      rows: 4,
    });
    expect(partOf(space(), rows, new Float32Array(12)).part.dimNames).toEqual(['channel']);
    const buffers = [part.keys, part.views, part.ok, part.payload].map(({ buffer }) => buffer);
    expect(new Set(buffers).size).toBe(4);
  });
});
