/** Batches as a `tf.data` dataset. */
import * as tf from '@tensorflow/tfjs';
import { decodeHalf } from '../core/half.ts';
import type { AnyBatch } from './arrow-batches.ts';

/**
 * Elements are records: `pixels` [B, 3, H, W] where asked for, and `<teacher>@<px>.mask` [B], `.summary` [B, D], `.spatial`
 * [B, h, w, C]; all float32 but uint8 pixels, which are int32. Values are copied: tensors outlive the loader's buffers.
 * @param batches called for each iteration of the dataset: `() => loader.batches(0, n)`
 */
export function tfDataset(
  batches: () => AsyncIterable<AnyBatch>,
): tf.data.Dataset<Record<string, tf.Tensor>> {
  return tf.data.generator<Record<string, tf.Tensor>>(
    () => records(batches()) as AsyncIterator<Record<string, tf.Tensor>>,
  );
}

async function* records(batches: AsyncIterable<AnyBatch>): AsyncGenerator<Record<string, tf.Tensor>> {
  for await (const { pixels, teachers } of batches) {
    const record: Record<string, tf.Tensor> = {};
    if (pixels !== undefined)
      record['pixels'] =
        pixels.data instanceof Float32Array
          ? tf.tensor(pixels.data.slice(), [...pixels.shape])
          : tf.tensor(Int32Array.from(pixels.data), [...pixels.shape], 'int32');
    for (const [name, { mask, summary, spatial }] of Object.entries(teachers)) {
      record[`${name}.mask`] = tf.tensor1d(Float32Array.from(mask));
      for (const [kind, tensor] of Object.entries({ summary, spatial }))
        if (tensor !== undefined)
          record[`${name}.${kind}`] = tf.tensor(floatsOf(tensor.data), [...tensor.shape]);
    }
    yield record;
  }
}

function floatsOf(data: Float32Array | Uint16Array): Float32Array {
  if (data instanceof Float32Array) return data.slice();
  const floats = new Float32Array(data.length);
  decodeHalf(data, floats);
  return floats;
}
