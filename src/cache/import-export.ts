/** Brings back what {@link file://./export.ts} wrote: the same spaces, the same keys, and the same bytes. */
import { join } from 'node:path';
import { z } from 'zod';
import { sha256 } from '../core/digest.ts';
import { StillhouseError, systemCodeOf } from '../core/failure.ts';
import { unsealJson } from '../core/sealed-json.ts';
import { decodeNpy } from '../format/npy-file.ts';
import { tarMembers } from '../format/tar.ts';
import { readTensorFile } from '../format/tensor-file.ts';
import { KEY_BYTES, VIEW_BYTES, rowBytesOf, rowValuesOf } from '../format/tensor-part.ts';
import { writeAtomic } from '../store/atomic.ts';
import { type CommitFs, asStoreFailure } from '../store/commit-fs.ts';
import { newTensorValues } from './codecs/stored-tensor.ts';
import { EXPORT_FORMATS, type ExportValues, tensorOf } from './export.ts';
import { type ImportedRow, readExportedParquet } from './exported-parquet.ts';
import type { RowKey } from './row-key.ts';
import { type SpaceDescriptor, codedLabel, distinctLabels } from './space.ts';
import { readStatisticsBytes, statisticsFile } from './statistics/statistics-files.ts';
import { partOf, storedPart } from './target-part.ts';
import type { CacheWriter, PartToWrite } from './write.ts';

const manifestSchema = z.strictObject({
  v: z.literal(1),
  format: z.enum(EXPORT_FORMATS),
  values: z.enum(['decoded', 'stored']),
  /** sha256 of what the codecs of stored values are built from, in `statistics/`. */
  statistics: z.array(z.string().regex(/^[0-9a-f]{64}$/)),
  spaces: z.array(z.looseObject({ codec: z.looseObject({ id: z.string() }) })),
  files: z.array(
    z.strictObject({ file: z.string(), sha256: z.string(), rows: z.int(), space: z.int().nullable() }),
  ),
});

export interface Imported {
  readonly spaces: readonly { readonly label: string; readonly rows: number }[];
  readonly files: number;
}

export interface ImportOptions {
  /** What was exported, and what it is read with. */
  readonly folder: string;
  readonly fs: CommitFs;
  /** Of the cache it goes to. */
  readonly writer: CacheWriter;
  readonly into: { readonly root: string; readonly fs: CommitFs };
}

/** @throws StillhouseError bad-input when the folder holds no export, or one of lossy values; integrity when a file was changed. */
export async function importExport({ folder, fs, writer, into }: ImportOptions): Promise<Imported> {
  const manifest = await readManifest(folder, fs);
  for (const digest of manifest.statistics)
    await writeAtomic(
      join(into.root, statisticsFile(digest)),
      await readStatisticsBytes(folder, digest, fs),
      into.fs,
    );
  const spaces = manifest.spaces as unknown as SpaceDescriptor[];
  const counts = distinctLabels(spaces).map((label) => ({ label, rows: 0 }));
  for (const space of spaces) checkValues(space, manifest.values, folder);
  for (const { file, sha256: wanted, space } of manifest.files) {
    const path = join(folder, file);
    const bytes = await readFile(path, fs);
    const got = sha256(bytes);
    if (got !== wanted) throw changed(path, wanted, got);
    const rows = await rowsOf({ bytes, path, format: manifest.format, space, spaces });
    const parts: PartToWrite[] = [];
    for (const [i, list] of rows) {
      if (list.length > 0) parts.push(partFrom(spaces[i]!, list, manifest.values));
      counts[i]!.rows += list.length;
    }
    await writer.commit(parts);
  }
  return { spaces: counts, files: manifest.files.length };
}

interface FileRows {
  readonly bytes: Uint8Array;
  readonly path: string;
  readonly format: (typeof EXPORT_FORMATS)[number];
  readonly space: number | null;
  readonly spaces: readonly SpaceDescriptor[];
}

