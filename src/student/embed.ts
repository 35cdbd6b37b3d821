/** Inference: pixels to the student's features, through one graph with its weights inside. */
import * as tf from '@tensorflow/tfjs';
import { CompiledStep } from '../compile/compiled-step.ts';
import { type TracedStep, traceStep } from '../compile/trace-step.ts';
import { imageCount } from './feeds.ts';
import { headsForward, studentParameters } from './heads.ts';
import { type ParameterValues, constantWeights } from './parameters.ts';
import { type StudentConfig, isLearned } from './student-config.ts';
import { type Tensors, need } from './train-step.ts';
import { type VitOutput, vitForward } from './vit.ts';

export interface EmbedOptions {
  readonly config: StudentConfig;
  readonly parameters: ParameterValues;
  /** Whether to add every head's predictions, `<teacher>.summary` [B, C] and `<teacher>.spatial` [B, h, w, C]. */
  readonly heads: boolean;
}

/** Teachers whose CLS tokens make up the summary: those with a summary loss, as in RADIO; all when none has one. */
export function summaryTeachers(config: StudentConfig): string[] {
  const learned = config.vit.teachers.filter((teacher) => isLearned(config, teacher, 'summary'));
  return learned.length > 0 ? learned : [...config.vit.teachers];
}

/** CLS tokens side by side, [B, teachers * D]. */
export function summaryOf(config: StudentConfig, trunk: VitOutput): tf.Tensor2D {
  const tokens = summaryTeachers(config).map((teacher) => {
    const token = trunk.summaries.get(teacher);
    if (token === undefined) throw new Error(`internal: no CLS token for ${teacher}`);
    return token;
  });
  return tf.concat(tokens, 1);
}

/** pixels [B, 3, H, W] -> `summary` [B, teachers * D], `mean` [B, D] (over patch tokens), and the heads' predictions. */
export function traceEmbed(options: EmbedOptions): TracedStep {
  const { config, parameters } = options;
  const { imagePx } = config.vit;
  return traceStep({
    inputs: { pixels: { shape: [config.batchSize, 3, imagePx, imagePx], dtype: 'float32' } },
    variables: [],
    step: (inputs) => {
      const weights = constantWeights(studentParameters(config), parameters);
      const trunk = vitForward(config.vit, weights, need(inputs, 'pixels') as tf.Tensor4D);
      const outputs: Tensors = {
        summary: summaryOf(config, trunk),
        mean: tf.mean(trunk.tokens, [1, 2]),
      };
      if (options.heads)
        for (const [teacher, { summary, spatial }] of headsForward(config, weights, trunk)) {
          if (summary) outputs[`${teacher}.summary`] = summary;
          if (spatial) outputs[`${teacher}.spatial`] = spatial;
        }
      return outputs;
    },
  });
}

/** Row-major features of n images by output name, each [n, ...]. */
export type Features = Record<string, Float32Array>;

export class Embedder {
  readonly #config: StudentConfig;
  readonly #compiled: CompiledStep;

  private constructor(config: StudentConfig, compiled: CompiledStep) {
    this.#config = config;
    this.#compiled = compiled;
  }

  static async create(options: EmbedOptions): Promise<Embedder> {
    return new Embedder(options.config, await CompiledStep.create(traceEmbed(options), new Map()));
  }

  /** Values of a summary. */
  get width(): number {
    return summaryTeachers(this.#config).length * this.#config.vit.width;
  }

  /** pixels [n, 3, H, W] in [0, 1], n at most the configured batch size. */
  async embed(pixels: Float32Array): Promise<Features> {
    const { batchSize } = this.#config;
    const count = imageCount(this.#config, pixels);
    const full = new Float32Array((pixels.length / count) * batchSize);
    full.set(pixels);
    const outputs = await this.#compiled.run({ pixels: full });
    return Object.fromEntries(
      Object.entries(outputs).map(([name, values]) => [
        name,
        values.slice(0, (values.length / batchSize) * count),
      ]),
    );
  }

  /** Features of a stream of batches, rows in its order: what a k-NN evaluation reads. */
  async embedAll(batches: AsyncIterable<Float32Array>): Promise<Features> {
    const parts = new Map<string, Float32Array[]>();
    for await (const pixels of batches)
      for (const [name, values] of Object.entries(await this.embed(pixels)))
        if (parts.get(name)?.push(values) === undefined) parts.set(name, [values]);
    return Object.fromEntries([...parts].map(([name, arrays]) => [name, joined(arrays)]));
  }

  close(): Promise<void> {
    return this.#compiled.close();
  }
}

function joined(arrays: readonly Float32Array[]): Float32Array {
  const out = new Float32Array(arrays.reduce((length, array) => length + array.length, 0));
  let at = 0;
  for (const array of arrays) {
    out.set(array, at);
    at += array.length;
  }
  return out;
}
