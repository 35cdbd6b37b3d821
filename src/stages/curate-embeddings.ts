/** Embeddings that a curation compares, sorts into clusters or retrieves by: of teachers in a cache stage, or computed elsewhere. */
import { resolve } from 'node:path';
import { z } from 'zod';
import type { EmbeddingLevel } from '../audit/evidence.ts';
import { StillhouseError } from '../core/failure.ts';
import { nearestNames } from '../core/nearest-names.ts';
import type { StageContext } from '../run/stage.ts';
import { cachedSources } from './audit-embeddings.ts';
import type { NamedSpace } from './cached-spaces.ts';
import type { OpenDataset } from './dataset-access.ts';
import {
  type EmbeddingFile,
  type Matrix,
  embeddingFileSchema,
  embeddingsFor,
  filesOf,
} from './embedding-files.ts';

export const curateEmbeddingsSchema = z.strictObject({
  name: z.string().regex(/^[\w.@-]+$/),
  /** `domain`: a general embedding, centred before comparison. `copy`: one trained for copies, compared as it is. */
  role: z.enum(['domain', 'copy']).default('domain'),
  /** A file for each dataset, by the id of its stage; paths start at the pipeline file. */
  files: z.record(z.string(), embeddingFileSchema),
});
export type CurateEmbeddings = z.infer<typeof curateEmbeddingsSchema>;

export interface LevelSource {
  readonly level: EmbeddingLevel;
  /** One row per image, [rows, dim]; a row of zeros where there is no usable embedding. */
  load(dataset: OpenDataset): Promise<Matrix>;
}

export function levelSources({
  spaces,
  files,
  context,
  copy,
}: {
  readonly spaces: readonly NamedSpace[];
  readonly files: readonly CurateEmbeddings[];
  readonly context: StageContext;
  /** Teachers that recognise copies. */
  readonly copy: readonly string[];
}): LevelSource[] {
  const cached = cachedSources(spaces, context, copy).map((source): LevelSource => ({
    level: source.level,
    load: ({ rows }) => source.load('train', rows),
  }));
  const given = files.map(({ name, role, files: byDataset }): LevelSource => ({
    level: role === 'copy' ? `copy:${name}` : `teacher:${name}`,
    load: async ({ from, rows }) => {
      const file = byDataset[from];
      if (file === undefined)
        throw new StillhouseError({
          kind: 'bad-input',
          what: 'a set of embeddings has no file for a dataset',
          where: name,
          wanted: `a file for "${from}"`,
          got: `files for ${Object.keys(byDataset).join(', ')}`,
          next: `add ${from}: <file> to its files`,
        });
      return embeddingsFor(absolute(file, context.baseFolder), rows);
    },
  }));
  return [...cached, ...given];
}

/** @throws StillhouseError bad-input when a policy names a level that nothing computes: then it could not be held. */
export function sourcesOf(levels: Iterable<string>, sources: readonly LevelSource[]): LevelSource[] {
  return [...new Set(levels)].sort().map((level) => {
    const found = sources.find((source) => source.level === level);
    if (found !== undefined) return found;
    const near = nearestNames(
      level,
      sources.map((source) => source.level),
    );
    throw new StillhouseError({
      kind: 'bad-input',
      what: 'a curation policy names a level that there are no embeddings for',
      where: level,
      wanted: near.length === 0 ? 'embeddings' : `one of ${near.join(', ')}`,
      got: 'none of that name',
      next:
        near.length === 0
          ? 'name a cache stage in `embeddings` (on the command line: --teacher), or files in `embeddingFiles`'
          : 'correct the level, or add its teacher',
    });
  });
}

export function embeddingPaths(files: readonly CurateEmbeddings[], baseFolder: string): string[] {
  return files.flatMap(({ files: byDataset }) =>
    Object.values(byDataset).flatMap((file) => filesOf(absolute(file, baseFolder))),
  );
}

function absolute(file: EmbeddingFile, baseFolder: string): EmbeddingFile {
  if (typeof file === 'string') return resolve(baseFolder, file);
  return {
    path: resolve(baseFolder, file.path),
    ...(file.keys === undefined ? {} : { keys: resolve(baseFolder, file.keys) }),
  };
}

export function otherDimension(where: string, wanted: number, got: number): StillhouseError {
  return new StillhouseError({
    kind: 'bad-input',
    what: 'embeddings of two sets have different dimensions',
    where,
    wanted: `${wanted} dimensions, as the training set has`,
    got: String(got),
    next: 'embed both sets with one model',
  });
}
