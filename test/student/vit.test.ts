import * as tf from '@tensorflow/tfjs';
import { describe, expect, it } from 'vitest';
import { headHiddenWidth, headsForward, studentParameters } from '../../src/student/heads.ts';
import { initialValues, weightsFrom } from '../../src/student/parameters.ts';
import { vitForward } from '../../src/student/vit.ts';
import { initialWeights, largestDifference, randomTensor, tinyConfig } from './tiny.ts';

const config = tinyConfig();
const pixels = tf.sigmoid(randomTensor([3, 3, 8, 8], 'pixels')) as tf.Tensor4D;

describe('vitForward', () => {
  const trunk = vitForward(config.vit, initialWeights(config), pixels);

  it('gives one summary per teacher and a map of tokens', () => {
    expect([...trunk.summaries.keys()]).toEqual(['sem', 'edge']);
    for (const summary of trunk.summaries.values()) expect(summary.shape).toEqual([3, 16]);
    expect(trunk.tokens.shape).toEqual([3, 2, 2, 16]);
  });

  it('treats every image of a batch on its own', () => {
    const alone = vitForward(config.vit, initialWeights(config), tf.slice(pixels, 1, 1));
    const inBatch = tf.slice(trunk.tokens, 1, 1);
    expect(largestDifference(alone.tokens.dataSync(), inBatch.dataSync())).toBeLessThan(1e-6);
  });

  it('cuts patches row by row: changing one patch moves its own token most', () => {
    const bump = tf.pad(tf.ones<tf.Rank.R4>([1, 3, 4, 4]), [
      [0, 2],
      [0, 0],
      [0, 4],
      [4, 0],
    ]);
    const moved = vitForward(config.vit, initialWeights(config), tf.add(pixels, bump));
    const change = tf.sum(tf.abs(tf.sub(moved.tokens, trunk.tokens)), 3).dataSync();
    expect(change.slice(0, 4).indexOf(Math.max(...change.slice(0, 4)))).toBe(1);
    expect(Math.max(...change.slice(4))).toBe(0);
  });

  it('runs on another resolution and on rectangles, with the position map resized', () => {
    const wide = vitForward(config.vit, initialWeights(config), tf.ones([1, 3, 12, 20]));
    expect(wide.tokens.shape).toEqual([1, 3, 5, 16]);
  });

  it('swaps summaries when teachers and their CLS tokens are swapped', () => {
    const weights = initialWeights(config);
    const swapped = vitForward(
      { ...config.vit, teachers: ['edge', 'sem'] },
      (name) => (name === 'prefix' ? tf.gather(weights(name), [1, 0, 2]) : weights(name)),
      pixels,
    );
    for (const teacher of ['sem', 'edge'])
      expect(
        largestDifference(
          swapped.summaries.get(teacher)!.dataSync(),
          trunk.summaries.get(teacher)!.dataSync(),
        ),
      ).toBeLessThan(1e-5);
  });
});

describe('headsForward', () => {
  const weights = initialWeights(config);
  const heads = headsForward(config, weights, vitForward(config.vit, weights, pixels));

  it('predicts each teacher in its own width, spatial maps on the grid of the student', () => {
    expect(heads.get('sem')!.summary!.shape).toEqual([3, 6]);
    expect(heads.get('sem')!.spatial!.shape).toEqual([3, 2, 2, 6]);
    expect(heads.get('edge')!.spatial!.shape).toEqual([3, 2, 2, 5]);
  });

  it('has no summary head for a teacher without a summary, nor for one of weight 0', () => {
    expect(heads.get('edge')!.summary).toBeUndefined();
    const muted = { ...config, weights: { ...config.weights, sem: { summary: 0, spatial: 1 } } };
    const names = studentParameters(muted).map(({ name }) => name);
    expect(names.filter((name) => name.includes('summary'))).toEqual([]);
  });

  it('hides as many units as the widest target has channels, up to the cap', () => {
    expect(headHiddenWidth(config)).toBe(6);
    expect(headHiddenWidth({ ...config, headHiddenCap: 4 })).toBe(4);
  });

  it('keeps heads apart: zeroing one changes no output of another', () => {
    const zeroed = headsForward(
      config,
      (name) => (name.startsWith('head.sem.spatial') ? tf.zerosLike(weights(name)) : weights(name)),
      vitForward(config.vit, weights, pixels),
    );
    expect(Math.max(...zeroed.get('sem')!.spatial!.dataSync())).toBe(0);
    expect(zeroed.get('sem')!.summary!.dataSync()).toEqual(heads.get('sem')!.summary!.dataSync());
    expect(zeroed.get('edge')!.spatial!.dataSync()).toEqual(heads.get('edge')!.spatial!.dataSync());
  });
});

describe('studentParameters', () => {
  const specs = studentParameters(config);

  it('decays weight matrices and nothing else', () => {
    for (const { name, decay } of specs) expect([name, decay]).toEqual([name, name.endsWith('.weight')]);
  });

  it('starts from the seed alone, each parameter from its own stream', () => {
    const values = initialValues(specs, 7);
    expect(initialValues(specs, 7)).toEqual(values);
    expect(initialValues(specs, 8).get('prefix')).not.toEqual(values.get('prefix'));
    expect(initialValues(specs.slice(3), 7).get('norm.gain')).toEqual(values.get('norm.gain'));
    const position = values.get('position')!;
    expect(Math.max(...position.map(Math.abs))).toBeLessThanOrEqual(2 / Math.sqrt(16) + 1e-6);
    expect(weightsFrom(new Map())).toBeTypeOf('function');
  });
});
