// A ViT-like model and an AdamW step in plain tensorflow.js operations, small enough for the CPU backend.
import * as tf from '@tensorflow/tfjs';
import { Rng } from '../../src/core/rng.ts';
import type { TensorSpec } from '../../src/compile/trace-step.ts';

export const BATCH = 3;
const SIDE = 8;
const PATCH = 4;
const TOKENS = (SIDE / PATCH) ** 2;
const WIDTH = 8;
const HEADS = 2;
const TARGET = 6;
const GRID = 3;

export const INPUTS: Record<string, TensorSpec> = {
  images: { shape: [BATCH, SIDE, SIDE, 3], dtype: 'float32' },
  summary: { shape: [BATCH, TARGET], dtype: 'float32' },
  spatial: { shape: [BATCH, GRID * GRID, TARGET], dtype: 'float32' },
  present: { shape: [BATCH], dtype: 'bool' },
  rate: { shape: [], dtype: 'float32' },
  correction1: { shape: [], dtype: 'float32' },
  correction2: { shape: [], dtype: 'float32' },
};

const PARAMETERS: Record<string, number[]> = {
  patch: [PATCH * PATCH * 3, WIDTH],
  patchBias: [WIDTH],
  position: [1, TOKENS, WIDTH],
  gain1: [WIDTH],
  shift1: [WIDTH],
  qkv: [WIDTH, 3 * WIDTH],
  out: [WIDTH, WIDTH],
  gain2: [WIDTH],
  shift2: [WIDTH],
  up: [WIDTH, 2 * WIDTH],
  down: [2 * WIDTH, WIDTH],
  summary1: [WIDTH, WIDTH],
  summary2: [WIDTH, TARGET],
  spatial1: [WIDTH, WIDTH],
  spatial2: [WIDTH, TARGET],
};

export interface TinyVit {
  readonly variables: tf.Variable[];
  readonly step: (inputs: Record<string, tf.Tensor>) => Record<string, tf.Tensor>;
}

/** Parameters and AdamW moments under `prefix`, the same numbers for every prefix. */
export function tinyVit(prefix: string): TinyVit {
  const rng = new Rng(1, 'tiny-vit');
  const make = (name: string, shape: number[], scale: number) =>
    tf.variable(
      tf.tensor(
        Float32Array.from({ length: tf.util.sizeFromShape(shape) }, () => rng.normal() * scale),
        shape,
      ),
      true,
      `${prefix}/${name}`,
    );
  const parameters: Record<string, tf.Variable> = {};
  for (const [name, shape] of Object.entries(PARAMETERS))
    parameters[name] = make(name, shape, name.startsWith('gain') ? 1 : 0.3);
  const moments = Object.entries(PARAMETERS).map(([name, shape]) => ({
    parameter: parameters[name]!,
    m: tf.variable(tf.zeros(shape), false, `${prefix}/m/${name}`),
    v: tf.variable(tf.zeros(shape), false, `${prefix}/v/${name}`),
  }));
  const p = (name: string): tf.Tensor => parameters[name]!;
  const resize = tf.tensor2d(
    Array.from({ length: GRID * GRID * TOKENS }, (_, i) => ((i * 7) % 5) / 10),
    [GRID * GRID, TOKENS],
  );

  const step = (inputs: Record<string, tf.Tensor>): Record<string, tf.Tensor> => {
    const losses: Record<string, tf.Tensor> = {};
    const { value, grads } = tf.variableGrads(() => {
      const tokens = encode(p, inputs['images']!);
      const pooled = tf.mean(tokens, 1);
      const summary = head(pooled, p('summary1'), p('summary2'));
      const mask = tf.cast(inputs['present']!, 'float32');
      const cosine = tf.sub(1, similarity(summary, inputs['summary']!));
      losses['cosine'] = tf.div(tf.sum(tf.mul(cosine, mask)), tf.maximum(tf.sum(mask), 1));
      const grid = tf.matMul(tf.tile(tf.expandDims(resize, 0), [BATCH, 1, 1]), tokens);
      const spatial = tf.reshape(head(tf.reshape(grid, [-1, WIDTH]), p('spatial1'), p('spatial2')), [
        BATCH,
        GRID * GRID,
        TARGET,
      ]);
      losses['spatial'] = tf.add(
        tf.mul(0.9, tf.mean(tf.sub(1, similarity(spatial, inputs['spatial']!)))),
        tf.mul(0.1, tf.mean(smoothL1(tf.sub(spatial, inputs['spatial']!)))),
      );
      return tf.add(losses['cosine'], losses['spatial']).asScalar();
    }, Object.values(parameters));
    for (const { parameter, m, v } of moments) {
      const gradient = grads[parameter.name]!;
      m.assign(tf.add(tf.mul(m, 0.9), tf.mul(gradient, 0.1)));
      v.assign(tf.add(tf.mul(v, 0.999), tf.mul(tf.square(gradient), 0.001)));
      const moved = tf.div(
        tf.mul(m, inputs['correction1']!),
        tf.add(tf.sqrt(tf.mul(v, inputs['correction2']!)), 1e-8),
      );
      const decayed = tf.add(moved, tf.mul(parameter, 0.05));
      parameter.assign(tf.sub(parameter, tf.mul(inputs['rate']!, decayed)));
    }
    return { loss: value };
  };
  return { variables: [...moments.flatMap(({ parameter, m, v }) => [parameter, m, v])], step };
}

