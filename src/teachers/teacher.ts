/**
 * A teacher ready to answer: pixels in, one summary vector and one spatial map per image out. Engines differ; what they promise
 * does not (test/support/teacher-contract.ts).
 */
import type { Json } from '../core/canonical-json.ts';

/** What identifies the numbers an engine gives besides the weights. */
export interface RuntimeClass {
  readonly engine: string;
  readonly version: string;
  /** `cpu` or `gpu`; which of several GPUs is no part of it. */
  readonly device: string;
  readonly provider: string;
  readonly precision: string;
}

export interface TapShape {
  /** [D] for a summary, [h, w, C] for a spatial map. */
  readonly shape: readonly number[];
  /** Which tensor, pooled or cut how: part of the space. */
  readonly rule: Json;
  /** Of the tensor as the model gives it: `float32`, `float16`. Answers are float32 all the same. */
  readonly dtype: string;
}

/** One teacher at one input size. */
export interface TeacherSession {
  readonly sizePx: number;
  /** Rows that may be handed over at once. How many of them share an engine call changes no row. */
  readonly batch: number;
  /** float32 values of one image. */
  readonly inputValues: number;
  /** Calls that are answered at the same time, one per engine; more wait in line. */
  readonly lanes: number;
  readonly summary: TapShape | null;
  readonly spatial: TapShape | null;
  /**
   * @param pixels normalised as the manifest says, [rows, 3, size, size] (or NHWC where the teacher wants it), float32; may be
   * shared memory, and is free again when the call has settled
   * @returns row-major float32: summary [rows, D], spatial [rows, h, w, C]; null where there is no such tap
   */
  run(pixels: Float32Array, rows: number): Promise<TeacherAnswer>;
  close(): Promise<void>;
}

export interface TeacherAnswer {
  readonly summary: Float32Array | null;
  readonly spatial: Float32Array | null;
  /** Milliseconds that an engine worked on it. */
  readonly engineMs: number;
  /** Rows of the engine's calls, where it chooses them itself. */
  readonly callRows?: number;
}
