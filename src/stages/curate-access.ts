/** What a curation learns about images from their pixels and embeddings, each decoded or loaded once. */
import type { ImageId } from '../core/ids.ts';
import type { CurateInput, CuratePolicy } from '../curate/curate.ts';
import { needsMeasures } from '../curate/filter-images.ts';
import type { SplitPolicy } from '../curate/policy.ts';
import type { Features } from '../curate/retrieve-similar.ts';
import { type Split, splitGroups } from '../curate/split-groups.ts';
import { meets } from '../audit/evidence.ts';
import type { ImageRow } from '../images/image-row.ts';
import type { StageContext, StageOutput } from '../run/stage.ts';
import { duplicateGroupOf } from './audit-evidence.ts';
import { hashImages } from './audit-hashes.ts';
import { centre } from './cached-spaces.ts';
import { type LevelSource, otherDimension, sourcesOf } from './curate-embeddings.ts';
import {
  type CandidateList,
  type EvidenceFinder,
  type Uncompared,
  evidenceFinder,
} from './curate-evidence.ts';
import { type OpenDataset, decoderOf } from './dataset-access.ts';
import type { Matrix } from './embedding-files.ts';

export interface AccessInput {
  readonly train: OpenDataset;
  readonly evaluations: readonly OpenDataset[];
  readonly seeds: OpenDataset | null;
  readonly policy: CuratePolicy;
  readonly sources: readonly LevelSource[];
  /** Folders of stages that hashed the images before. */
  readonly hashedIn: readonly string[];
  /** Most pairs of a hash level between two sides. */
  readonly pairBudget: number;
}

export interface CurateAccess extends Pick<CurateInput, 'measure' | 'findEvidence' | 'features' | 'seeds'> {
  /** A search that shares nothing with an earlier one but pixels and embeddings. */
  readonly freshFinder: () => EvidenceFinder;
  readonly split: (rows: readonly ImageRow[], policy: SplitPolicy) => Promise<Split>;
  readonly hashesOutput: () => StageOutput;
  /** Of the evaluation sets, as far as evidence was searched. */
  readonly uncompared: () => Uncompared[];
  /** How far the last search for evidence listed what it laid over each other; empty where no pixels were asked for. */
  readonly candidates: () => readonly CandidateList[];
}

export function curateAccess(input: AccessInput, context: StageContext): CurateAccess {
  const { train, evaluations, policy, hashedIn } = input;
  const decode = decoderOf([train, ...evaluations]);
  const { workers, signal, folder, workFolder } = context;
  const evaluationRows = evaluations.flatMap(({ rows }) => rows);
  const sources = input.sources.map(loadedOnce);
  const uncompared = new Map<string, Uncompared>();
  let candidates: readonly CandidateList[] = [];
  let hashed: Awaited<ReturnType<typeof hashImages>> | null = null;
  const hashes = () => {
    if (hashed === null) throw new Error('internal: evidence was asked for before the images were measured');
    return hashed;
  };
  const finderFor = (
    sets: readonly OpenDataset[],
    cuts: Pick<CuratePolicy, 'decontaminate' | 'deduplicate'>,
    onCandidates?: (lists: readonly CandidateList[]) => void,
  ): EvidenceFinder => {
    let finder: EvidenceFinder | null = null;
    return async (rows) => {
      const used = [...(sets.length > 0 ? cuts.decontaminate : []), ...cuts.deduplicate];
      finder ??= await evidenceFinder({
        train,
        evaluations: sets,
        ...cuts,
        hashes: hashes().byId,
        sources: sourcesOf(
          used.filter((cut) => 'minCosine' in cut).map(({ level }) => level),
          sources,
        ),
        decode,
        workers,
        signal,
        pairBudget: input.pairBudget,
        onCandidates: (lists) => onCandidates?.(lists),
        onUncompared: (one) => uncompared.set(`${one.level} ${one.set}`, one),
      });
      return finder(rows);
    };
  };
  const sourceOf = (level: string): LevelSource => sourcesOf([level], sources)[0]!;
  const freshFinder = (): EvidenceFinder => finderFor(evaluations, policy);
  const place = new Map(train.rows.map(({ id }, i) => [id, i]));
  return {
    measure: async (rows) => {
      const ids = new Set<ImageId>(rows.map(({ id }) => id));
      const wanted = [...train.rows.filter(({ id }) => ids.has(id)), ...evaluationRows];
      hashed ??= await hashImages({
        rows: wanted,
        decode,
        folder,
        knownIn: hashedIn,
        workFolder,
        workers,
        signal,
        ...(needsMeasures(policy.filters) ? { measured: ids } : {}),
        onProgress: (done) => context.events.progress(done, wanted.length, 'images'),
      });
      return new Map(
        [...hashed.byId].flatMap(([id, { measures }]) => (measures === null ? [] : [[id, measures]])),
      );
    },
    findEvidence: finderFor(evaluations, policy, (lists) => (candidates = lists)),
    freshFinder,
    features: async (level, rows, { centred }) => {
      const { dim, data } = await sourceOf(level).load(train);
      const out = new Float32Array(rows.length * dim);
      rows.forEach(({ id }, i) => {
        const at = place.get(id)! * dim;
        out.set(data.subarray(at, at + dim), i * dim);
      });
      if (centred) centre([out], out.slice(), dim);
      return { ids: rows.map(({ id }) => id), dim, data: out };
    },
    seeds: async (level): Promise<Features> => {
      if (input.seeds === null) throw new Error('internal: seeds were asked for, but there are none');
      const { dim, data } = await sourceOf(level).load(input.seeds);
      const wanted = (await sourceOf(level).load(train)).dim;
      if (dim !== wanted) throw otherDimension(`${level}, ${input.seeds.from}`, wanted, dim);
      return { ids: input.seeds.rows.map(({ id }) => id), dim, data };
    },
    split: async (rows, { parts, keepTogether, byClass }) => {
      const { within } = await finderFor([], { decontaminate: [], deduplicate: keepTogether })(rows);
      const groupOf = duplicateGroupOf(
        rows,
        within.filter(({ evidence }) => meets(evidence, keepTogether)),
      );
      return splitGroups({ rows, parts, groupOf, byClass, seed: policy.seed });
    },
    hashesOutput: () => hashes().output,
    uncompared: () => [...uncompared.values()],
    candidates: () => candidates,
  };
}

function loadedOnce(source: LevelSource): LevelSource {
  const loaded = new Map<string, Promise<Matrix>>();
  return {
    level: source.level,
    load: (dataset) => {
      const known = loaded.get(dataset.from);
      if (known !== undefined) return known;
      const fresh = source.load(dataset);
      loaded.set(dataset.from, fresh);
      return fresh;
    },
  };
}
