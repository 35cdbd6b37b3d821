/**
 * Why an image is in a curated set, or is not: what each step of a finished run saw of it, with the numbers and the cuts. Reads what the
 * stages left; computes nothing but the nearest hashes.
 */
import { join } from 'node:path';
import { hammingDistance } from '../audit/hamming-search.ts';
import { DEFAULT_AC_ENERGY_FLOOR } from '../audit/perceptual-hash.ts';
import { StillhouseError } from '../core/failure.ts';
import { pathOf } from '../curate/choose-listed.ts';
import { checkImage, needsMeasures } from '../curate/filter-images.ts';
import { CURATE_STEPS, type CurateStep } from '../curate/ledger.ts';
import { type RowOf, readParquet } from '../format/parquet-table.ts';
import { readDataset } from '../images/dataset-manifest.ts';
import type { ImageRow } from '../images/image-row.ts';
import { hashOf, variantsOf } from './audit-hashes.ts';
import type { CURATE_LEDGER_COLUMNS, KEPT_COLUMNS } from './curate-tables.ts';
import { type CuratedStage, curatedStages } from './curated-stages.ts';
import { findImage } from './find-image.ts';
import { LEDGER_COLUMNS, LEDGER_FILE } from './ledger-table.ts';

export interface StoryStep {
  /** Id of the stage in the run. */
  readonly stage: string;
  readonly step: string;
  readonly outcome: 'passed' | 'removed' | 'kept' | 'not used';
  readonly detail: string;
}

export interface ImageStory {
  readonly image: {
    readonly path: string;
    readonly id: string | null;
    readonly width: number | null;
    readonly height: number | null;
    readonly label: string | null;
    readonly source: string | null;
    readonly licence: string | null;
  };
  readonly verdict: string;
  readonly steps: readonly StoryStep[];
}

/**
 * @param runFolder of a finished `curate` or `run`.
 * @param wanted an image id or its beginning (4 digits or more), a path, or the end of one.
 * @throws StillhouseError bad-input when there is no curation, no such image (naming the nearest), or several.
 */
export async function imageStory(runFolder: string, wanted: string): Promise<ImageStory> {
  const stages = await curatedStages(runFolder);
  const known = await originsOf(stages, runFolder);
  const found = findImage(wanted, known);
  const { parent } = found;
  if (found.row === null) {
    const { reason, detail } = found.bad;
    return {
      image: {
        path: found.path,
        id: found.id,
        width: null,
        height: null,
        label: null,
        source: null,
        licence: null,
      },
      verdict: `not kept: ${reason}`,
      steps: [{ stage: parent, step: 'index', outcome: 'removed', detail: `${reason}: ${detail}` }],
    };
  }
  const { row } = found;
  const pathsById = new Map(
    known.flatMap((one) => (one.row === null ? [] : [[one.row.id as string, one.path]])),
  );
  for (const { from } of stages.flatMap(({ record }) =>
    record.parents.filter(({ role }) => role !== 'train'),
  ))
    for (const one of (await readDataset(join(runFolder, from))).rows)
      if (!pathsById.has(one.id)) pathsById.set(one.id, `${from}: ${pathOf(one)}`);
  const steps: StoryStep[] = [
    { stage: parent, step: 'index', outcome: 'passed', detail: `${row.format}, ${row.sizeBytes} bytes` },
  ];
  let verdict = '';
  // datasets that hold the image, by the stage that left them, with the part that it is in
  const holds = new Map<string, string | null>([[parent, row.split]]);
  for (const stage of stages) {
    const { id: source, split: part } = stage.source;
    if (!holds.has(source) || (part !== null && holds.get(source) !== part)) continue;
    const told = await storyIn(stage, row, { runFolder, pathsById });
    steps.push(...told.steps);
    verdict = told.verdict;
    if (told.isKept) holds.set(stage.id, stage.kept.find(({ imageId }) => imageId === row.id)!.split);
  }
  const { id, width, height, label, source, licence } = row;
  return { image: { path: found.path, id, width, height, label, source, licence }, verdict, steps };
}

