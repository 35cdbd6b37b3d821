/**
 * The student's trunk: a vision transformer with one CLS token per teacher and registers (AM-RADIO §3, distillation.md §1.9-1.10).
 * Functional tensorflow.js ops only, static shapes, no random op: one trace gives one graph.
 */
import * as tf from '@tensorflow/tfjs';
import { resizeGrid } from './grid-resize.ts';
import { gelu, layerNorm, linear } from './layers.ts';
import {
  type ParameterSpec,
  type Weights,
  embeddingParameter,
  layerNormParameters,
  linearParameters,
  weightParameter,
} from './parameters.ts';
import type { VitConfig } from './student-config.ts';

/** OpenAI CLIP's statistics of RGB in [0, 1]; the trunk normalises its own input. */
const PIXEL_MEAN = [0.48145466, 0.4578275, 0.40821073];
const PIXEL_STD = [0.26862954, 0.26130258, 0.27577711];

export interface VitOutput {
  /** Final CLS token per teacher, [B, D]. */
  readonly summaries: ReadonlyMap<string, tf.Tensor2D>;
  /** Final patch tokens, [B, h, w, D]. */
  readonly tokens: tf.Tensor4D;
}

/** Side of the token grid that the position map is learned on. */
export const gridSide = (vit: VitConfig): number => vit.imagePx / vit.patchPx;

export function vitParameters(vit: VitConfig): ParameterSpec[] {
  const hidden = Math.round(vit.width * vit.mlpRatio);
  return [
    ...linearParameters('patch', 3 * vit.patchPx ** 2, vit.width),
    embeddingParameter('position', [gridSide(vit), gridSide(vit), vit.width]),
    embeddingParameter('prefix', [vit.teachers.length + vit.registers, vit.width]),
    ...Array.from({ length: vit.depth }, (_, i) => [
      ...layerNormParameters(`block${i}.norm1`, vit.width),
      // A bias of the keys moves all scores of a query alike, which softmax cannot see.
      weightParameter(`block${i}.key`, vit.width, vit.width),
      ...['query', 'value', 'out'].flatMap((part) =>
        linearParameters(`block${i}.${part}`, vit.width, vit.width),
      ),
      ...layerNormParameters(`block${i}.norm2`, vit.width),
      ...linearParameters(`block${i}.expand`, vit.width, hidden),
      ...linearParameters(`block${i}.contract`, hidden, vit.width),
    ]).flat(),
    ...layerNormParameters('norm', vit.width),
  ];
}

/**
 * pixels [B, 3, H, W] in [0, 1] -> {@link VitOutput} on the grid H/patch x W/patch. Another grid than the learned one gets the
 * position map resized bilinearly.
 */
export function vitForward(vit: VitConfig, weights: Weights, pixels: tf.Tensor4D): VitOutput {
  const [batch, , heightPx, widthPx] = pixels.shape;
  const [height, width] = [heightPx / vit.patchPx, widthPx / vit.patchPx];
  const prefixCount = vit.teachers.length + vit.registers;
  const count = prefixCount + height * width;

  const patches = tf.reshape(
    tf.add(
      tf.reshape(patchEmbedding(vit, weights, pixels), [batch, height, width, vit.width]),
      positions(vit, weights, height, width),
    ),
    [batch, height * width, vit.width],
  );
  // Adding to zeros broadcasts over the batch with a gradient that is one sum; the gradient of tile is B slices.
  const prefix = tf.add(
    tf.zeros([batch, prefixCount, vit.width]),
    tf.reshape(weights('prefix'), [1, prefixCount, vit.width]),
  );
  let x: tf.Tensor2D = tf.reshape(tf.concat([prefix, patches], 1), [batch * count, vit.width]);
  for (let i = 0; i < vit.depth; i++) x = block(vit, weights, `block${i}`, { x, batch, count });
  const final: tf.Tensor3D = tf.reshape(layerNorm(x, weights, 'norm'), [batch, count, vit.width]);

  return {
    summaries: new Map(
      vit.teachers.map((teacher, slot) => [
        teacher,
        tf.reshape(tf.slice(final, [0, slot, 0], [batch, 1, vit.width]), [batch, vit.width]),
      ]),
    ),
    tokens: tf.reshape(tf.slice(final, [0, prefixCount, 0], [batch, height * width, vit.width]), [
      batch,
      height,
      width,
      vit.width,
    ]),
  };
}

/** A linear map of each flattened patch, channels first as in a convolution's weights. [B, 3, H, W] -> [B*h*w, D]. */
function patchEmbedding(vit: VitConfig, weights: Weights, pixels: tf.Tensor4D): tf.Tensor2D {
  const [batch, , heightPx, widthPx] = pixels.shape;
  const side = vit.patchPx;
  const [height, width] = [heightPx / side, widthPx / side];
  const mean = tf.tensor(PIXEL_MEAN, [1, 3, 1, 1]);
  const scale = tf.tensor(
    PIXEL_STD.map((std) => 1 / std),
    [1, 3, 1, 1],
  );
  const normal = tf.mul(tf.sub(pixels, mean), scale);
  const split = tf.transpose(tf.reshape(normal, [batch, 3, height, side, width, side]), [0, 2, 4, 1, 3, 5]);
  return linear(tf.reshape(split, [batch * height * width, 3 * side * side]), weights, 'patch');
}

/** [1, h, w, D]. */
function positions(vit: VitConfig, weights: Weights, height: number, width: number): tf.Tensor4D {
  const side = gridSide(vit);
  return resizeGrid(tf.reshape(weights('position'), [1, side, side, vit.width]), height, width);
}

interface Sequence {
  /** [B*T, D] */
  readonly x: tf.Tensor2D;
  readonly batch: number;
  /** T, tokens per image. */
  readonly count: number;
}

/** Pre-LN transformer block: x + attention(LN(x)), then x + MLP(LN(x)). [B*T, D] -> [B*T, D]. */
function block(vit: VitConfig, weights: Weights, name: string, { x, batch, count }: Sequence): tf.Tensor2D {
  const attended: tf.Tensor2D = tf.add(
    x,
    attention(vit, weights, name, { x: layerNorm(x, weights, `${name}.norm1`), batch, count }),
  );
  const hidden = gelu(linear(layerNorm(attended, weights, `${name}.norm2`), weights, `${name}.expand`));
  return tf.add(attended, linear(hidden, weights, `${name}.contract`));
}

/** Multi-head self-attention. Query, key and value are three products: one product plus slices would cost pads backwards. */
function attention(
  vit: VitConfig,
  weights: Weights,
  name: string,
  { x, batch, count }: Sequence,
): tf.Tensor2D {
  const headWidth = vit.width / vit.heads;
  const perHead = (rows: tf.Tensor2D): tf.Tensor4D =>
    tf.transpose(tf.reshape(rows, [batch, count, vit.heads, headWidth]), [0, 2, 1, 3]);
  const query = perHead(tf.mul(linear(x, weights, `${name}.query`), headWidth ** -0.5));
  const key = perHead(tf.matMul(x, weights(`${name}.key.weight`)));
  const value = perHead(linear(x, weights, `${name}.value`));
  const scores = tf.softmax(tf.matMul(query, key, false, true), -1);
  const mixed = tf.transpose(tf.matMul(scores, value), [0, 2, 1, 3]);
  return linear(tf.reshape(mixed, [batch * count, vit.width]), weights, `${name}.out`);
}
