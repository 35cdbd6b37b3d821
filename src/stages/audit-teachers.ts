/** Nearest neighbours of every teacher's summaries: evidence of one scene or one meaning, not of a copy. */
import type { EvidencePair, TeacherLevel } from '../audit/evidence.ts';
import { nearestNeighbours } from '../audit/nearest-neighbours.ts';
import { type CosinePair, pairsAbove } from '../audit/pairs-above.ts';
import { teacherPairsAcross, teacherPairsWithin } from '../audit/teacher-pairs.ts';
import { rowValuesOf } from '../format/tensor-part.ts';
import type { ImageRow } from '../images/image-row.ts';
import { type NamedSpace, centre, fullViewMatrix, openSpaces } from './cached-spaces.ts';

export interface TeacherSearch {
  readonly level: TeacherLevel;
  readonly teacher: string;
  readonly space: NamedSpace;
  readonly cacheRoot: string;
}

/** One search per summary space. */
export function summarySearches(spaces: readonly NamedSpace[], cacheRoot: string): TeacherSearch[] {
  return spaces
    .filter(({ kind }) => kind === 'summary')
    .map((space) => ({
      level: `teacher:${space.teacher}@${space.sizePx}`,
      teacher: `${space.teacher}@${space.sizePx}`,
      space,
      cacheRoot,
    }));
}

export interface TeacherEvidenceSet {
  readonly level: TeacherLevel;
  readonly pairs: readonly EvidencePair[];
  /** Images whose list of neighbours was cut short. */
  readonly hubs: number;
  /** Nearest train image of each evaluation image, whatever its similarity: index and cosine, -1 where there is none. */
  readonly nearest: { readonly index: Int32Array; readonly cosine: Float32Array };
}

export interface TeacherSearchInput {
  readonly train: readonly ImageRow[];
  readonly evaluation: readonly ImageRow[];
  readonly params: { readonly cosineFloor: number; readonly maxNeighbours: number };
  readonly signal: AbortSignal;
}

export async function searchTeachers(
  searches: readonly TeacherSearch[],
  input: TeacherSearchInput,
): Promise<TeacherEvidenceSet[]> {
  const found: TeacherEvidenceSet[] = [];
  for (const search of searches) {
    input.signal.throwIfAborted();
    found.push(await searchTeacher(search, input));
  }
  return found;
}

async function searchTeacher(
  { level, teacher, space, cacheRoot }: TeacherSearch,
  input: TeacherSearchInput,
): Promise<TeacherEvidenceSet> {
  const { train, evaluation, params } = input;
  const { byLabel } = await openSpaces(cacheRoot, [space]);
  const cached = byLabel.get(space.label)!;
  const dim = rowValuesOf(space.shape);
  const trainRows = await fullViewMatrix(cached, train);
  const evalRows = await fullViewMatrix(cached, evaluation);
  // features of one network share a large common part; without it, cosine tells images apart much better
  centre([trainRows, evalRows], trainRows.slice(), dim);
  const settings = { dim, threshold: params.cosineFloor, maxPerQuery: params.maxNeighbours };
  const ids = (rows: readonly ImageRow[]) => rows.map(({ id }) => id);
  const across = await pairsAbove({
    ...settings,
    queries: evalRows,
    queryCount: evaluation.length,
    base: trainRows,
  });
  const withinTrain = await pairsAbove({
    ...settings,
    queries: trainRows,
    queryCount: train.length,
    base: trainRows,
    excludeSelf: true,
  });
  const withinEval = await pairsAbove({
    ...settings,
    queries: evalRows,
    queryCount: evaluation.length,
    base: evalRows,
    excludeSelf: true,
  });
  const nearest = await nearestNeighbours({
    queries: evalRows,
    queryCount: evaluation.length,
    base: trainRows,
    dim,
    k: 1,
  });
  const within = (
    type: 'within-train' | 'within-eval',
    pairs: readonly CosinePair[],
    rows: readonly ImageRow[],
  ): EvidencePair[] => teacherPairsWithin({ teacher, type, pairs, ids: ids(rows) });
  return {
    level,
    pairs: [
      ...teacherPairsAcross({ teacher, pairs: across.pairs, trainIds: ids(train), evalIds: ids(evaluation) }),
      ...within('within-train', withinTrain.pairs, train),
      ...within('within-eval', withinEval.pairs, evaluation),
    ],
    hubs: across.hubs.length + withinTrain.hubs.length + withinEval.hubs.length,
    nearest: { index: nearest.indices, cosine: nearest.scores },
  };
}
