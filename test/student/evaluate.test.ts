import { describe, expect, it } from 'vitest';
import { Rng } from '../../src/core/rng.ts';
import { ChannelMoments } from '../../src/student/channel-moments.ts';
import { FidelitySums, evaluateFidelity } from '../../src/student/evaluate.ts';
import { initialState } from '../../src/student/trainer.ts';
import { syntheticBatch, syntheticStream } from './synthetic.ts';
import { normals, tinyConfig } from './tiny.ts';

/** Adds rows of (target, prediction), [n, channels] each. */
function addRows(
  sums: FidelitySums,
  channels: number,
  targets: Float32Array,
  predictions: Float32Array,
): void {
  const total = (value: (i: number) => number): Float32Array => {
    const out = new Float32Array(channels);
    for (let i = 0; i < targets.length; i++) out[i % channels]! += value(i);
    return out;
  };
  sums.add(targets.length / channels, {
    target: total((i) => targets[i]!),
    targetSquared: total((i) => targets[i]! ** 2),
    product: total((i) => targets[i]! * predictions[i]!),
    predictionSquared: total((i) => predictions[i]! ** 2),
  });
}

describe('FidelitySums', () => {
  const targets = normals(400, new Rng('targets')).map((y, i) => y * (1 + (i % 4)) + (i % 4));
  const moments = new ChannelMoments(4);
  moments.add(targets);

  it('is 1 for a student that predicts the mean of each channel', () => {
    const sums = new FidelitySums(4);
    addRows(
      sums,
      4,
      targets,
      targets.map((_, i) => moments.mean()[i % 4]!),
    );
    expect(sums.fidelity().fidelity).toBeCloseTo(1, 5);
    expect(sums.fidelity(moments.standardisation().std).fidelity).toBeCloseTo(1, 5);
  });

  it('is 4 when every error is half a standard deviation, and does not depend on how rows are split', () => {
    const { std } = moments.standardisation();
    const predictions = targets.map((y, i) => y + (i % 8 < 4 ? 0.5 : -0.5) * std[i % 4]!);
    const [whole, split] = [new FidelitySums(4), new FidelitySums(4)];
    addRows(whole, 4, targets, predictions);
    addRows(split, 4, targets.slice(0, 40), predictions.slice(0, 40));
    addRows(split, 4, targets.slice(40), predictions.slice(40));
    expect(whole.fidelity(std).fidelity).toBeCloseTo(4, 4);
    expect(split.fidelity(std).fidelity).toBeCloseTo(4, 4);
    expect(whole.rows).toBe(100);
  });
});

describe('the best scale', () => {
  const rng = new Rng('scale');
  const truth = normals(400, rng);
  const predictions = truth.map((y) => y + 0.5 * rng.normal());
  const sumsAt = (scale: number): FidelitySums => {
    const sums = new FidelitySums(4);
    addRows(sums, 4, truth, predictions.map((x) => x * scale)); // prettier-ignore
    return sums;
  };

  it('is the inverse of the norm that a cosine loss left free', () => {
    const plain = sumsAt(1).fidelity();
    expect(sumsAt(30).fidelity().bestScale).toBeCloseTo(plain.bestScale / 30, 5);
    expect(sumsAt(30).fidelity().fidelity).toBeLessThan(0.1);
  });

  it('gives the highest fidelity of all scales, and 5 for errors of half a standard deviation', () => {
    const sums = sumsAt(30);
    const { bestScale } = sums.fidelity();
    const best = sums.fidelity(undefined, bestScale).fidelity;
    for (const factor of [0.8, 0.95, 1.05, 1.2])
      expect(sums.fidelity(undefined, bestScale * factor).fidelity).toBeLessThan(best);
    expect(best).toBeCloseTo(5, 0);
  });
});

describe('evaluateFidelity', () => {
  const state = initialState(tinyConfig());

  it('leaves masked images out, whatever their targets hold', async () => {
    async function* stream(poison: number): ReturnType<typeof syntheticStream> {
      const batch = syntheticBatch(4, 'masked', 0);
      for (const values of Object.values(batch.targets)) values.fill(poison, 0, values.length / 4);
      const mask = Uint8Array.of(0, 1, 1, 1);
      yield await Promise.resolve({ ...batch, masks: { 'sem@16': mask, 'sem@32': mask, 'edge@16': mask } });
    }
    const [a, b] = [
      await evaluateFidelity({ ...state, batches: stream(1e9) }),
      await evaluateFidelity({ ...state, batches: stream(NaN) }),
    ];
    expect(a).toEqual(b);
    for (const { fidelity } of Object.values(a)) expect(fidelity).toBeGreaterThan(0);
  });

  it('does not depend on how the stream is cut into batches', async () => {
    async function* cut(size: number): ReturnType<typeof syntheticStream> {
      for await (const batch of syntheticStream({ batchSize: 4, seed: 'cut', count: 2 }))
        for (let at = 0; at < 4; at += size)
          yield {
            pixels: part(batch.pixels, at, size),
            targets: Object.fromEntries(
              Object.entries(batch.targets).map(([name, values]) => [name, part(values, at, size)]),
            ),
          };
    }
    const part = (values: Float32Array, at: number, size: number): Float32Array =>
      values.slice((values.length / 4) * at, (values.length / 4) * (at + size));
    const [a, b] = [
      await evaluateFidelity({ ...state, batches: cut(4) }),
      await evaluateFidelity({ ...state, batches: cut(1) }),
    ];
    for (const [name, { fidelity }] of Object.entries(a)) expect(b[name]!.fidelity).toBeCloseTo(fidelity, 4);
  });
});