/** Every record that a curation of the run could have seen first, with the stage of its dataset. */
async function originsOf(stages: readonly CuratedStage[], runFolder: string) {
  const parents = new Set(stages.flatMap(({ source }) => (source.isCurated ? [] : [source.id])));
  const known = [];
  for (const parent of parents) {
    const { rows } = await readDataset(join(runFolder, parent));
    for (const row of rows)
      known.push({ parent, id: row.id as string, path: pathOf(row), name: row.name, row, bad: null });
    const ledger = await readParquet(join(runFolder, parent, LEDGER_FILE), { columns: LEDGER_COLUMNS });
    for (const bad of ledger)
      known.push({ parent, id: bad.imageId, path: safePath(bad.uri), name: null, row: null, bad });
  }
  return known;
}

interface Told {
  readonly isKept: boolean;
  readonly verdict: string;
  readonly steps: readonly StoryStep[];
}

interface StoryContext {
  readonly runFolder: string;
  readonly pathsById: ReadonlyMap<string, string>;
}

async function storyIn(stage: CuratedStage, row: ImageRow, context: StoryContext): Promise<Told> {
  const removal = stage.ledger.find(({ imageId, uri }) => imageId === row.id && uri === row.uri);
  const steps: StoryStep[] = [];
  for (const step of CURATE_STEPS) {
    if (removal?.step === step) {
      steps.push({ stage: stage.id, step, outcome: 'removed', detail: removalText(removal, context) });
      steps.push(...fateOfOther(stage, removal, context));
      return { isKept: false, verdict: `not kept: ${removal.reason}`, steps };
    }
    steps.push(await passedStep(stage, step, row, context));
  }
  const kept = stage.kept.find(({ imageId }) => imageId === row.id);
  if (kept === undefined)
    throw new StillhouseError({
      kind: 'integrity',
      what: 'an image is neither kept nor in the ledger',
      where: `${stage.folder}, ${row.uri}`,
      wanted: 'one row in one of the two',
      got: 'none',
      next: 'run the curation again',
    });
  steps.push({ stage: stage.id, step: 'result', outcome: 'kept', detail: keptText(kept, stage) });
  return { isKept: true, verdict: 'kept', steps };
}

function removalText(
  { reason, detail, value, threshold, other }: RowOf<typeof CURATE_LEDGER_COLUMNS>,
  { pathsById }: StoryContext,
): string {
  const path = other === null ? undefined : pathsById.get(other);
  const numbers = [
    ...(value === null ? [] : [`value ${Number(value.toPrecision(6))}`]),
    ...(threshold === null ? [] : [`cut: ${threshold}`]),
    ...(path === undefined ? [] : [`the other: ${path}`]),
  ];
  return `${reason}: ${detail}${numbers.length === 0 ? '' : ` (${numbers.join('; ')})`}`;
}

/** What became of the image in whose favour this one went: it may have gone later itself. */
function fateOfOther(
  stage: CuratedStage,
  { step, other }: RowOf<typeof CURATE_LEDGER_COLUMNS>,
  { pathsById }: StoryContext,
): StoryStep[] {
  if (step !== 'deduplicate' || other === null) return [];
  const gone = stage.ledger.find(({ imageId }) => imageId === other);
  const detail = `${pathsById.get(other) ?? other} ${
    gone === undefined ? 'was kept' : `was removed later: ${gone.reason}, ${gone.detail}`
  }`;
  return [
    { stage: stage.id, step: 'the other image', outcome: gone === undefined ? 'kept' : 'removed', detail },
  ];
}

