/** Order specs for tests: datasets of numbered samples in blocks. */
import { BatchOrder } from '../../src/loader/batch-order.ts';
import type { BucketSpec, OrderSpec } from '../../src/loader/order-spec.ts';

/** Samples `from`..`from + count - 1` in blocks of `block`, the last one shorter. */
export function bucket(key: string, count: number, block: number, from = 0): BucketSpec {
  const starts: number[] = [];
  for (let start = 0; start < count; start += block) starts.push(start);
  return {
    key,
    samples: Int32Array.from({ length: count }, (_, i) => from + i),
    blockStarts: Int32Array.from([...starts, count]),
  };
}

export function spec(changes: Partial<OrderSpec> = {}): OrderSpec {
  return {
    seed: 7,
    batchSize: 24,
    shuffle: { kind: 'blocks', spread: 3 },
    last: 'drop',
    sources: [{ name: 'photos', weight: 1, buckets: [bucket('', 130, 8)] }],
    resolutions: [1],
    ...changes,
  };
}

/** `dataset:sample` of some batches, batch by batch. */
export function sequence(of: OrderSpec, from: number, to: number): string[][] {
  const order = new BatchOrder(of);
  return Array.from({ length: to - from }, (_, i) => {
    const { sources, samples } = order.at(from + i);
    return Array.from(samples, (sample, at) => `${sources[at]}:${sample}`);
  });
}
