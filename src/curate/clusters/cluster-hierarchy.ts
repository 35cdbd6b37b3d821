/**
 * Hierarchical k-means with resampling (Vo et al. 2024, "Automatic Data Curation for Self-Supervised Learning", algorithms 1 and 2;
 * written from the paper). Plain k-means puts most centres where most images are. Clustering again only the rows nearest to each
 * centre, and the centres themselves one level up, spreads them evenly over what the images show.
 */
import { NeighbourEngine } from '../../audit/neighbours/neighbour-engine.ts';
import {
  type Clustering,
  type Points,
  assignTo,
  gathered,
  sphericalKmeans,
  unitRows,
  withoutEmpty,
} from './spherical-kmeans.ts';

export interface HierarchyLevel {
  /** Clusters of this level. */
  readonly clusters: number;
  /** Times that the rows nearest to the centres are clustered again. */
  readonly resamples: number;
  /** Rows of each cluster that take part in that. */
  readonly perCluster: number;
}

export interface HierarchyInput {
  /** [count * dim], as for {@link sphericalKmeans}. */
  readonly rows: Float32Array;
  readonly count: number;
  readonly dim: number;
  /** The finest first; each clusters the centres of the one before. */
  readonly levels: readonly HierarchyLevel[];
  readonly seed: number;
}

export interface Hierarchy {
  /** For each level, the cluster of each row (first level) or of each cluster of the level before. */
  readonly parents: readonly Int32Array[];
  /** [count] cosine of each row with the centre of its finest cluster. */
  readonly cosine: Float32Array;
}

export async function clusterHierarchy({
  rows,
  count,
  dim,
  levels,
  seed,
}: HierarchyInput): Promise<Hierarchy> {
  const parents: Int32Array[] = [];
  let cosine: Float32Array | null = null;
  const engine = new NeighbourEngine();
  try {
    let points: Points = { rows: unitRows(rows, dim), count, dim, engine };
    for (const [depth, level] of levels.entries()) {
      const clustering = await resampled(points, level, { seed, label: `level ${depth}` });
      parents.push(clustering.assignment);
      cosine ??= clustering.cosine;
      points = { ...points, rows: clustering.centres, count: clustering.k };
    }
  } finally {
    await engine.close();
  }
  if (cosine === null) throw new Error('internal: a hierarchy without levels');
  return { parents, cosine };
}

async function resampled(
  points: Points,
  { clusters: k, resamples, perCluster }: HierarchyLevel,
  { seed, label }: { readonly seed: number; readonly label: string },
): Promise<Clustering> {
  const { rows, dim } = points;
  let clustering = await sphericalKmeans({ ...points, k, seed, label });
  for (let round = 0; round < resamples; round++) {
    const nearest = nearestOfEach(clustering, perCluster);
    const again = await sphericalKmeans({
      ...points,
      rows: gathered(rows, nearest, dim),
      count: nearest.length,
      k,
      seed,
      label: `${label} resample ${round}`,
    });
    const { assignment, cosine } = await assignTo(again.centres, points);
    // a centre may lose all its rows when all rows choose again
    clustering = { ...withoutEmpty(again.centres, assignment, dim), cosine, iterations: again.iterations };
  }
  return clustering;
}

/** Rows nearest to their centre, up to `most` of each cluster, in the order of the rows. */
function nearestOfEach({ assignment, cosine, k }: Clustering, most: number): number[] {
  const members = Array.from({ length: k }, (): number[] => []);
  assignment.forEach((at, i) => members[at]!.push(i));
  return members
    .flatMap((list) => list.sort((a, b) => cosine[b]! - cosine[a]! || a - b).slice(0, most))
    .sort((a, b) => a - b);
}

/** `2.17.403`: the cluster of each row at every level, the coarsest first. */
export function clusterPaths({ parents }: Pick<Hierarchy, 'parents'>): string[] {
  const [finest, ...coarser] = parents;
  return Array.from(finest!, (start) => {
    const path = [start];
    for (const level of coarser) path.unshift(level[path[0]!]!);
    return path.join('.');
  });
}
