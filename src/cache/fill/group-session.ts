/** What answers for a group of spaces in a fill: a teacher, or nothing but the pixels themselves. */
import type { TeacherAnswer, TeacherSession } from '../../teachers/teacher.ts';

export interface GroupAnswer extends TeacherAnswer {
  /** [rows, 3, H, W], bytes as floats. */
  readonly pixels?: Float32Array;
}

export interface GroupSession extends Pick<TeacherSession, 'batch' | 'inputValues' | 'lanes'> {
  readonly summary: { readonly shape: readonly number[] } | null;
  readonly spatial: { readonly shape: readonly number[] } | null;
  /** Of a group that keeps pixels. */
  readonly pixels?: { readonly shape: readonly number[] };
  /** As {@link TeacherSession.run}. */
  run(pixels: Float32Array, rows: number): Promise<GroupAnswer>;
}
