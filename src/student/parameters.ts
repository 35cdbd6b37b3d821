/** Named parameters of a student: their shapes, how they start, and whether weight decay applies. */
import * as tf from '@tensorflow/tfjs';
import { Rng } from '../core/rng.ts';

export interface ParameterSpec {
  readonly name: string;
  readonly shape: readonly number[];
  readonly init: { readonly kind: 'zeros' | 'ones' } | { readonly kind: 'normal'; readonly std: number };
  /** Whether decoupled weight decay pulls it to zero: weight matrices only (AM-RADIO: not the position map, not CLS). */
  readonly decay: boolean;
}

/** float32 values by parameter name, row-major. */
export type ParameterValues = ReadonlyMap<string, Float32Array>;

/** Looks a parameter up by name: tf variables while training, constants for inference. */
export type Weights = (name: string) => tf.Tensor;

/** [in, out] weight of a product without a bias, with Glorot-normal start. */
export function weightParameter(name: string, widthIn: number, widthOut: number): ParameterSpec {
  const std = Math.sqrt(2 / (widthIn + widthOut));
  return { name: `${name}.weight`, shape: [widthIn, widthOut], init: { kind: 'normal', std }, decay: true };
}

/** {@link weightParameter} and [out] bias from zero. */
export function linearParameters(name: string, widthIn: number, widthOut: number): ParameterSpec[] {
  return [
    weightParameter(name, widthIn, widthOut),
    { name: `${name}.bias`, shape: [widthOut], init: { kind: 'zeros' }, decay: false },
  ];
}

export function layerNormParameters(name: string, width: number): ParameterSpec[] {
  return [
    { name: `${name}.gain`, shape: [width], init: { kind: 'ones' }, decay: false },
    { name: `${name}.bias`, shape: [width], init: { kind: 'zeros' }, decay: false },
  ];
}

/** Learned tokens or positions: normal with std width^-0.5 (RADIO), never decayed. Shape: [..., width]. */
export function embeddingParameter(name: string, shape: readonly number[]): ParameterSpec {
  const std = (shape.at(-1) ?? 1) ** -0.5;
  return { name, shape, init: { kind: 'normal', std }, decay: false };
}

export const sizeOf = (shape: readonly number[]): number => shape.reduce((product, n) => product * n, 1);

/** Initial values. Each parameter has its own random stream, so adding one leaves the others as they were. */
export function initialValues(specs: readonly ParameterSpec[], seed: number): Map<string, Float32Array> {
  return new Map(
    specs.map((spec) => {
      const values = new Float32Array(sizeOf(spec.shape));
      if (spec.init.kind === 'ones') values.fill(1);
      if (spec.init.kind === 'normal')
        fillTruncatedNormal(values, spec.init.std, new Rng(seed, 'init', spec.name));
      return [spec.name, values];
    }),
  );
}

/** Normal draws, those beyond two standard deviations drawn again. */
function fillTruncatedNormal(values: Float32Array, std: number, rng: Rng): void {
  for (let i = 0; i < values.length; i++) {
    let draw = rng.normal();
    while (Math.abs(draw) > 2) draw = rng.normal();
    values[i] = draw * std;
  }
}

/** Looks tensors up in a record or map. @throws Error (a defect) for a name that is not there. */
export function weightsFrom(tensors: ReadonlyMap<string, tf.Tensor>): Weights {
  return (name) => {
    const tensor = tensors.get(name);
    if (tensor === undefined) throw new Error(`internal: no parameter named ${name}`);
    return tensor;
  };
}

/** Constants for inference. @throws Error (a defect) when a value is missing or has another size. */
export function constantWeights(specs: readonly ParameterSpec[], values: ParameterValues): Weights {
  return weightsFrom(
    new Map(
      specs.map(({ name, shape }) => {
        const value = values.get(name);
        if (value?.length !== sizeOf(shape))
          throw new Error(
            `internal: parameter ${name} wants ${sizeOf(shape)} values, got ${value?.length ?? 0}`,
          );
        return [name, tf.tensor(value, [...shape], 'float32')];
      }),
    ),
  );
}
