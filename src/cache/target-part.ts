/** From a teacher's answers to the rows of a part: encoded values, what that cost, and a reason for every row that has none. */
import { KEY_BYTES, type TensorValues, VIEW_BYTES, rowValuesOf } from '../format/tensor-part.ts';
import { CodecErrorSums } from './codecs/codec-error.ts';
import { newTensorValues, storedTensorOf } from './codecs/stored-tensor.ts';
import { openCodec } from './codecs/open-codec.ts';
import type { TargetCodec } from './codecs/target-codec.ts';
import type { WantedRow } from './plan.ts';
import type { SpaceDescriptor } from './space.ts';
import type { PartToWrite } from './write.ts';

/**
 * Encodes rows; a row with a value that is not finite, or that the codec has no room for, is recorded as failed with a zero
 * payload. Pure and synchronous. `values` [rows, ...shape] are what the teacher said.
 * @param codec of the space, opened once for many parts; may be left out where the codec needs no statistics.
 */
export function partOf(
  space: SpaceDescriptor,
  rows: readonly Pick<WantedRow, 'key'>[],
  values: Float32Array,
  codec: TargetCodec = openCodec(space, null),
): PartToWrite {
  const { shape, dtype } = codec.stored;
  const width = rowValuesOf(space.shape);
  const storedWidth = rowValuesOf(shape);
  const payload = newTensorValues(dtype, rows.length * storedWidth);
  const ok = new Uint8Array(rows.length).fill(1);
  const failures: { row: number; reason: string }[] = [];
  const sums = new CodecErrorSums();
  for (let row = 0; row < rows.length; row++) {
    const stored = payload.subarray(row * storedWidth, (row + 1) * storedWidth);
    const trouble = codec.encode(values.subarray(row * width, (row + 1) * width), stored, sums);
    if (trouble === null) continue;
    ok[row] = 0;
    stored.fill(0);
    failures.push({ row, reason: trouble });
  }
  const part = storedPart(space, rows, payload);
  return { ...part, part: { ...part.part, ok }, failures, codecError: sums.result() };
}

/** Rows that are encoded already, all of them usable. `payload` [rows, ...stored shape]. */
export function storedPart(
  space: SpaceDescriptor,
  rows: readonly Pick<WantedRow, 'key'>[],
  payload: TensorValues,
): PartToWrite {
  const keys = Buffer.concat(rows.map((row) => Buffer.from(row.key.slice(0, KEY_BYTES * 2), 'hex')));
  const views = Buffer.concat(rows.map((row) => Buffer.from(row.key.slice(KEY_BYTES * 2), 'hex')));
  if (views.length !== rows.length * VIEW_BYTES) throw new Error('internal: a row key has the wrong length');
  return {
    space,
    part: {
      ...storedTensorOf(space),
      rows: rows.length,
      keys: ownBytes(keys),
      views: ownBytes(views),
      ok: new Uint8Array(rows.length).fill(1),
      payload,
    },
    failures: [],
    codecError: null,
  };
}

/** Node pools small buffers in one ArrayBuffer, and arrow must never see two columns over one (formats-and-loaders.md §3.2). */
const ownBytes = (buffer: Buffer): Uint8Array => Uint8Array.from(buffer);
