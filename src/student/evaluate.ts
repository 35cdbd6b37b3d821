/**
 * Fidelity of every head on held-out images: Var(teacher) / MSE(student, teacher) (RADIO's mode-switch metric,
 * distillation.md §3.1). 1 is no better than predicting each channel's mean; more is better, without bound.
 */
import * as tf from '@tensorflow/tfjs';
import { CompiledStep } from '../compile/compiled-step.ts';
import { type TracedStep, traceStep } from '../compile/trace-step.ts';
import { type TargetInput, type TrainBatch, batchFeeds, targetInputs } from './feeds.ts';
import { matchGrids } from './grid-resize.ts';
import { type HeadOutput, headsForward, studentParameters } from './heads.ts';
import { type ParameterValues, constantWeights } from './parameters.ts';
import { type StudentConfig, targetWidth } from './student-config.ts';
import { type Tensors, dataInputs, need, standardised } from './train-step.ts';
import { vitForward } from './vit.ts';

/** What {@link FidelitySums} keeps per channel: sums of target, target^2, prediction * target and prediction^2. */
const SUM_NAMES = ['target', 'targetSquared', 'product', 'predictionSquared'] as const;
type ChannelSums = Readonly<Record<(typeof SUM_NAMES)[number], Float32Array>>;

export interface Fidelity {
  /** Var(teacher) / MSE(scale * student head, teacher). */
  readonly fidelity: number;
  /**
   * The scalar that would have made the error least on these very rows. A loss of cosine alone leaves a head's norm free: fit the
   * scale on training images, then measure at that scale on evaluation images.
   */
  readonly bestScale: number;
}

/** Float64 sums over a stream of (prediction, target) rows, per channel. */
export class FidelitySums {
  #rows = 0;
  readonly #sums: Readonly<Record<(typeof SUM_NAMES)[number], Float64Array>>;

  constructor(channels: number) {
    const zeros = (): Float64Array => new Float64Array(channels);
    this.#sums = { target: zeros(), targetSquared: zeros(), product: zeros(), predictionSquared: zeros() };
  }

