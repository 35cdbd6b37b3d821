/** From a batch of the loader to the named arrays that a traced student graph reads. */
import { type StudentConfig, type TargetSpec, isLearned, targetLabel } from './student-config.ts';
import { sizeOf } from './parameters.ts';

export interface TrainBatch {
  /** [n, 3, H, W] in [0, 1], n at most the batch size. */
  readonly pixels: Float32Array;
  /** By input name (`nanodet@224.summary` [n, C], `nanodet@224.spatial` [n, h, w, C]), as the teacher gave them. */
  readonly targets: Readonly<Record<string, Float32Array>>;
  /** By target label (`nanodet@224`) [n]: 0 where the target is missing or failed, else 1. All ones when left out. */
  readonly masks?: Readonly<Record<string, Uint8Array | Float32Array>>;
}

/** One input that carries targets: its name, its mask's name and the shape of one image's target. */
export interface TargetInput {
  readonly name: string;
  readonly maskName: string;
  readonly teacher: string;
  readonly kind: 'summary' | 'spatial';
  readonly shape: readonly number[];
}

export const maskInputName = (target: TargetSpec): string => `${targetLabel(target)}.mask`;

/** The target inputs of a student's graph: every teacher at every resolution, as far as a loss uses it. */
export function targetInputs(config: StudentConfig): TargetInput[] {
  return config.targets.flatMap((target) => {
    const inputs: TargetInput[] = [];
    const common = { maskName: maskInputName(target), teacher: target.teacher };
    if (target.summaryWidth !== null && isLearned(config, target.teacher, 'summary'))
      inputs.push({
        ...common,
        name: `${targetLabel(target)}.summary`,
        kind: 'summary',
        shape: [target.summaryWidth],
      });
    if (target.spatialShape !== null && isLearned(config, target.teacher, 'spatial'))
      inputs.push({
        ...common,
        name: `${targetLabel(target)}.spatial`,
        kind: 'spatial',
        shape: target.spatialShape,
      });
    return inputs;
  });
}

/** Images in a batch. @throws Error (a defect) when the pixels are no whole number of images or too many. */
export function imageCount(config: StudentConfig, pixels: Float32Array): number {
  const count = pixels.length / (3 * config.vit.imagePx ** 2);
  if (!Number.isInteger(count) || count < 1 || count > config.batchSize)
    throw new Error(
      `internal: ${pixels.length} pixel values are ${count} images, wanted 1..${config.batchSize}`,
    );
  return count;
}

/**
 * The arrays of one batch, filled up to the batch size with zeros that the masks leave out. Targets of masked images are set to
 * zero: a failed target may hold NaN, and NaN times a mask of 0 is still NaN.
 *
 * @throws Error (a defect) when an input is missing or has another size.
 */
export function batchFeeds(config: StudentConfig, batch: TrainBatch): Record<string, Float32Array> {
  const count = imageCount(config, batch.pixels);
  const feeds: Record<string, Float32Array> = {
    pixels: filledUp(batch.pixels, batch.pixels.length / count, config.batchSize),
  };
  for (const { name, maskName, shape } of targetInputs(config)) {
    const rowSize = sizeOf(shape);
    const values = batch.targets[name];
    if (values?.length !== count * rowSize)
      throw new Error(`internal: ${name} wants ${count} x ${rowSize} values, got ${values?.length ?? 0}`);
    const mask = (feeds[maskName] ??= maskOf(config, batch, maskName, count));
    feeds[name] = withoutMasked(filledUp(values, rowSize, config.batchSize), mask, values);
  }
  return feeds;
}

function maskOf(config: StudentConfig, batch: TrainBatch, maskName: string, count: number): Float32Array {
  const given = batch.masks?.[maskName.slice(0, -'.mask'.length)];
  if (given !== undefined && given.length !== count)
    throw new Error(`internal: ${maskName} wants ${count} values, got ${given.length}`);
  const mask = new Float32Array(config.batchSize);
  for (let i = 0; i < count; i++) mask[i] = (given?.[i] ?? 1) === 0 ? 0 : 1;
  return mask;
}

/** The array itself when it is full, else a longer one with zeros at the end. */
function filledUp(values: Float32Array, rowSize: number, rows: number): Float32Array {
  if (values.length === rowSize * rows) return values;
  const out = new Float32Array(rowSize * rows);
  out.set(values);
  return out;
}

/** Zeroes masked rows, in a copy when the array is still the caller's. */
function withoutMasked(values: Float32Array, mask: Float32Array, callers: Float32Array): Float32Array {
  if (!mask.includes(0)) return values;
  const out = values === callers ? values.slice() : values;
  const rowSize = out.length / mask.length;
  mask.forEach((keep, row) => {
    if (keep === 0) out.fill(0, row * rowSize, (row + 1) * rowSize);
  });
  return out;
}