function encode(p: (name: string) => tf.Tensor, images: tf.Tensor): tf.Tensor {
  const across = SIDE / PATCH;
  const cut = tf.reshape(images, [BATCH, across, PATCH, across, PATCH * 3]);
  const patches = tf.reshape(tf.transpose(cut, [0, 1, 3, 2, 4]), [BATCH * TOKENS, PATCH * PATCH * 3]);
  const embedded = tf.add(tf.matMul(patches, p('patch')), p('patchBias'));
  let x = tf.add(tf.reshape(embedded, [BATCH, TOKENS, WIDTH]), p('position'));
  x = tf.add(x, attention(layerNorm(x, p('gain1'), p('shift1')), p('qkv'), p('out')));
  const flat = tf.reshape(layerNorm(x, p('gain2'), p('shift2')), [BATCH * TOKENS, WIDTH]);
  const mlp = tf.matMul(geluErf(tf.matMul(flat, p('up'))), p('down'));
  return tf.add(x, tf.reshape(mlp, [BATCH, TOKENS, WIDTH]));
}

function attention(x: tf.Tensor, qkv: tf.Tensor, out: tf.Tensor): tf.Tensor {
  const all = tf.reshape(tf.matMul(tf.reshape(x, [-1, WIDTH]), qkv), [
    BATCH,
    TOKENS,
    3,
    HEADS,
    WIDTH / HEADS,
  ]);
  const [q, k, v] = tf.unstack(tf.transpose(all, [2, 0, 3, 1, 4]));
  const scores = tf.mul(tf.matMul(q!, k!, false, true), 1 / Math.sqrt(WIDTH / HEADS));
  const mixed = tf.transpose(tf.matMul(tf.softmax(scores), v!), [0, 2, 1, 3]);
  return tf.reshape(tf.matMul(tf.reshape(mixed, [-1, WIDTH]), out), [BATCH, TOKENS, WIDTH]);
}

function layerNorm(x: tf.Tensor, gain: tf.Tensor, shift: tf.Tensor): tf.Tensor {
  const centred = tf.sub(x, tf.mean(x, -1, true));
  const variance = tf.mean(tf.square(centred), -1, true);
  return tf.add(tf.mul(tf.mul(centred, tf.rsqrt(tf.add(variance, 1e-6))), gain), shift);
}

function geluErf(x: tf.Tensor): tf.Tensor {
  return tf.mul(tf.mul(x, 0.5), tf.add(tf.erf(tf.mul(x, Math.SQRT1_2)), 1));
}

function geluTanh(x: tf.Tensor): tf.Tensor {
  const inner = tf.mul(tf.add(x, tf.mul(tf.pow(x, 3), 0.044715)), Math.sqrt(2 / Math.PI));
  return tf.mul(tf.mul(x, 0.5), tf.add(tf.tanh(inner), 1));
}

function head(x: tf.Tensor, first: tf.Tensor, second: tf.Tensor): tf.Tensor {
  return tf.matMul(geluTanh(tf.matMul(x as tf.Tensor2D, first as tf.Tensor2D)), second);
}

function similarity(a: tf.Tensor, b: tf.Tensor): tf.Tensor {
  const lengths = tf.mul(tf.norm(a, 2, -1), tf.norm(b, 2, -1));
  return tf.div(tf.sum(tf.mul(a, b), -1), tf.maximum(lengths, 1e-8));
}

function smoothL1(difference: tf.Tensor): tf.Tensor {
  const size = tf.abs(difference);
  const near = tf.mul(0.5, tf.square(difference));
  return tf.where(tf.greaterEqual(size, 1), tf.sub(size, 0.5), near);
}

/** Feeds of step `index`, counted from 1. */
export function feedsOf(index: number): Record<string, Float32Array | Uint8Array> {
  const rng = new Rng(2, 'feeds', index);
  const normal = (length: number) => Float32Array.from({ length }, () => rng.normal());
  return {
    images: normal(BATCH * SIDE * SIDE * 3),
    summary: normal(BATCH * TARGET),
    spatial: normal(BATCH * GRID * GRID * TARGET),
    present: Uint8Array.from({ length: BATCH }, (_, i) => (i === index % BATCH ? 0 : 1)),
    rate: Float32Array.of(0.01 / index),
    correction1: Float32Array.of(1 / (1 - 0.9 ** index)),
    correction2: Float32Array.of(1 / (1 - 0.999 ** index)),
  };
}
