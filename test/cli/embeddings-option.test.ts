import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { embeddingsOption } from '../../src/cli/embeddings-option.ts';
import { failing } from '../support/failing.ts';
import { tempFolder } from '../support/temp-folder.ts';

describe('--embeddings', () => {
  it('names a set with its role, its files, and the keys that lie beside them', async () => {
    const folder = await tempFolder();
    const train = join(folder, 'train.npy');
    await writeFile(`${train}.keys`, 'a\n');
    expect(embeddingsOption(`clip=${train},e.parquet,a.safetensors`)).toEqual({
      name: 'clip',
      role: 'domain',
      train: { path: train, keys: `${train}.keys` },
      eval: 'e.parquet',
      anchor: 'a.safetensors',
    });
    expect(embeddingsOption('copy:sscd=t.npy,e.npy')).toEqual({
      name: 'sscd',
      role: 'copy',
      train: 't.npy',
      eval: 'e.npy',
    });
  });

  it.each(['clip', 'clip=t.npy', 'clip=t.npy,e.csv', '=t.npy,e.npy', 'a=1.npy,2.npy,3.npy,4.npy'])(
    'refuses %s',
    (text) => {
      expect(() => embeddingsOption(text)).toThrow(failing(2, { where: '--embeddings', got: text }));
    },
  );
});
