/** The marker that says a stage is done: its fingerprint and outcome, written last and removed first. */
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { type Json, canonicalJson } from '../core/canonical-json.ts';
import { digestOf } from '../core/digest.ts';
import { systemCodeOf } from '../core/failure.ts';
import type { Digest } from '../core/ids.ts';
import { writeAtomic } from '../store/atomic.ts';
import { type CommitFs, nodeFs } from '../store/commit-fs.ts';
import type { Inputs, Outcome } from './stage.ts';

/** Everything that can change a stage's output. Never a time, a host, or where things lie. */
export interface FingerprintParts {
  readonly stage: string;
  /** The stage's code version. */
  readonly version: number;
  readonly params: Json;
  readonly seed: number;
  /** Digest of each declared input, by stage id and output name. */
  readonly inputs: Json;
  /** Weights, decoder and engine versions: what the stage named as its sources. */
  readonly sources: Json;
}

export function fingerprintOf(parts: FingerprintParts): Digest {
  return digestOf(parts as unknown as Json);
}

export function inputDigests(inputs: Inputs, ids: readonly string[]): Json {
  return Object.fromEntries(
    ids.map((id) => [
      id,
      Object.fromEntries(inputs.get(id)!.outcome.outputs.map((output) => [output.name, output.digest])),
    ]),
  );
}

const markerSchema = z.object({
  v: z.literal(1),
  fingerprint: z.string(),
  seconds: z.number(),
  outcome: z.object({
    seen: z.number(),
    kept: z.number(),
    rejected: z.record(z.string(), z.number()),
    outputs: z.array(
      z.object({
        name: z.string(),
        path: z.string(),
        digest: z.string(),
        files: z.array(z.object({ path: z.string(), sizeBytes: z.number() })),
      }),
    ),
    facts: z.json(),
    measured: z.json().optional(),
  }),
});

export interface StageMarker {
  readonly fingerprint: string;
  readonly seconds: number;
  readonly outcome: Outcome;
}

const markerPath = (folder: string): string => join(folder, 'stage.json');

/** The marker of a folder, or null when there is none that can be read: then the stage simply runs again. */
export async function readMarker(folder: string, fs: CommitFs = nodeFs): Promise<StageMarker | null> {
  let bytes: Uint8Array;
  try {
    bytes = await fs.read(markerPath(folder));
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return null;
    throw error;
  }
  try {
    return markerSchema.parse(JSON.parse(Buffer.from(bytes).toString('utf8'))) as unknown as StageMarker;
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof z.ZodError) return null;
    throw error;
  }
}

export async function writeMarker(folder: string, marker: StageMarker, fs: CommitFs = nodeFs): Promise<void> {
  await writeAtomic(markerPath(folder), `${canonicalJson({ v: 1, ...marker } as unknown as Json)}\n`, fs);
}

export async function removeMarker(folder: string, fs: CommitFs = nodeFs): Promise<void> {
  await fs.remove(markerPath(folder));
}

/** True when every file of every output is there with its size. */
export async function outputsPresent(
  folder: string,
  outcome: Outcome,
  fs: CommitFs = nodeFs,
): Promise<boolean> {
  for (const output of outcome.outputs)
    for (const file of output.files) {
      try {
        if ((await fs.sizeBytes(resolve(folder, file.path))) !== file.sizeBytes) return false;
      } catch (error) {
        if (systemCodeOf(error) === undefined) throw error;
        return false;
      }
    }
  return true;
}
