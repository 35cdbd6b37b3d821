import * as tf from '@tensorflow/tfjs';
import { describe, expect, it } from 'vitest';
import { CompiledStep } from '../../src/compile/compiled-step.ts';
import { Rng } from '../../src/core/rng.ts';
import { batchFeeds } from '../../src/student/feeds.ts';
import { type HeadOutput, studentParameters } from '../../src/student/heads.ts';
import { stepScalars } from '../../src/student/optimiser.ts';
import { initialValues, sizeOf, weightsFrom } from '../../src/student/parameters.ts';
import {
  type Tensors,
  dataInputs,
  initialMoments,
  lossesOf,
  studentLosses,
  traceTrainStep,
} from '../../src/student/train-step.ts';
import { eagerStep } from './eager-step.ts';
import { syntheticBatch } from './synthetic.ts';
import { largestDifference, normals, randomTensor, tinyConfig } from './tiny.ts';

const config = tinyConfig();
const specs = studentParameters(config);

function tensorsOf(feeds: Record<string, Float32Array>): Tensors {
  return Object.fromEntries(
    Object.entries(dataInputs(config)).map(([name, { shape }]) => [
      name,
      tf.tensor(feeds[name]!, [...shape]),
    ]),
  );
}

describe('studentLosses', () => {
  const inputs = tensorsOf(batchFeeds(config, syntheticBatch(4, 'fd', 0)));
  const values = initialValues(specs, 3);
  const lossAt = (changed: ReadonlyMap<string, Float32Array>): number =>
    tf.tidy(() => {
      const tensors = specs.map(({ name, shape }): [string, tf.Tensor] => [
        name,
        tf.tensor((changed.get(name) ?? values.get(name))!, [...shape]),
      ]);
      return studentLosses(config, weightsFrom(new Map(tensors)), inputs)['loss']!.dataSync()[0]!;
    });

  it('has the gradient that finite differences give, for every parameter', () => {
    const gradients = tf.tidy(() => {
      const tensors = specs.map(({ name, shape }) => tf.tensor(values.get(name)!, [...shape]));
      const loss = (...given: tf.Tensor[]): tf.Scalar =>
        studentLosses(config, weightsFrom(new Map(specs.map(({ name }, i) => [name, given[i]!]))), inputs)[
          'loss'
        ] as tf.Scalar;
      return tf
        .grads(loss)(tensors)
        .map((gradient) => gradient.dataSync() as Float32Array);
    });
    const rng = new Rng('directions');
    for (const [i, { name, shape }] of specs.entries()) {
      const noise = normals(sizeOf(shape), rng);
      const length = Math.hypot(...noise);
      const reach = 0.02;
      const moved = (sign: number): Float32Array =>
        values.get(name)!.map((w, k) => w + (sign * reach * noise[k]!) / length);
      const measured =
        (lossAt(new Map([[name, moved(1)]])) - lossAt(new Map([[name, moved(-1)]]))) / (2 * reach);
      const wanted = gradients[i]!.reduce((sum, g, k) => sum + (g * noise[k]!) / length, 0);
      expect([name, Math.abs(measured - wanted) < 2e-4 + 0.02 * Math.abs(wanted)]).toEqual([name, true]);
    }
  });

  it('counts every teacher with its weight and every resolution equally', () => {
    const losses = studentLosses(
      { ...config, weights: { sem: { summary: 2, spatial: 0.5 }, edge: { summary: 0, spatial: 3 } } },
      weightsFrom(new Map(specs.map(({ name, shape }) => [name, tf.tensor(values.get(name)!, [...shape])]))),
      inputs,
    );
    const at = (name: string): number => losses[name]!.dataSync()[0]!;
    expect(Object.keys(losses).sort()).toEqual([
      'loss',
      'loss.edge',
      'loss.edge.spatial',
      'loss.sem',
      'loss.sem.spatial',
      'loss.sem.summary',
    ]);
    expect(at('loss.sem')).toBeCloseTo(2 * at('loss.sem.summary') + 0.5 * at('loss.sem.spatial'), 5);
    expect(at('loss')).toBeCloseTo(at('loss.sem') + 3 * at('loss.edge.spatial'), 5);
  });
});

