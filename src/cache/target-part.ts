/** From a teacher's answers to the rows of a part: half floats, and a reason for every row that cannot be one. */
import { encodeHalf } from '../core/half.ts';
import { KEY_BYTES, VIEW_BYTES, rowValuesOf } from '../format/tensor-part.ts';
import type { WantedRow } from './plan.ts';
import type { SpaceDescriptor } from './space.ts';
import type { PartToWrite } from './write.ts';

/** Largest finite binary16 value: anything beyond would silently become infinity. */
const HALF_MAX = 65504;

/** Encodes rows as f16; a row with a value that is not finite, or does not fit, is recorded as failed with a zero payload. */
export function partOf(
  space: SpaceDescriptor,
  rows: readonly WantedRow[],
  values: Float32Array,
): PartToWrite {
  const width = rowValuesOf(space.shape);
  const payload = encodeHalf(values);
  const ok = new Uint8Array(rows.length).fill(1);
  const failures: { row: number; reason: string }[] = [];
  rows.forEach((_, row) => {
    const reason = trouble(values.subarray(row * width, (row + 1) * width));
    if (reason === null) return;
    ok[row] = 0;
    payload.fill(0, row * width, (row + 1) * width);
    failures.push({ row, reason });
  });
  const keys = Buffer.concat(rows.map((row) => Buffer.from(row.key.slice(0, KEY_BYTES * 2), 'hex')));
  const views = Buffer.concat(rows.map((row) => Buffer.from(row.key.slice(KEY_BYTES * 2), 'hex')));
  if (views.length !== rows.length * VIEW_BYTES) throw new Error('internal: a row key has the wrong length');
  const dimNames = space.shape.length === 1 ? ['channel'] : ['row', 'column', 'channel'];
  return {
    space,
    part: {
      shape: space.shape,
      dimNames,
      dtype: 'float16',
      rows: rows.length,
      keys: ownBytes(keys),
      views: ownBytes(views),
      ok,
      payload,
    },
    failures,
  };
}

/** Node pools small buffers in one ArrayBuffer, and arrow must never see two columns over one (formats-and-loaders.md §3.2). */
const ownBytes = (buffer: Buffer): Uint8Array => Uint8Array.from(buffer);

function trouble(row: Float32Array): string | null {
  for (const value of row) {
    if (!Number.isFinite(value)) return 'non-finite';
    if (Math.abs(value) > HALF_MAX) return 'beyond-f16';
  }
  return null;
}
