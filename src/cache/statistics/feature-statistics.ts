/**
 * The statistics of one exact space over stated rows, and their file: safetensors, all F64, named by its sha256. Codecs name it in
 * their description, so it is as immutable as a part.
 *
 *     mean std min max [C]   covariance eigenvectors [C, C] (eigenvectors as rows)   eigenvalues [C] descending
 *     position_mean [h, w, C], maps only: the mean over images at each position
 */
import { z } from 'zod';
import { symmetricEigen } from '../../core/linear-algebra/symmetric-eigen.ts';
import { StillhouseError } from '../../core/failure.ts';
import { jsonOrNull } from '../../core/json-or-null.ts';
import { type NamedTensor, decodeSafetensors, encodeSafetensors } from '../../format/safetensors.ts';
import type { CodecStatistics } from '../codecs/target-codec.ts';
import type { Moments } from './feature-moments.ts';
import { rankMe } from './spectrum.ts';

const factsSchema = z.strictObject({
  v: z.literal(1),
  /** What was measured: the exact space, and the space its values were read from. */
  exactSpaceId: z.string(),
  sourceSpaceId: z.string(),
  label: z.string(),
  /** Side of the blocks that were averaged before measuring; 1: none. */
  pool: z.int().min(1),
  /** Usable targets that were read, and Merkle root over their keys. */
  rows: z.int().min(1),
  rowsDigest: z.string(),
  tokens: z.int().min(1),
  maxAbs: z.number(),
  /** Root of the mean variance of the channels. */
  phi: z.number(),
  rankMe: z.number(),
  /** E[angle^2] around the mean direction; null for maps. */
  angularDispersion: z.number().nullable(),
  /** Share of the variance that the position alone explains; null for summaries. */
  position: z.strictObject({ share: z.number(), byChance: z.number(), maps: z.int() }).nullable(),
});
/** Figures, without the arrays. */
export type StatisticsFacts = z.infer<typeof factsSchema>;

export interface FeatureStatistics extends CodecStatistics {
  readonly facts: StatisticsFacts;
  /** [C, C] */
  readonly covariance: Float64Array;
  /** [h, w, C]; null for summaries. */
  readonly positionMean: { readonly shape: readonly number[]; readonly values: Float64Array } | null;
}

/** What is measured besides the moments. */
export type MeasuredFacts = Omit<StatisticsFacts, 'v' | 'tokens' | 'maxAbs' | 'phi' | 'rankMe'>;

export function statisticsFrom(
  moments: Moments,
  facts: MeasuredFacts,
  positionMean: FeatureStatistics['positionMean'],
): FeatureStatistics {
  const { tokens, mean, min, max, covariance } = moments;
  const channels = mean.length;
  const variance = mean.map((_, c) => Math.max(0, covariance[c * channels + c]!));
  const { values, vectors } = symmetricEigen(covariance, channels);
  return {
    mean,
    min,
    max,
    std: variance.map(Math.sqrt),
    covariance,
    eigenvalues: values,
    eigenvectors: vectors,
    positionMean,
    facts: {
      v: 1,
      ...facts,
      tokens,
      maxAbs: Math.max(...mean.map((_, c) => Math.max(Math.abs(min[c]!), Math.abs(max[c]!)))),
      phi: Math.sqrt(variance.reduce((sum, value) => sum + value, 0) / channels),
      rankMe: rankMe(mean, covariance),
    },
  };
}

const FACTS = 'stillhouse.statistics';

export function encodeStatistics(statistics: FeatureStatistics): Uint8Array {
  const { mean, std, min, max, eigenvalues, eigenvectors, covariance, positionMean, facts } = statistics;
  const channels = mean.length;
  const vector = (values: Float64Array): NamedTensor<'F64'> => ({ shape: [channels], values });
  const matrix = (values: Float64Array): NamedTensor<'F64'> => ({ shape: [channels, channels], values });
  const tensors = new Map<string, NamedTensor<'F64'>>([
    ['mean', vector(mean)],
    ['std', vector(std)],
    ['min', vector(min)],
    ['max', vector(max)],
    ['eigenvalues', vector(eigenvalues)],
    ['eigenvectors', matrix(eigenvectors)],
    ['covariance', matrix(covariance)],
  ]);
  if (positionMean !== null) tensors.set('position_mean', positionMean);
  return encodeSafetensors<'F64'>({ tensors, metadata: { [FACTS]: JSON.stringify(facts) } });
}

/** @throws StillhouseError integrity when the file is damaged or holds something else. */
export function decodeStatistics(bytes: Uint8Array, where: string): FeatureStatistics {
  const { tensors, metadata } = decodeSafetensors(bytes, where, 'F64');
  const facts = factsSchema.safeParse(jsonOrNull(metadata[FACTS] ?? ''));
  const channels = tensors.get('mean')?.shape[0] ?? 0;
  const tensor = (name: string, sides: number): Float64Array => {
    const found = tensors.get(name);
    if (found?.shape.length === sides && found.shape.every((side) => side === channels)) return found.values;
    throw damaged(
      where,
      `tensor ${name} of ${sides} sides of ${channels}`,
      found?.shape.join(' x ') ?? 'none',
    );
  };
  if (!facts.success) throw damaged(where, 'the figures of statistics', z.prettifyError(facts.error));
  const position = tensors.get('position_mean');
  return {
    mean: tensor('mean', 1),
    std: tensor('std', 1),
    min: tensor('min', 1),
    max: tensor('max', 1),
    eigenvalues: tensor('eigenvalues', 1),
    eigenvectors: tensor('eigenvectors', 2),
    covariance: tensor('covariance', 2),
    positionMean: position ?? null,
    facts: facts.data,
  };
}

function damaged(where: string, wanted: string, got: string): StillhouseError {
  return new StillhouseError({
    kind: 'integrity',
    what: 'a file of statistics is damaged',
    where,
    wanted,
    got,
    next: 'restore the file from a copy; spaces whose codec names it cannot be read without it',
  });
}