  /** Adds the sums [C] of some rows. */
  add(rows: number, sums: ChannelSums): void {
    this.#rows += rows;
    for (const name of SUM_NAMES) sums[name].forEach((value, c) => (this.#sums[name][c]! += value));
  }

  get rows(): number {
    return this.#rows;
  }

  /**
   * Variance is around each channel's own mean; variances and errors are summed over channels before they are divided, each
   * channel first scaled by 1/std^2 when `std` is given. Predictions are multiplied by `scale`. NaN without rows.
   */
  fidelity(std?: readonly number[], scale = 1): Fidelity {
    let [variance, squares, product, power] = [0, 0, 0, 0];
    this.#sums.target.forEach((sum, c) => {
      const weight = (std?.[c] ?? 1) ** -2 / this.#rows;
      const targetSquared = this.#sums.targetSquared[c]!;
      variance += weight * Math.max(0, targetSquared - (sum * sum) / this.#rows);
      squares += weight * targetSquared;
      product += weight * this.#sums.product[c]!;
      power += weight * this.#sums.predictionSquared[c]!;
    });
    const error = squares - 2 * scale * product + scale * scale * power;
    return { fidelity: variance / error, bestScale: power > 0 ? product / power : 0 };
  }
}

/**
 * Graph from pixels, targets and masks to `<input>.rows` [] and the sums [C] of {@link FidelitySums} per target input, on the scale
 * of the heads and on the larger of both grids, as in training.
 */
export function traceEvaluation(config: StudentConfig, parameters: ParameterValues): TracedStep {
  return traceStep({
    inputs: dataInputs(config),
    variables: [],
    step: (inputs) => {
      const weights = constantWeights(studentParameters(config), parameters);
      const trunk = vitForward(config.vit, weights, need(inputs, 'pixels') as tf.Tensor4D);
      const predictions = headsForward(config, weights, trunk);
      const outputs: Tensors = {};
      for (const input of targetInputs(config)) {
        const { target, prediction, weight } = comparedRows(
          config,
          input,
          predictions.get(input.teacher),
          inputs,
        );
        const [y, x] = [tf.mul(target, weight), tf.mul(prediction, weight)];
        outputs[`${input.name}.rows`] = tf.sum(weight);
        outputs[`${input.name}.target`] = tf.sum(y, 0);
        outputs[`${input.name}.targetSquared`] = tf.sum(tf.square(y), 0);
        outputs[`${input.name}.product`] = tf.sum(tf.mul(x, y), 0);
        outputs[`${input.name}.predictionSquared`] = tf.sum(tf.square(x), 0);
      }
      return outputs;
    },
  });
}

interface ComparedRows {
  /** [n, C] */
  readonly target: tf.Tensor2D;
  readonly prediction: tf.Tensor2D;
  /** [n, 1] of 0 and 1 */
  readonly weight: tf.Tensor2D;
}

function comparedRows(
  config: StudentConfig,
  input: TargetInput,
  head: HeadOutput | undefined,
  inputs: Tensors,
): ComparedRows {
  const target = standardised(config, input, need(inputs, input.name));
  const mask = tf.reshape(need(inputs, input.maskName), [config.batchSize, 1]);
  if (input.kind === 'summary') {
    if (head?.summary === undefined) throw new Error(`internal: no summary head for ${input.teacher}`);
    return { target: target as tf.Tensor2D, prediction: head.summary, weight: mask as tf.Tensor2D };
  }
  if (head?.spatial === undefined) throw new Error(`internal: no spatial head for ${input.teacher}`);
  const [prediction, resized] = matchGrids(head.spatial, target as tf.Tensor4D);
  const [batch, height, width, channels] = resized.shape;
  const rows = (map: tf.Tensor4D): tf.Tensor2D => tf.reshape(map, [batch * height * width, channels]);
  const weight = tf.mul(tf.reshape(mask, [batch, 1]), tf.ones([batch, height * width]));
  return {
    target: rows(resized),
    prediction: rows(prediction),
    weight: tf.reshape(weight, [batch * height * width, 1]),
  };
}

export interface EvaluateOptions {
  readonly config: StudentConfig;
  readonly parameters: ParameterValues;
  readonly batches: AsyncIterable<TrainBatch>;
  /** Standard deviations by target input for heads that were trained on targets as they are. */
  readonly std?: Readonly<Record<string, readonly number[]>>;
  /** By target input: what predictions are multiplied by; 1 unless given. */
  readonly scales?: Readonly<Record<string, number>>;
}

/** Fidelity by target input (`nanodet@224.spatial`); NaN where no image had that target. */
export async function evaluateFidelity(options: EvaluateOptions): Promise<Record<string, Fidelity>> {
  const { config } = options;
  const heads = targetInputs(config).map((input) => ({
    ...input,
    sums: new FidelitySums(targetWidth(config, input.teacher, input.kind) ?? 0),
  }));
  const compiled = await CompiledStep.create(traceEvaluation(config, options.parameters), new Map());
  try {
    for await (const batch of options.batches) {
      const outputs = await compiled.run(batchFeeds(config, batch));
      const output = (name: string): Float32Array => {
        const values = outputs[name];
        if (values === undefined) throw new Error(`internal: no output ${name}`);
        return values;
      };
      for (const { name, sums } of heads)
        sums.add(output(`${name}.rows`)[0] ?? 0, {
          target: output(`${name}.target`),
          targetSquared: output(`${name}.targetSquared`),
          product: output(`${name}.product`),
          predictionSquared: output(`${name}.predictionSquared`),
        });
    }
  } finally {
    await compiled.close();
  }
  return Object.fromEntries(
    heads.map(({ name, sums }) => [name, sums.fidelity(options.std?.[name], options.scales?.[name])]),
  );
}
