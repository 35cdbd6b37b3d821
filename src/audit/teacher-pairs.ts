/** Neighbours by a teacher's embedding as evidence: good for scenes and semantic twins, weak for copies (§0, finding 3). */
import type { ImageId } from '../core/ids.ts';
import {
  type EmbeddingLevel,
  type EvidencePair,
  type PairType,
  type TeacherEvidence,
  type WithinType,
  sortedEnds,
} from './evidence.ts';
import type { CosinePair } from './neighbours/pairs-above.ts';

export interface TeacherAcross {
  readonly level: EmbeddingLevel;
  /** Default `train-eval`. */
  readonly type?: PairType;
  /** Query = evaluation image, base = train image. */
  readonly pairs: readonly CosinePair[];
  /** Id of each base row. */
  readonly trainIds: readonly ImageId[];
  /** Id of each query row. */
  readonly evalIds: readonly ImageId[];
}

export function teacherPairsAcross(found: TeacherAcross): EvidencePair[] {
  const { level, type = 'train-eval', pairs, trainIds, evalIds } = found;
  return pairs.map(({ query, base, cosine, rank }) => ({
    type,
    a: trainIds[base]!,
    b: evalIds[query]!,
    evidence: { level, cosine, rank },
  }));
}

export interface TeacherWithin {
  readonly level: EmbeddingLevel;
  readonly type: WithinType;
  /** From a search of the side against itself with `excludeSelf`. */
  readonly pairs: readonly CosinePair[];
  readonly ids: readonly ImageId[];
}

/** Both directions of a pair become one, with the better rank. Rows of one id under two indices are no pair. */
export function teacherPairsWithin({ level, type, pairs, ids }: TeacherWithin): EvidencePair[] {
  const found = new Map<string, EvidencePair & { evidence: TeacherEvidence }>();
  for (const { query, base, cosine, rank } of pairs) {
    const [a, b] = sortedEnds(ids[query]!, ids[base]!);
    if (a === b) continue;
    const key = `${a} ${b}`;
    const known = found.get(key)?.evidence.rank ?? Infinity;
    if (rank < known) {
      found.set(key, { type, a, b, evidence: { level, cosine, rank } });
    }
  }
  return [...found.keys()].sort().map((key) => found.get(key)!);
}
