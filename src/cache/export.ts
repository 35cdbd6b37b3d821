/**
 * Targets for other programs. `parquet`: one file per shard and space, key and view as text, the payload as a list of floats
 * (Hugging Face datasets and DuckDB read it as it is) or as stored bytes. `webdataset`: tar files, per sample `<key>.<label>.npy`.
 * `safetensors`: per shard and space one tensor of all rows. Where two spaces have one label, their ids stand behind it. `export.json`
 * beside them says what they are; with stored values, importing them gives the same targets bit for bit. Rows that failed are left out
 * and counted.
 */
import { join } from 'node:path';
import { parquetWriteBuffer } from 'hyparquet-writer';
import type { Json } from '../core/canonical-json.ts';
import { sha256OfPieces } from '../core/digest.ts';
import { sealJson } from '../core/sealed-json.ts';
import { encodeNpy } from '../format/npy-file.ts';
import { type TarMember, tarPieces } from '../format/tar.ts';
import { tensorFilePieces } from '../format/tensor-file.ts';
import { rowValuesOf } from '../format/tensor-part.ts';
import { writeAtomic } from '../store/atomic.ts';
import type { CommitFs } from '../store/commit-fs.ts';
import { stageFile } from '../store/stage-file.ts';
import type { CachedSpace } from './catalogue.ts';
import { storedTensorOf, targetShapeOf } from './codecs/stored-tensor.ts';
import { TargetReader } from './read.ts';
import { type RowKey, targetKeyOf } from './row-key.ts';
import { type SpaceDescriptor, distinctLabels } from './space.ts';
import { readStatisticsBytes, statisticsFile } from './statistics/statistics-files.ts';

export const EXPORT_FORMATS = ['parquet', 'webdataset', 'safetensors'] as const;
export type ExportFormat = (typeof EXPORT_FORMATS)[number];
/** `decoded`: float32 in the teacher's space. `stored`: the bytes of the codec. */
export type ExportValues = 'decoded' | 'stored';

export interface ExportOptions {
  readonly spaces: readonly CachedSpace[];
  readonly folder: string;
  readonly format: ExportFormat;
  readonly values: ExportValues;
  /** Rows per file. */
  readonly shardRows: number;
  readonly fs: CommitFs;
}

export interface ExportedFile {
  readonly file: string;
  readonly sha256: string;
  readonly rows: number;
  /** Index of the space in `spaces`; null where a file holds several. */
  readonly space: number | null;
}

export interface Exported {
  readonly spaces: readonly { readonly label: string; readonly rows: number; readonly failed: number }[];
  readonly files: readonly ExportedFile[];
}

interface Row {
  readonly key: RowKey;
  readonly bytes: Uint8Array;
}

interface Tensor {
  readonly dtype: 'float16' | 'float32' | 'int8' | 'uint8';
  readonly shape: readonly number[];
}

export async function exportTargets(options: ExportOptions): Promise<Exported> {
  const { spaces, folder, format, values, shardRows, fs } = options;
  const files: ExportedFile[] = [];
  const labels = distinctLabels(spaces.map(({ descriptor }) => descriptor));
  const counts = labels.map((label) => ({ label, rows: 0, failed: 0 }));
  const reader = new TargetReader();
  const write = async (
    file: string,
    pieces: readonly Uint8Array[],
    of: Pick<ExportedFile, 'rows' | 'space'>,
  ) => {
    const staged = await stageFile(join(folder, file, '..'), pieces, fs);
    await staged.moveTo(join(folder, file));
    files.push({ file, sha256: sha256OfPieces(pieces), ...of });
  };
  const rowOf = async (space: CachedSpace, key: RowKey): Promise<Row | null> => {
    if (values === 'stored') {
      const bytes = await reader.readStored(space, key);
      return bytes && { key, bytes };
    }
    const out = new Float32Array(rowValuesOf(targetShapeOf(space.descriptor)));
    return (await reader.readInto(space, key, out)) ? { key, bytes: new Uint8Array(out.buffer) } : null;
  };
  try {
    if (format === 'webdataset') {
      const keys = [...new Set(spaces.flatMap((space) => [...space.rows.keys()]))].sort();
      for (let start = 0, shard = 0; start < keys.length; start += shardRows, shard++) {
        const members: TarMember[] = [];
        let samples = 0;
        for (const key of keys.slice(start, start + shardRows)) {
          const before = members.length;
          for (const [i, space] of spaces.entries()) {
            if (!space.rows.has(key)) continue;
            const row = await rowOf(space, key);
            counts[i]![row ? 'rows' : 'failed'] += 1;
            if (!row) continue;
            const tensor = tensorOf(space.descriptor, values);
            members.push({
              name: `${sampleName(key)}.${labels[i]!}.npy`,
              bytes: encodeNpy({ ...tensor, bytes: row.bytes }),
            });
          }
          if (members.length > before) samples += 1;
        }
        if (samples > 0)
          await write(`${shardName(shard)}.tar`, tarPieces(members), { rows: samples, space: null });
      }
    } else
      for (const [i, space] of spaces.entries()) {
        const keys = [...space.rows.keys()].sort();
        let shard = 0;
        for (let start = 0; start < keys.length; start += shardRows) {
          const rows: Row[] = [];
          for (const key of keys.slice(start, start + shardRows)) {
            const row = await rowOf(space, key);
            counts[i]![row ? 'rows' : 'failed'] += 1;
            if (row) rows.push(row);
          }
          if (rows.length === 0) continue;
          const file = `${labels[i]!}/${shardName(shard++)}.${format}`;
          const pieces =
            format === 'parquet'
              ? [parquetOf(space.descriptor, rows, values)]
              : tensorsOf(space.descriptor, rows, values);
          await write(file, pieces, { rows: rows.length, space: i });
        }
      }
  } finally {
    await reader.close();
  }
  const manifest = {
    v: 1,
    format,
    values,
    statistics: values === 'stored' ? await copyStatistics(spaces, folder, fs) : [],
    spaces: spaces.map(({ descriptor }) => descriptor as unknown as Json),
    files: files as unknown as Json,
  };
  await writeAtomic(join(folder, 'export.json'), sealJson(manifest), fs);
  return { spaces: counts, files };
}