describe('lossesOf', () => {
  it('gives a CLS slot of summary weight 0 a gradient of exactly zero', () => {
    const inputs = tensorsOf(batchFeeds(config, syntheticBatch(4, 'slots', 0)));
    const slots = randomTensor([4, 2, 6], 'slots');
    const gradientWith = (weight: number): Float32Array => {
      const both = {
        ...config,
        targets: config.targets.map((target) =>
          target.teacher === 'edge' ? { ...target, summaryWidth: 6 } : target,
        ),
        weights: { ...config.weights, edge: { summary: weight, spatial: 0 } },
      };
      const fed = { ...inputs, 'edge@16.summary': inputs['sem@16.summary']! };
      return tf
        .grad((x) => {
          const slot = (i: number): tf.Tensor2D => tf.reshape(tf.slice(x, [0, i, 0], [4, 1, 6]), [4, 6]);
          const spatial = tf.zeros<tf.Rank.R4>([4, 2, 2, 6]);
          const heads = new Map<string, HeadOutput>([
            ['sem', { summary: slot(0), spatial }],
            ['edge', { summary: slot(1), spatial: undefined }],
          ]);
          return lossesOf(both, heads, fed)['loss']!;
        })(slots)
        .dataSync() as Float32Array;
    };
    const isEdge = (_: number, i: number): boolean => Math.floor(i / 6) % 2 === 1;
    expect(Math.max(...gradientWith(0).filter(isEdge).map(Math.abs))).toBe(0);
    expect(Math.max(...gradientWith(1).filter(isEdge).map(Math.abs))).toBeGreaterThan(1e-3);
    expect(Math.max(...gradientWith(0).map(Math.abs))).toBeGreaterThan(1e-3);
  });

  it('learns on the standardised scale: affine targets with their own statistics give the same loss', () => {
    const feeds = batchFeeds(config, syntheticBatch(4, 'affine', 0));
    const heads = new Map<string, HeadOutput>([
      ['sem', { summary: undefined, spatial: randomTensor([4, 2, 2, 6], 'p') as tf.Tensor4D }],
    ]);
    const only = {
      ...config,
      weights: { sem: { summary: 0, spatial: 1 }, edge: { summary: 0, spatial: 0 } },
    };
    const mean = [1, 2, 3, -4, 5, 6];
    const std = [10, 20, 1, 0.1, 5, 100];
    const moved = Object.fromEntries(
      Object.entries(feeds).map(([name, values]) => [
        name,
        name.endsWith('sem@16.spatial') || name.endsWith('sem@32.spatial')
          ? values.map((y, i) => y * std[i % 6]! + mean[i % 6]!)
          : values,
      ]),
    );
    const plain = lossesOf(only, heads, tensorsOf(feeds))['loss']!.dataSync()[0]!;
    const standardisation = { 'sem@16.spatial': { mean, std }, 'sem@32.spatial': { mean, std } };
    const restored = lossesOf({ ...only, standardisation }, heads, tensorsOf(moved))['loss']!.dataSync()[0]!;
    expect(restored).toBeCloseTo(plain, 4);
    expect(lossesOf(only, heads, tensorsOf(moved))['loss']!.dataSync()[0]!).not.toBeCloseTo(plain, 1);
  });
});

describe('batchFeeds', () => {
  it('zeroes masked targets, NaN included, without touching the arrays of the caller', () => {
    const batch = syntheticBatch(4, 'masks', 0);
    const spatial = batch.targets['edge@16.spatial']!;
    spatial.fill(NaN, 80, 160);
    const feeds = batchFeeds(config, { ...batch, masks: { 'edge@16': Uint8Array.of(1, 0, 1, 1) } });
    expect(feeds['edge@16.mask']).toEqual(Float32Array.of(1, 0, 1, 1));
    expect(feeds['edge@16.spatial']!.every(Number.isFinite)).toBe(true);
    expect(feeds['edge@16.spatial']!.slice(0, 80)).toEqual(spatial.slice(0, 80));
    expect(spatial[80]).toBeNaN();
    expect(feeds['sem@16.mask']).toEqual(Float32Array.of(1, 1, 1, 1));
  });

  it('fills a short batch up with images that do not count', () => {
    const short = batchFeeds(config, syntheticBatch(3, 'short', 0));
    expect(short['pixels']!.length).toBe(4 * 3 * 64);
    expect(short['sem@16.mask']).toEqual(Float32Array.of(1, 1, 1, 0));
  });

  it('refuses a missing or misshapen target as a defect', () => {
    const batch = syntheticBatch(4, 'bad', 0);
    const { 'sem@16.summary': gone, ...others } = batch.targets;
    expect(() => batchFeeds(config, { ...batch, targets: others })).toThrow('sem@16.summary');
    expect(() =>
      batchFeeds(config, { ...batch, targets: { ...others, 'sem@16.summary': gone!.slice(1) } }),
    ).toThrow('sem@16.summary');
  });
});

describe('traceTrainStep', () => {
  it('leaves no tensor and no variable behind, so students can be traced one after the other', () => {
    const before = tf.memory().numTensors;
    const first = traceTrainStep(config);
    expect(tf.memory().numTensors).toBe(before);
    expect(Buffer.from(traceTrainStep(config).onnx).equals(first.onnx)).toBe(true);
  });

  it('computes what tensorflow.js computes, step after step', { timeout: 60_000 }, async () => {
    const initial = new Map([...initialValues(specs, 1), ...initialMoments(specs)]);
    const compiled = await CompiledStep.create(traceTrainStep(config), initial);
    const eager = eagerStep(config, initial);
    try {
      for (let step = 0; step < 3; step++) {
        const batch = syntheticBatch(4, 'compiled', step);
        const masks = { 'sem@32': Uint8Array.of(1, 1, 0, 1) };
        const scalars = Object.entries(stepScalars(config.optimiser, step));
        const feeds = {
          ...batchFeeds(config, { ...batch, masks }),
          ...Object.fromEntries(scalars.map(([name, value]) => [name, Float32Array.of(value)])),
        };
        const [wanted, got] = [await eager.run(feeds), await compiled.run(feeds)];
        expect(Object.keys(got).sort()).toEqual(Object.keys(wanted).sort());
        for (const [name, value] of Object.entries(wanted)) expect(got[name]![0]).toBeCloseTo(value[0]!, 5);
      }
      const [wanted, got] = [eager.state(), compiled.state()];
      expect([...got.keys()].sort()).toEqual([...wanted.keys()].sort());
      for (const [name, values] of wanted)
        expect([name, largestDifference(got.get(name)!, values) < 1e-4]).toEqual([name, true]);
    } finally {
      await eager.close();
      await compiled.close();
    }
  });
});
