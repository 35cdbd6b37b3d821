/**
 * Where a loader stands, as a few hundred bytes of JSON. It names no rank and no world size: the step counts global batches, and
 * the batches follow from the order. It is bound to the digests of the snapshot and of the order, so that a state can never go on
 * with other targets or another sequence.
 */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { canonicalJson } from '../core/canonical-json.ts';
import { StillhouseError } from '../core/failure.ts';
import { type Digest, digest } from '../core/ids.ts';
import { ORDER_VERSION, type OrderSpec } from './order-spec.ts';

const HEX_64 = /^[0-9a-f]{64}$/;

const stateSchema = z.strictObject({
  kind: z.literal('stillhouse-loader'),
  /** Version of the order algorithm, see ORDER_VERSION. */
  algorithm: z.int(),
  /** Digest of the snapshot's parts. */
  snapshot: z.string().regex(HEX_64),
  /** Digest of the samples, their blocks and all settings that decide the sequence. */
  order: z.string().regex(HEX_64),
  seed: z.int(),
  batchSize: z.int().min(1),
  /** Global batches delivered so far: the next one has this number. */
  step: z.int().min(0),
});

export type LoaderState = Readonly<z.infer<typeof stateSchema>>;

/** What a loader is bound to. */
export interface Binding {
  readonly snapshot: Digest;
  readonly order: Digest;
  readonly seed: number;
  readonly batchSize: number;
}

export function stateAt(step: number, { snapshot, order, seed, batchSize }: Binding): LoaderState {
  return { kind: 'stillhouse-loader', algorithm: ORDER_VERSION, snapshot, order, seed, batchSize, step };
}

/**
 * The step to go on from.
 * @throws StillhouseError bad-input, naming both sides, when the state is of another version, snapshot or order, or is no state.
 */
export function stepOf(state: unknown, binding: Binding): number {
  const version = versionOf(state);
  if (version !== ORDER_VERSION)
    throw refused(
      'the loader state was written by another version of the order',
      `algorithm version ${ORDER_VERSION}`,
      version === undefined ? 'no loader state' : `algorithm version ${JSON.stringify(version)}`,
    );
  const parsed = stateSchema.safeParse(state);
  if (!parsed.success)
    throw refused(
      'the loader state is not readable',
      'the JSON that the loader gave',
      parsed.error.issues.map(({ path, message }) => `/${path.join('/')}: ${message}`).join('; '),
    );
  const found = parsed.data;
  if (found.snapshot !== binding.snapshot)
    throw refused('the loader state belongs to another snapshot', binding.snapshot, found.snapshot);
  if (found.order !== binding.order)
    throw refused(
      'the loader state belongs to another order: images, spaces, batch size, seed, mix or shuffle differ',
      describe({ ...binding }),
      describe(found),
    );
  return found.step;
}

const describe = ({ order, seed, batchSize }: { order: string; seed: number; batchSize: number }): string =>
  `order ${order}, seed ${seed}, batches of ${batchSize}`;

function versionOf(state: unknown): unknown {
  return typeof state === 'object' && state !== null && 'algorithm' in state ? state.algorithm : undefined;
}

function refused(what: string, wanted: string, got: string): StillhouseError {
  return new StillhouseError({
    kind: 'bad-input',
    what,
    where: 'the state to resume from',
    wanted,
    got,
    next: 'resume with the snapshot and settings it was written for, or start without a state',
  });
}

/**
 * Digest of everything that decides the sequence: settings, and by dataset the samples and their blocks.
 * @param keys digest of the samples' row keys by dataset, in the order of the spec's indices.
 */
export function orderDigest(spec: OrderSpec, keys: readonly Digest[]): Digest {
  const { seed, batchSize, shuffle, last, resolutions, sources } = spec;
  const hash = createHash('sha256');
  hash.update(
    canonicalJson({
      algorithm: ORDER_VERSION,
      seed,
      batchSize,
      shuffle: { ...shuffle },
      last,
      resolutions,
      sources: sources.map(({ name, weight, buckets }, i) => ({
        name,
        weight,
        keys: keys[i],
        buckets: buckets.map(({ key, samples, blockStarts }) => ({
          key,
          samples: samples.length,
          blocks: blockStarts.length - 1,
        })),
      })),
    }),
  );
  for (const { buckets } of sources)
    for (const { samples, blockStarts } of buckets) hash.update(samples).update(blockStarts);
  return digest(hash.digest('hex'));
}