/** Rows by index of their space. */
async function rowsOf(file: FileRows): Promise<Map<number, ImportedRow[]>> {
  const { bytes, path, format, space, spaces } = file;
  if (format === 'parquet') return new Map([[space!, await readExportedParquet(bytes)]]);
  if (format === 'safetensors') {
    const { tensors } = readTensorFile(bytes, path);
    const [key, view, payload] = ['key', 'view', 'payload'].map((name) => tensors.get(name)!);
    const n = key!.shape[0]!;
    const width = payload!.bytes.length / n;
    const hex = (of: Uint8Array, at: number, length: number): string =>
      Buffer.from(of.subarray(at, at + length)).toString('hex');
    return new Map([
      [
        space!,
        Array.from({ length: n }, (_, i) => ({
          key: (hex(key!.bytes, i * KEY_BYTES, KEY_BYTES) +
            hex(view!.bytes, i * VIEW_BYTES, VIEW_BYTES)) as RowKey,
          bytes: payload!.bytes.slice(i * width, (i + 1) * width),
        })),
      ],
    ]);
  }
  const labels = distinctLabels(spaces);
  const rows = new Map<number, ImportedRow[]>();
  for (const { name, bytes: member } of tarMembers(bytes, path)) {
    const match = /^([0-9a-f]{64})-([0-9a-f]{32})\.(.+)\.npy$/.exec(name);
    const i = labels.indexOf(match?.[3] ?? '');
    if (match === null || i < 0) throw changed(path, `rows of ${labels.join(', ')}`, name);
    const list = rows.get(i) ?? [];
    list.push({ key: (match[1]! + match[2]!) as RowKey, bytes: decodeNpy(member, `${path}, ${name}`).bytes });
    rows.set(i, list);
  }
  return rows;
}

function partFrom(space: SpaceDescriptor, rows: readonly ImportedRow[], values: ExportValues): PartToWrite {
  const { shape, dtype } = tensorOf(space, values);
  const width = rowBytesOf(shape, dtype);
  const all = new Uint8Array(rows.length * width);
  rows.forEach(({ bytes, key }, i) => {
    if (bytes.length !== width) throw changed(`row ${key}`, `${width} bytes`, `${bytes.length}`);
    all.set(bytes, i * width);
  });
  const keys = rows.map(({ key }) => ({ key }));
  if (values === 'decoded') return partOf(space, keys, new Float32Array(all.buffer));
  const payload = newTensorValues(dtype, rows.length * rowValuesOf(shape));
  new Uint8Array(payload.buffer).set(all);
  return storedPart(space, keys, payload);
}

function checkValues(space: SpaceDescriptor, values: ExportValues, folder: string): void {
  const exact = ['f32', 'f16', 'u8'].includes(space.codec.id) && space.codec.pool === undefined;
  if (values === 'stored' || exact) return;
  throw new StillhouseError({
    kind: 'bad-input',
    what: 'decoded values of a codec that loses some cannot be imported as that space',
    where: `${folder}, ${codedLabel(space)}`,
    wanted: 'an export with --values stored',
    got: '--values decoded',
    next: 'export again with --values stored',
  });
}

async function readManifest(folder: string, fs: CommitFs): Promise<z.infer<typeof manifestSchema>> {
  const path = join(folder, 'export.json');
  const text = Buffer.from(await readFile(path, fs)).toString('utf8');
  const sealed = unsealJson(text);
  if ('trouble' in sealed) throw changed(path, 'the file as it was written', sealed.trouble);
  const parsed = manifestSchema.safeParse(sealed.body);
  if (!parsed.success) throw changed(path, 'an export of version 1', z.prettifyError(parsed.error));
  return parsed.data;
}

async function readFile(path: string, fs: CommitFs): Promise<Uint8Array> {
  try {
    return await fs.read(path);
  } catch (error) {
    if (systemCodeOf(error) !== 'ENOENT') throw asStoreFailure(error, path);
    throw new StillhouseError(
      {
        kind: 'bad-input',
        what: 'there is no such file to import',
        where: path,
        next: 'name a folder that `stillhouse cache export` wrote, or use --theia for feature tars',
      },
      error,
    );
  }
}

function changed(where: string, wanted: string, got: string): StillhouseError {
  return new StillhouseError({
    kind: 'integrity',
    what: 'an exported file was changed',
    where,
    wanted,
    got,
    next: 'export again, or fetch the file again',
  });
}