/** Stored bytes mean nothing without what their codec is built from. Returns the sha256 of each, sorted. */
async function copyStatistics(
  spaces: readonly CachedSpace[],
  folder: string,
  fs: CommitFs,
): Promise<string[]> {
  const from = new Map<string, CachedSpace>();
  for (const space of spaces) {
    const { statsSha256 } = space.descriptor.codec;
    if (statsSha256 !== undefined) from.set(statsSha256, space);
  }
  for (const [digest, space] of from) {
    const bytes = await readStatisticsBytes(space.root, digest, space.fs);
    await writeAtomic(join(folder, statisticsFile(digest)), bytes, fs);
  }
  return [...from.keys()].sort();
}

const shardName = (shard: number): string => `shard-${String(shard).padStart(6, '0')}`;
/** WebDataset takes everything up to the first dot as the sample's key. */
const sampleName = (key: RowKey): string => {
  const { image, view } = targetKeyOf(key);
  return `${image}-${view}`;
};

/** What one exported row is. */
export const tensorOf = (space: SpaceDescriptor, values: ExportValues): Tensor =>
  values === 'stored' ? storedTensorOf(space) : { dtype: 'float32', shape: targetShapeOf(space) };

function parquetOf(space: SpaceDescriptor, rows: readonly Row[], values: ExportValues): Uint8Array {
  const { shape, dtype } = tensorOf(space, values);
  const keys = rows.map(({ key }) => targetKeyOf(key));
  const kvMetadata = [
    { key: 'stillhouse.space', value: JSON.stringify(space) },
    { key: 'tensor.payload', value: JSON.stringify({ dtype, shape, byteOrder: 'little' }) },
  ];
  const text = { type: 'STRING', nullable: false } as const;
  const columns = [
    { name: 'key', ...text, data: keys.map(({ image }) => image as string) },
    { name: 'view', ...text, data: keys.map(({ view }) => view as string) },
  ];
  const common = { codec: 'UNCOMPRESSED', statistics: false, createdBy: 'stillhouse', kvMetadata } as const;
  if (values === 'stored')
    return new Uint8Array(
      parquetWriteBuffer({
        ...common,
        columnData: [
          ...columns,
          {
            name: 'payload',
            type: 'BYTE_ARRAY',
            nullable: false,
            encoding: 'PLAIN',
            data: rows.map(({ bytes }) => bytes),
          },
        ],
      }),
    );
  return new Uint8Array(
    parquetWriteBuffer({
      ...common,
      schema: [
        { name: 'root', num_children: 3 },
        { name: 'key', type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'REQUIRED' },
        { name: 'view', type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'REQUIRED' },
        { name: 'payload', repetition_type: 'REQUIRED', converted_type: 'LIST', num_children: 1 },
        { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
        { name: 'element', type: 'FLOAT', repetition_type: 'REQUIRED' },
      ],
      columnData: [
        ...columns.map(({ name, data }) => ({ name, data })),
        {
          name: 'payload',
          encoding: 'PLAIN',
          data: rows.map(({ bytes }) =>
            Array.from(new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4)),
          ),
        },
      ],
    }),
  );
}

const SAFE = { float16: 'F16', float32: 'F32', int8: 'I8', uint8: 'U8' } as const;

function tensorsOf(space: SpaceDescriptor, rows: readonly Row[], values: ExportValues): Uint8Array[] {
  const { shape, dtype } = tensorOf(space, values);
  const hexBytes = (pick: (key: ReturnType<typeof targetKeyOf>) => string): Uint8Array =>
    new Uint8Array(Buffer.from(rows.map(({ key }) => pick(targetKeyOf(key))).join(''), 'hex'));
  const n = rows.length;
  const payload = new Uint8Array(n * rows[0]!.bytes.length);
  rows.forEach(({ bytes }, i) => payload.set(bytes, i * bytes.length));
  return tensorFilePieces(
    new Map([
      ['key', { dtype: 'U8', shape: [n, 32], bytes: hexBytes(({ image }) => image) }],
      ['payload', { dtype: SAFE[dtype], shape: [n, ...shape], bytes: payload }],
      ['view', { dtype: 'U8', shape: [n, 16], bytes: hexBytes(({ view }) => view) }],
    ]),
    { 'stillhouse.space': JSON.stringify(space) },
  );
}
