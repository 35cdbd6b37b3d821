/**
 * Runs one picture through teachers and says what came out: the quickest proof that a manifest fits its model. One teacher's trouble
 * is a finding of that teacher and stops no other.
 */
import { type Failure, StillhouseError, isStillhouseError } from '../core/failure.ts';
import type { Digest } from '../core/ids.ts';
import { FULL_VIEW } from '../images/view.ts';
import type { CheckPicture } from './check-picture.ts';
import { isPermissive } from './licences.ts';
import { usualSizes } from './list-teachers.ts';
import { identifyTeacher, openTeacher } from './open-teacher.ts';
import { viewRenderer } from './preprocess.ts';
import type { LoadedTeacher } from './registry.ts';
import { acceptsSize, cellPxOf } from './input-sizes.ts';
import type { RuntimeClass, TapShape, TeacherSession } from './teacher.ts';
import { type ValueRange, valueRange } from './value-range.ts';
import { presenceOf } from './weights-presence.ts';

export interface TapReport extends ValueRange {
  readonly kind: 'summary' | 'spatial';
  readonly tensor: string;
  /** As the model gives it, before it is widened to float32. */
  readonly dtype: string;
  readonly shape: readonly number[];
  /** Of a map: its cells, and how many input pixels one covers. */
  readonly grid: { readonly rows: number; readonly columns: number; readonly cellPx: number } | null;
}

export interface SizeReport {
  readonly sizePx: number;
  readonly taps: readonly TapReport[];
  /** Milliseconds to render the decoded picture for this teacher, and of one engine call with this picture alone. */
  readonly renderMs: number;
  readonly engineMs: number;
}

/**
 * `fits`: every tap is as the manifest says and finite. `does-not-fit`: `trouble` says why. `not-finite`: it answers, with values
 * that no target can hold. `not-run`: weights or the device are not here, or the device is for others. `left-out`: it was not asked for by name, and `reason` says
 * why it was not run.
 */
export type Verdict = 'fits' | 'does-not-fit' | 'not-finite' | 'not-run' | 'left-out';

export interface TeacherCheck {
  readonly teacher: string;
  readonly verdict: Verdict;
  readonly licence: { readonly spdx: string; readonly permissive: boolean };
  readonly weights: { readonly uri: string; readonly sha256: Digest | null };
  /** Null when it was not loaded. */
  readonly runtime: RuntimeClass | null;
  readonly sizes: readonly SizeReport[];
  readonly reason: string | null;
  readonly trouble: Failure | null;
}

export interface CheckOptions {
  readonly picture: CheckPicture;
  /** Sides to check at. Default: those that `teachers ls` tells. */
  readonly sizesPx?: readonly number[] | undefined;
  readonly device: string;
  /** Asked for by name: absent weights and sizes that it does not take are trouble. Default false: then it is left out. */
  readonly isNamed?: boolean;
}

export async function checkTeacher(teacher: LoadedTeacher, options: CheckOptions): Promise<TeacherCheck> {
  const { manifest } = teacher;
  const { spdx } = manifest.licence;
  const asked = options.sizesPx ?? usualSizes(manifest);
  const sizesPx = options.isNamed === true ? asked : asked.filter((px) => acceptsSize(manifest, px));
  const sizes: SizeReport[] = [];
  let found: Omit<TeacherCheck, 'verdict'> = {
    teacher: manifest.name,
    licence: { spdx, permissive: isPermissive(spdx) },
    weights: { uri: manifest.weights.uri, sha256: null },
    runtime: null,
    sizes,
    reason: null,
    trouble: null,
  };
  if (sizesPx.length === 0) return { ...found, verdict: 'left-out', reason: 'takes none of these sizes' };
  if (options.isNamed !== true && (await presenceOf(teacher)).state === 'missing')
    return { ...found, verdict: 'left-out', reason: 'weights are not here' };
  try {
    const { weightsSha256, runtime } = await identifyTeacher(teacher, options.device);
    found = { ...found, weights: { ...found.weights, sha256: weightsSha256 }, runtime };
    for (const sizePx of sizesPx) sizes.push(await sizeReport(teacher, sizePx, options));
    const trouble = notFinite(manifest.name, sizes);
    return { ...found, verdict: trouble ? 'not-finite' : 'fits', trouble };
  } catch (error) {
    // usage: a device may be for teachers of another engine
    if (!isStillhouseError(error, 'bad-input', 'integrity', 'environment', 'usage')) throw error;
    const verdict = error.failure.kind === 'bad-input' ? 'does-not-fit' : 'not-run';
    return { ...found, verdict, trouble: error.failure };
  }
}

