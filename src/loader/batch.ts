/** What a loader delivers: typed by the spaces that were asked for. */
import type { ImageId, ViewId } from '../core/ids.ts';
import type { PixelsAs } from './pixel-options.ts';
import type { DeliveredAs } from './row-decoder.ts';

/** Values of a batch, row-major. The data lies in a pooled buffer: see {@link Batch.keep}. */
export interface Tensor<Data extends Float32Array | Uint16Array | Uint8Array = Float32Array> {
  readonly data: Data;
  readonly shape: readonly number[];
}

interface DataOf {
  readonly f32: Float32Array;
  /** Half floats as bits. */
  readonly f16: Uint16Array;
}
export type TargetTensor<As extends DeliveredAs> = Tensor<DataOf[As]>;

/** `nanodet@224` of `nanodet@224.summary` and of `nanodet@224.summary.i8p`. */
export type TeacherOf<Label extends string> = Label extends
  | `${infer Teacher}.summary`
  | `${infer Teacher}.summary.${string}`
  | `${infer Teacher}.spatial`
  | `${infer Teacher}.spatial.${string}`
  ? Teacher
  : never;

/** `Wanted` is a label without its codec. */
type Has<Label extends string, Wanted extends string, Then> = [
  Extract<Label, Wanted | `${Wanted}.${string}`>,
] extends [never]
  ? unknown
  : Then;

export type TeacherTargets<Label extends string, Teacher extends string, As extends DeliveredAs> = {
  /** [B], 1 where all targets of this teacher that were asked for are usable; their values are zero elsewhere. */
  readonly mask: Uint8Array;
} & Has<Label, `${Teacher}.summary`, { /** [B, D] */ readonly summary: TargetTensor<As> }> &
  Has<Label, `${Teacher}.spatial`, { /** [B, h, w, C] */ readonly spatial: TargetTensor<As> }>;

/** A teacher when labels are not known to the compiler. */
export interface AnyTeacherTargets<As extends DeliveredAs = DeliveredAs> {
  readonly mask: Uint8Array;
  readonly summary?: TargetTensor<As>;
  readonly spatial?: TargetTensor<As>;
}

export type Teachers<Label extends string, As extends DeliveredAs> = string extends Label
  ? Readonly<Record<string, AnyTeacherTargets<As>>>
  : { readonly [Teacher in TeacherOf<Label>]: TeacherTargets<Label, Teacher, As> };

interface PixelsOf {
  readonly f32: Float32Array;
  readonly u8: Uint8Array;
}

/** What was asked for: nothing more than that is there. */
export type WithPixels<Pixels extends PixelsAs | null> = [Pixels] extends [null]
  ? unknown
  : {
      /** [B, 3, H, W] */
      readonly pixels: Tensor<PixelsOf[Exclude<Pixels, null>]>;
    };

/** Everything but the tensors. */
export interface BatchHead {
  /** Number of the global batch. */
  readonly step: number;
  readonly epoch: number;
  /** What all samples of the batch have in common, see {@link LoaderDataset.buckets}; '' without buckets. */
  readonly bucket: string;
  /** Index of the resolution. */
  readonly resolution: number;
  /** Samples of this rank's share, B. Less than usual in a kept last batch, or where bad rows were left out. */
  readonly size: number;
  /** [B] */
  readonly ids: readonly ImageId[];
  readonly views: readonly ViewId[];
  /** [B] index of the dataset, and of the sample within it. */
  readonly datasets: readonly number[];
  readonly samples: readonly number[];
  /**
   * Buffers are used again: the tensors are valid until the next batch is asked for. `keep` takes this batch's buffer out of the
   * pool, so that it stays valid for as long as it is referenced; once the next batch was asked for, it throws a StillhouseError usage.
   */
  readonly keep: () => void;
}

export type Batch<
  Label extends string = string,
  As extends DeliveredAs = DeliveredAs,
  Pixels extends PixelsAs | null = null,
> = BatchHead & {
  /** By teacher and size, `nanodet@224`. */
  readonly teachers: Teachers<Label, As>;
} & WithPixels<Pixels>;
