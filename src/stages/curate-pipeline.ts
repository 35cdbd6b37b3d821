/** The pipeline of `stillhouse curate`: a policy, and the sets it is held against. */
import { basename } from 'node:path';
import { StillhouseError } from '../core/failure.ts';
import type { CuratePolicyFields } from '../curate/policy.ts';
import type { PipelineFile } from '../run/pipeline.ts';
import type { TargetsRequest } from './cache-groups.ts';
import type { CurateEmbeddings } from './curate-embeddings.ts';

export interface CuratePipelineInput {
  readonly name: string;
  readonly seed: number;
  readonly train: string;
  readonly evaluations: readonly string[];
  readonly seeds?: string;
  readonly teachers: TargetsRequest['teachers'];
  /** Embeddings computed elsewhere, from the ids of the sets: training images, evaluation sets, seeds. */
  readonly embeddingsOf?: (sets: readonly string[]) => readonly CurateEmbeddings[];
  readonly policy: CuratePolicyFields;
}

/** @throws StillhouseError usage for a teacher that no line of the policy looks at: it would be computed for nothing. */
export function curatePipeline(input: CuratePipelineInput): PipelineFile {
  const { name, seed, train, seeds, teachers } = input;
  // the version of the file is no parameter of the stage
  const policy = Object.fromEntries(Object.entries(input.policy).filter(([key]) => key !== 'version'));
  const used = JSON.stringify(policy);
  for (const { name: teacher, sizesPx } of teachers) {
    const levels = sizesPx.map((px) => `teacher:${teacherName(teacher)}@${px}`);
    if (!levels.some((level) => used.includes(`"${level}"`))) throw unusedTeacher(teacher, levels);
  }
  const index = (id: string, dataset: string, split: string) => ({
    id,
    stage: 'index',
    with: { dataset, split },
  });
  const evaluations = namedSets(input.evaluations);
  const sets = ['train-images', ...evaluations.keys(), ...(seeds === undefined ? [] : ['seeds'])];
  return {
    version: 1,
    name,
    seed,
    cache: 'cache',
    stages: [
      index('train-images', train, 'train'),
      ...[...evaluations].map(([id, path]) => index(id, path, 'eval')),
      ...(seeds === undefined ? [] : [index('seeds', seeds, 'seeds')]),
      ...(teachers.length === 0
        ? []
        : [{ id: 'embed', stage: 'cache', with: { datasets: sets.map((from) => ({ from })), teachers } }]),
      {
        id: 'curate',
        stage: 'curate',
        with: {
          ...policy,
          train: 'train-images',
          eval: [...evaluations.keys()],
          ...(seeds === undefined ? {} : { seeds: 'seeds' }),
          ...(teachers.length === 0 ? {} : { embeddings: 'embed' }),
          embeddingFiles: input.embeddingsOf?.(sets) ?? [],
        },
      },
    ],
  };
}

/** A manifest file is named for its teacher. */
function teacherName(teacher: string): string {
  return basename(teacher).replace(/\.ya?ml$/i, '');
}

/** Evaluation sets under names that a ledger can show: `eval-imagenet`, from the last part of the path. */
function namedSets(paths: readonly string[]): Map<string, string> {
  const sets = new Map<string, string>();
  for (const path of paths) {
    const slug = basename(path)
      .replace(/\.[a-z0-9]+$/i, '')
      .toLowerCase()
      .replace(/[^a-z0-9]+/g, '-')
      .replace(/^-+|-+$/g, '');
    const base = slug === '' ? 'eval' : slug.startsWith('eval') ? slug : `eval-${slug}`;
    let id = base;
    for (let n = 2; sets.has(id); n++) id = `${base}-${n}`;
    sets.set(id, path);
  }
  return sets;
}

function unusedTeacher(teacher: string, levels: readonly string[]): StillhouseError {
  return new StillhouseError({
    kind: 'usage',
    what: 'the policy does not look at a teacher',
    where: `--teacher ${teacher}`,
    wanted: `a line with level: '${levels[0]!}'`,
    got: 'none',
    next: 'add it to deduplicate, decontaminate, retrieve or sample of the policy, or leave out the teacher',
  });
}