async function sizeReport(
  teacher: LoadedTeacher,
  sizePx: number,
  { picture, device }: CheckOptions,
): Promise<SizeReport> {
  const renderer = viewRenderer(teacher.manifest, sizePx);
  const pixels = new Float32Array(renderer.values);
  const started = performance.now();
  renderer.normaliseInto(renderer.render(picture.pixels, FULL_VIEW), pixels, 0);
  const renderMs = performance.now() - started;
  const session = await openTeacher(teacher, { sizePx, batch: 1 }, { device, threads: 0 });
  try {
    const answer = await session.run(pixels, 1);
    const taps = (['summary', 'spatial'] as const).flatMap((kind): TapReport[] => {
      const [tap, values] = [session[kind], answer[kind]];
      return tap === null || values === null ? [] : [tapReport(teacher, { kind, tap, values })];
    });
    return { sizePx, taps, renderMs: tenths(renderMs), engineMs: tenths(await medianMs(session, pixels)) };
  } finally {
    await session.close();
  }
}

function tapReport(
  { manifest }: LoadedTeacher,
  of: { readonly kind: TapReport['kind']; readonly tap: TapShape; readonly values: Float32Array },
): TapReport {
  const { kind, tap, values } = of;
  const [rows, columns] = tap.shape;
  return {
    kind,
    tensor: manifest[kind]!.tensor,
    dtype: tap.dtype,
    shape: tap.shape,
    grid: kind === 'spatial' ? { rows: rows!, columns: columns!, cellPx: cellPxOf(manifest.spatial!) } : null,
    ...valueRange(values),
  };
}

/** Of up to five calls, within about a second; the first call of a session, which is slower, was before. */
async function medianMs(session: TeacherSession, pixels: Float32Array): Promise<number> {
  const times: number[] = [];
  for (let sum = 0; times.length < 5 && sum < 1000; sum += times.at(-1)!)
    times.push((await session.run(pixels, 1)).engineMs);
  return times.sort((a, b) => a - b)[Math.floor(times.length / 2)]!;
}

const tenths = (ms: number): number => Math.round(10 * ms) / 10;

function notFinite(name: string, sizes: readonly SizeReport[]): Failure | null {
  for (const { sizePx, taps } of sizes)
    for (const { kind, values, nan, infinite } of taps)
      if (nan + infinite > 0)
        return {
          kind: 'bad-input',
          what: 'a teacher gives values that are not finite',
          where: `${name} at ${sizePx} px, ${kind} tap`,
          wanted: `${values} finite values`,
          got: `${nan} NaN and ${infinite} infinite`,
          next: 'check scale, mean and std of the manifest, try another --image, or take weights of full precision',
        };
  return null;
}

/** The failure that ends a command over these findings; null when none of them is trouble. */
export function troubleIn(checks: readonly TeacherCheck[]): StillhouseError | null {
  const troubles = checks.flatMap(({ trouble }) => trouble ?? []);
  if (troubles.length <= 1) return troubles[0] ? new StillhouseError(troubles[0]) : null;
  return new StillhouseError({
    kind: troubles[0]!.kind,
    what: `${troubles.length} of ${checks.length} teachers did not pass the check`,
    where: checks.flatMap(({ teacher, trouble }) => (trouble ? [teacher] : [])).join(', '),
    got: troubles
      .map(({ what, where, got }) => `${where ?? '?'}: ${what}${got === undefined ? '' : ` (${got})`}`)
      .join('; '),
    next: 'check them one by one: `stillhouse teachers check <teacher>`',
  });
}
