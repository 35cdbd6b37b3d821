/**
 * Batches as an Arrow IPC stream, for a trainer in another language. One record batch per batch; columns:
 *
 * | column | type |
 * |---|---|
 * | `id`, `view` | fixed-size binary of 32 and 16 bytes |
 * | `step`, `epoch`, `dataset`, `sample` | int32, the first two equal in all rows |
 * | `pixels` | tensor [3, H, W], float32 or uint8, where asked for |
 * | `<teacher>@<px>.mask` | uint8, 1 where its targets are usable |
 * | `<teacher>@<px>.summary`, `.spatial` | tensor [D], [h, w, C], float16 or float32 |
 */
import { StillhouseError } from '../core/failure.ts';
import { type StreamColumn, TensorStream } from '../format/tensor-stream.ts';
import type { AnyTeacherTargets, BatchHead, Tensor } from './batch.ts';

export const STREAM_VERSION = '1';

/** A batch whatever was asked for. */
export type AnyBatch = BatchHead & {
  readonly teachers: Readonly<Record<string, AnyTeacherTargets>>;
  readonly pixels?: Tensor<Float32Array | Uint8Array>;
};

/**
 * Pieces of the stream, batch by batch; those of one batch are valid until the next is asked for, since they are views of its
 * buffer. An iteration without any batch gives an empty stream of no bytes.
 * @throws StillhouseError usage when batches are of several shapes: an Arrow stream has one schema.
 */
export async function* arrowBatches(
  batches: AsyncIterable<AnyBatch>,
): AsyncGenerator<{ readonly step: number; readonly pieces: readonly Uint8Array[] }> {
  const stream = new TensorStream({ 'stillhouse.stream': STREAM_VERSION });
  let shape: string | null = null;
  let last = -1;
  for await (const batch of batches) {
    if (batch.size === 0) continue;
    const pixels = batch.pixels?.shape.slice(1).join(' x ') ?? '';
    shape ??= pixels;
    if (shape !== pixels) throw severalShapes(shape, pixels);
    yield { step: batch.step, pieces: stream.batch(batch.size, columnsOf(batch)) };
    last = batch.step;
  }
  if (last >= 0) yield { step: last, pieces: stream.end() };
}

function columnsOf(batch: AnyBatch): StreamColumn[] {
  const { size, step, epoch, teachers, pixels } = batch;
  const numbers = (name: string, values: readonly number[]): StreamColumn => ({
    kind: 'int32',
    name,
    data: Int32Array.from(values),
  });
  const same = (name: string, value: number): StreamColumn => ({
    kind: 'int32',
    name,
    data: new Int32Array(size).fill(value),
  });
  return [
    { kind: 'bytes', name: 'id', width: 32, data: bytesOf(batch.ids) },
    { kind: 'bytes', name: 'view', width: 16, data: bytesOf(batch.views) },
    same('step', step),
    same('epoch', epoch),
    numbers('dataset', batch.datasets),
    numbers('sample', batch.samples),
    ...(pixels === undefined ? [] : [tensorOf('pixels', pixels)]),
    ...Object.entries(teachers).flatMap(([name, { mask, summary, spatial }]): StreamColumn[] => [
      { kind: 'uint8', name: `${name}.mask`, data: mask },
      ...(summary === undefined ? [] : [tensorOf(`${name}.summary`, summary)]),
      ...(spatial === undefined ? [] : [tensorOf(`${name}.spatial`, spatial)]),
    ]),
  ];
}

const tensorOf = (
  name: string,
  { data, shape }: Tensor<Float32Array | Uint16Array | Uint8Array>,
): StreamColumn => ({
  kind: 'tensor',
  name,
  shape: shape.slice(1),
  data,
});

/** In memory of its own: arrow must never see two columns over one buffer, and Node pools small ones. */
const bytesOf = (hex: readonly string[]): Uint8Array => Uint8Array.from(Buffer.from(hex.join(''), 'hex'));

function severalShapes(wanted: string, got: string): StillhouseError {
  return new StillhouseError({
    kind: 'usage',
    what: 'an Arrow stream has one schema, and the batches are of several shapes',
    where: 'pixels',
    wanted,
    got,
    next: 'stream one resolution or bucket at a time',
  });
}
