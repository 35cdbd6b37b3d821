/** `--embeddings name=train,eval[,anchor]`: embeddings computed elsewhere, as the audit stage takes them. */
import { existsSync } from 'node:fs';
import type { EmbeddingFile, EmbeddingSet } from '../stages/embedding-files.ts';
import type { CurateEmbeddings } from '../stages/curate-embeddings.ts';
import { usage } from './common-options.ts';

export const EMBEDDINGS_FORM = '[copy:]name=train,eval[,anchor]';

const ENDING = /\.(parquet|npy|safetensors)$/i;

/** @throws StillhouseError usage on another form or another kind of file. Whether the files are there is seen when they are read. */
export function embeddingsOption(text: string): EmbeddingSet {
  const [, copy, name, rest] = /^(copy:)?([\w.@-]+)=(.+)$/.exec(text) ?? [];
  const files = rest?.split(',') ?? [];
  if (name === undefined || files.length < 2 || files.length > 3 || !files.every((file) => ENDING.test(file)))
    throw usage(
      '--embeddings',
      `${EMBEDDINGS_FORM} with .parquet, .npy or .safetensors files, such as clip=train.npy,eval.npy`,
      text,
    );
  const [train, evaluation, anchor] = files.map(withKeys);
  return {
    name,
    role: copy === undefined ? 'domain' : 'copy',
    train: train!,
    eval: evaluation!,
    ...(anchor === undefined ? {} : { anchor }),
  };
}

export const SET_EMBEDDINGS_FORM = '[copy:]name=file[,file...]';

/** Embeddings of several sets: one file for each, in the order in which the sets are named. @throws StillhouseError usage as above. */
export function setEmbeddingsOption(text: string, sets: readonly string[]): CurateEmbeddings {
  const [, copy, name, rest] = /^(copy:)?([\w.@-]+)=(.+)$/.exec(text) ?? [];
  const files = rest?.split(',') ?? [];
  if (name === undefined || files.length !== sets.length || !files.every((file) => ENDING.test(file)))
    throw usage(
      '--embeddings',
      `${SET_EMBEDDINGS_FORM} with a .parquet, .npy or .safetensors file for each of ${sets.join(', ')}`,
      text,
    );
  return {
    name,
    role: copy === undefined ? 'domain' : 'copy',
    files: Object.fromEntries(sets.map((set, i) => [set, withKeys(files[i]!)])),
  };
}

/** A list of keys lies beside the file, under its name and `.keys`. */
function withKeys(path: string): EmbeddingFile {
  const keys = `${path}.keys`;
  return existsSync(keys) ? { path, keys } : path;
}