async function passedStep(
  stage: CuratedStage,
  step: CurateStep,
  row: ImageRow,
  context: StoryContext,
): Promise<StoryStep> {
  const { policy } = stage.record;
  const counts = stage.record.steps.find((one) => one.step === step);
  const removed = `${counts?.removed ?? 0} of ${counts?.seen ?? 0} images removed`;
  const passed = (detail: string): StoryStep => ({ stage: stage.id, step, outcome: 'passed', detail });
  const unused = (what: string): StoryStep => ({ stage: stage.id, step, outcome: 'not used', detail: what });
  switch (step) {
    case 'repeats':
    case 'embeddings':
      return passed(removed);
    case 'lists':
      return isEmpty(policy['include']) && isEmpty(policy['exclude'])
        ? unused('no include or exclude list')
        : passed(removed);
    case 'licences':
      return policy['licences'] === null
        ? unused('any licence')
        : passed(`licence ${row.licence}; ${removed}`);
    case 'filters': {
      const measures = stage.hashes.get(row.id)?.measures ?? null;
      // another version of the decoder may not believe the table
      if (measures === null && needsMeasures(policy.filters)) return passed(removed);
      const checks = checkImage(row, policy.filters, () => measures!);
      if (checks.length === 0) return unused('no filter set');
      const text = checks.map(
        ({ what, value, threshold }) => `${what} ${Number(value.toPrecision(4))} (${threshold})`,
      );
      return passed(text.join(', '));
    }
    case 'decontaminate': {
      const sets = stage.record.parents.filter(({ role }) => role === 'evaluation');
      if (sets.length === 0) return unused('no evaluation set');
      const nearest = [];
      for (const { from } of sets) nearest.push(`${from}: ${await nearestHash(stage, row, from, context)}`);
      return passed(nearest.join('; '));
    }
    case 'deduplicate': {
      const lost = stage.ledger.filter((one) => one.step === 'deduplicate' && one.other === row.id);
      const paths = lost.slice(0, 5).map(({ uri }) => safePath(uri));
      const more = lost.length > paths.length ? ` and ${lost.length - paths.length} more` : '';
      return passed(
        lost.length === 0 ? `no duplicate of it; ${removed}` : `kept in favour of ${paths.join(', ')}${more}`,
      );
    }
    case 'retrieve': {
      if (policy['retrieve'] === null) return unused('no seed set');
      const kept = stage.kept.find(({ imageId }) => imageId === row.id);
      return passed(
        kept?.seedImage == null
          ? removed
          : `nearest seed ${context.pathsById.get(kept.seedImage) ?? kept.seedImage}, cosine ${kept.seedCosine!.toFixed(4)}`,
      );
    }
    case 'sample':
      return policy['sample'] === null ? unused('no sample') : passed(removed);
    case 'balance':
      return (policy['balance'] as { kind?: string } | undefined)?.kind === 'none'
        ? unused('no balance')
        : passed(`class ${row.label ?? 'none'}; ${removed}`);
  }
}

/** Nearest pHash of an evaluation set under the eight transforms; a flat picture has none. */
async function nearestHash(
  stage: CuratedStage,
  row: ImageRow,
  set: string,
  { runFolder }: StoryContext,
): Promise<string> {
  const { hashes } = stage;
  const own = hashes.get(row.id);
  if (own === undefined) return 'not compared';
  if (own.acEnergy < DEFAULT_AC_ENERGY_FLOOR) return 'too flat to compare by hash';
  let best: { distance: number; path: string } | null = null;
  for (const other of (await readDataset(join(runFolder, set))).rows) {
    const theirs = hashes.get(other.id);
    if (theirs === undefined || theirs.acEnergy < DEFAULT_AC_ENERGY_FLOOR) continue;
    for (const { phash } of variantsOf(theirs)) {
      const distance = hammingDistance(hashOf(own).phash, phash);
      if (best === null || distance < best.distance) best = { distance, path: pathOf(other) };
    }
  }
  return best === null
    ? 'nothing to compare by hash'
    : `nearest phash distance ${best.distance}, ${best.path}`;
}

function keptText(kept: RowOf<typeof KEPT_COLUMNS>, { kept: all, record }: CuratedStage): string {
  return [
    `one of ${all.length}`,
    `chance of inclusion ${Number(kept.inclusionProbability.toPrecision(4))}`,
    ...(kept.copies > 1 ? [`shown ${kept.copies} times`] : []),
    ...(kept.cluster === null ? [] : [`cluster ${kept.cluster}`]),
    ...(record.policy['split'] === null ? [] : [`part ${kept.split}`]),
  ].join(', ');
}

const isEmpty = (value: unknown): boolean => Array.isArray(value) && value.length === 0;

/** A uri of a file that could not be read may be no uri at all. */
function safePath(uri: string): string {
  try {
    return pathOf({ uri });
  } catch (error) {
    if (error instanceof StillhouseError) return uri;
    throw error;
  }
}
