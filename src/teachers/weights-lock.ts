/**
 * `teachers.lock`: which bytes the weights of teachers are, pinned on first use and verified ever after. Sorted, one form for the
 * same content, made to be read and committed.
 */
import * as fsp from 'node:fs/promises';
import { z } from 'zod';
import { StillhouseError, systemCodeOf } from '../core/failure.ts';
import type { Digest } from '../core/ids.ts';
import { checkYaml } from '../format/checked-yaml.ts';
import { writeAtomic } from '../store/atomic.ts';
import { asStoreFailure } from '../store/commit-fs.ts';

const pinSchema = z.strictObject({
  sha256: z
    .string()
    .regex(/^[0-9a-f]{64}$/, '64 lower-case hex digits')
    .transform((text) => text as Digest),
  sizeBytes: z.int().min(0),
  /** The commit that the revision of an `hf:` URI stood for. */
  commit: z
    .string()
    .regex(/^[0-9a-f]{40}$/, '40 lower-case hex digits')
    .optional(),
  /** Files that this one names as lying beside it and that no manifest lists: each is pinned under its own URI. */
  beside: z.array(z.string()).min(1).optional(),
});

const lockSchema = z.strictObject({
  version: z.literal(1),
  weights: z.record(z.string(), pinSchema).nullable(),
});

export type WeightsPin = z.infer<typeof pinSchema>;
/** By URI, as manifests write it. */
export type WeightsPins = ReadonlyMap<string, WeightsPin>;

/** @throws StillhouseError bad-input when the file does not fit; an absent one pins nothing. */
export async function readPins(path: string): Promise<WeightsPins> {
  let text: string;
  try {
    text = await fsp.readFile(path, 'utf8');
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return new Map();
    throw asStoreFailure(error, path);
  }
  const { weights } = checkYaml(text, { schema: lockSchema, noun: 'lock file of teachers', where: path });
  return new Map(Object.entries(weights ?? {}));
}

/** The text of a lock file; equal pins give equal text. JSON strings are YAML strings. */
export function lockText(pins: WeightsPins): string {
  const lines = [...pins]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([uri, { sha256, sizeBytes, commit, beside }]) => [
      `  ${JSON.stringify(uri)}:`,
      `    sha256: ${JSON.stringify(sha256)}`,
      `    sizeBytes: ${sizeBytes}`,
      ...(commit === undefined ? [] : [`    commit: ${JSON.stringify(commit)}`]),
      ...(beside === undefined ? [] : [`    beside: ${JSON.stringify(beside)}`]),
    ]);
  return [
    '# The bytes that teachers are, pinned by `stillhouse teachers pull`. Commit this file.',
    'version: 1',
    'weights:',
    ...lines,
    '',
  ].join('\n');
}

/**
 * Adds or replaces one pin. The caller holds the lease of the file.
 * @throws StillhouseError integrity when another pin came in between and `replace` is false
 */
export async function writePin(
  path: string,
  pinned: { readonly uri: string; readonly pin: WeightsPin; readonly replace: boolean },
): Promise<void> {
  const pins = new Map(await readPins(path));
  const { uri, pin, replace } = pinned;
  const before = pins.get(uri);
  if (before !== undefined && before.sha256 !== pin.sha256 && !replace)
    throw new StillhouseError({
      kind: 'integrity',
      what: 'the weights of a teacher were pinned to other bytes meanwhile',
      where: `${path}, ${uri}`,
      wanted: `sha256 ${before.sha256}`,
      got: `sha256 ${pin.sha256}`,
      next: 'the file changes on the server: name a fixed revision in the manifest, or pull with --update',
    });
  const beside = pin.beside ?? (before?.sha256 === pin.sha256 ? before.beside : undefined);
  pins.set(uri, { ...pin, ...(beside === undefined ? {} : { beside }) });
  const text = lockText(pins);
  if (before !== undefined && lockText(new Map([...pins, [uri, before]])) === text) return;
  await writeAtomic(path, text);
}
