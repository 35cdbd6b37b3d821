/**
 * Statistics on disk, beside the cache they were measured in:
 *
 *     statistics/<sha256>.safetensors          immutable, content and name bound
 *     statistics/<exact space>[-pool2].json    which of them the codecs of that exact space are built from, written once
 *
 * The first to measure an exact space decides: later runs, with more images or other datasets, build the same codecs, and so find
 * what is there instead of computing it under another space.
 */
import { join } from 'node:path';
import { z } from 'zod';
import { canonicalJson } from '../../core/canonical-json.ts';
import { sha256 } from '../../core/digest.ts';
import { StillhouseError } from '../../core/failure.ts';
import { jsonOrNull } from '../../core/json-or-null.ts';
import { writeAtomic, writeIfAbsent } from '../../store/atomic.ts';
import type { CommitFs } from '../../store/commit-fs.ts';
import { readOrNull, readTextOrNull } from '../../store/read-or-null.ts';
import { listOrNone } from '../journal.ts';
import { type SpaceDescriptor, exactSpaceIdOf } from '../space.ts';
import { type FeatureStatistics, decodeStatistics, encodeStatistics } from './feature-statistics.ts';

/** Below the cache's root. */
export const statisticsFile = (statsSha256: string): string => `statistics/${statsSha256}.safetensors`;

/** Returns the sha256 they are found by. */
export async function writeStatistics(
  root: string,
  statistics: FeatureStatistics,
  fs: CommitFs,
): Promise<string> {
  const bytes = encodeStatistics(statistics);
  const digest = sha256(bytes);
  await writeAtomic(join(root, statisticsFile(digest)), bytes, fs);
  return digest;
}

/** @throws StillhouseError integrity when the file is gone, or is not the one that was written under that name. */
export async function readStatistics(
  root: string,
  statsSha256: string,
  fs: CommitFs,
): Promise<FeatureStatistics> {
  const bytes = await readStatisticsBytes(root, statsSha256, fs);
  return decodeStatistics(bytes, join(root, statisticsFile(statsSha256)));
}

/** The file as it was written. Errors as {@link readStatistics}. */
export async function readStatisticsBytes(
  root: string,
  statsSha256: string,
  fs: CommitFs,
): Promise<Uint8Array> {
  const path = join(root, statisticsFile(statsSha256));
  const bytes = await readOrNull(path, fs);
  const got = bytes === null ? 'no such file' : sha256(bytes);
  if (bytes !== null && got === statsSha256) return bytes;
  throw new StillhouseError({
    kind: 'integrity',
    what: 'the statistics that a codec is built from are gone or changed',
    where: path,
    wanted: statsSha256,
    got,
    next: 'restore the file from a copy of the cache, or drop the spaces that need it and derive them again',
  });
}

/** sha256 of every statistics file, sorted. */
export async function listStatistics(root: string, fs: CommitFs): Promise<string[]> {
  return (await listOrNone(join(root, 'statistics'), fs))
    .flatMap((name) => /^([0-9a-f]{64})\.safetensors$/.exec(name)?.[1] ?? [])
    .sort();
}

const pinSchema = z.strictObject({ v: z.literal(1), statsSha256: z.string().regex(/^[0-9a-f]{64}$/) });

/** What is measured apart: the tokens of an exact space, whole or averaged in blocks. */
export interface StatisticsSubject {
  readonly space: SpaceDescriptor;
  /** 1: not pooled. */
  readonly pool: number;
}

const pinPath = (root: string, { space, pool }: StatisticsSubject): string =>
  join(root, 'statistics', `${exactSpaceIdOf(space)}${pool === 1 ? '' : `-pool${pool}`}.json`);

/** The sha256 of the statistics that codecs are built from; null when none were chosen yet. */
export async function pinnedStatistics(
  root: string,
  subject: StatisticsSubject,
  fs: CommitFs,
): Promise<string | null> {
  const path = pinPath(root, subject);
  const text = await readTextOrNull(path, fs);
  if (text === null) return null;
  const pin = pinSchema.safeParse(jsonOrNull(text));
  if (pin.success) return pin.data.statsSha256;
  throw new StillhouseError({
    kind: 'integrity',
    what: 'the choice of statistics for a space is damaged',
    where: path,
    wanted: 'a JSON object with statsSha256',
    got: text.slice(0, 200),
    next: 'remove the file: the next run chooses anew',
  });
}

/** Every choice of statistics, sorted by file; null where it is damaged. */
export async function readPins(
  root: string,
  fs: CommitFs,
): Promise<{ readonly file: string; readonly statsSha256: string | null }[]> {
  const pins: { file: string; statsSha256: string | null }[] = [];
  for (const name of (await listOrNone(join(root, 'statistics'), fs)).sort()) {
    const text = name.endsWith('.json') ? await readTextOrNull(join(root, 'statistics', name), fs) : null;
    if (text === null) continue;
    const pin = pinSchema.safeParse(jsonOrNull(text));
    pins.push({ file: `statistics/${name}`, statsSha256: pin.success ? pin.data.statsSha256 : null });
  }
  return pins;
}

/** Chooses statistics for an exact space unless some were chosen before; returns those that count. */
export async function pinStatistics(
  root: string,
  subject: StatisticsSubject,
  { statsSha256, fs }: { readonly statsSha256: string; readonly fs: CommitFs },
): Promise<string> {
  await writeIfAbsent(pinPath(root, subject), `${canonicalJson({ v: 1, statsSha256 })}\n`, fs);
  return (await pinnedStatistics(root, subject, fs)) ?? statsSha256;
}
