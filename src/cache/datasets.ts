/**
 * Which datasets a cache was filled for: `datasets/<digest>.json` with the ids of their images, so that coverage can be told per
 * dataset wherever the images lie now. The name binds the content: it is the Merkle root over the ids.
 */
import { join } from 'node:path';
import { z } from 'zod';
import { merkleRoot } from '../core/digest.ts';
import type { Digest, ImageId } from '../core/ids.ts';
import { sealJson, unsealJson } from '../core/sealed-json.ts';
import { writeIfAbsent } from '../store/atomic.ts';
import type { CommitFs } from '../store/commit-fs.ts';
import { KEY_BYTES } from '../format/tensor-part.ts';
import type { CachedSpace } from './catalogue.ts';
import { listOrNone } from './journal.ts';
import { targetKeyOf } from './row-key.ts';

const recordSchema = z.strictObject({
  v: z.literal(1),
  name: z.string(),
  digest: z.string(),
  at: z.string(),
  /** base64 of the ids' bytes, one behind the other, sorted. */
  images: z.base64(),
});

export interface RecordedDataset {
  readonly name: string;
  readonly digest: string;
  readonly at: string;
  readonly images: ReadonlySet<ImageId>;
}

export interface DatasetToRecord {
  readonly name: string;
  readonly digest: Digest;
  readonly images: readonly ImageId[];
}

export async function recordDataset(
  { root, fs, at }: { readonly root: string; readonly fs: CommitFs; readonly at: string },
  { name, digest, images }: DatasetToRecord,
): Promise<void> {
  const ids = [...new Set(images)].sort();
  const bytes = Buffer.concat(ids.map((id) => Buffer.from(id, 'hex'))).toString('base64');
  await writeIfAbsent(
    join(root, 'datasets', `${digest}.json`),
    sealJson({ v: 1, name, digest, at, images: bytes }),
    fs,
  );
}

/** Damaged records are left out: they say nothing about the targets. Sorted by name, then time. */
export async function readDatasets(root: string, fs: CommitFs): Promise<RecordedDataset[]> {
  const found: RecordedDataset[] = [];
  for (const file of await listOrNone(join(root, 'datasets'), fs)) {
    const sealed = unsealJson(Buffer.from(await fs.read(join(root, 'datasets', file))).toString('utf8'));
    const parsed = 'trouble' in sealed ? null : recordSchema.safeParse(sealed.body);
    if (parsed?.success !== true) continue;
    const { images, ...rest } = parsed.data;
    const hex = Buffer.from(images, 'base64').toString('hex');
    const width = KEY_BYTES * 2;
    const ids = Array.from(
      { length: hex.length / width },
      (_, i) => hex.slice(i * width, (i + 1) * width) as ImageId,
    );
    if (merkleRoot(ids) === rest.digest) found.push({ ...rest, images: new Set(ids) });
  }
  return found.sort((a, b) => (a.name === b.name ? (a.at < b.at ? -1 : 1) : a.name < b.name ? -1 : 1));
}

/** Images of a dataset that have at least one target in a space, and their rows. */
export function coverageOf(
  space: CachedSpace,
  dataset: RecordedDataset,
): { readonly images: number; readonly covered: number; readonly rows: number } {
  const covered = new Set<ImageId>();
  let rows = 0;
  for (const key of space.rows.keys()) {
    const { image } = targetKeyOf(key);
    if (!dataset.images.has(image)) continue;
    covered.add(image);
    rows += 1;
  }
  return { images: dataset.images.size, covered: covered.size, rows };
}
