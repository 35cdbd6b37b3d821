/**
 * Records to image rows: every record is read, hashed and decoded once, and ends as a row or in the ledger. The result depends
 * on the records and the bytes alone, not on the order in which reads finish.
 */
import pLimit from 'p-limit';
import { isStillhouseError } from '../core/failure.ts';
import type { ImageRow, LedgerRow } from './image-row.ts';
import { MAX_PIXELS } from './decode.ts';
import type { DatasetHeader } from './dataset-manifest.ts';
import { type Places, locate } from './locate.ts';
import { type Probe, type ProbeReason, type ProbedImage, probeFile } from './probe.ts';
import type { SourceRecord } from './source-record.ts';

/** Closed vocabulary of the `index` stage. The duplicates are counted within one dataset: the first by name is kept. */
export const INDEX_REASONS = [
  'missing',
  'empty-file',
  'not-an-image',
  'corrupt',
  'too-many-pixels',
  'unreadable',
  'duplicate-bytes',
  'duplicate-name',
] as const satisfies readonly (ProbeReason | 'duplicate-bytes' | 'duplicate-name')[];

export type IndexReason = (typeof INDEX_REASONS)[number];

export interface IndexOptions {
  readonly records: AsyncIterable<SourceRecord> | Iterable<SourceRecord>;
  readonly header: Pick<DatasetHeader, 'name' | 'licence' | 'split' | 'labels'>;
  readonly places: Places;
  readonly signal?: AbortSignal;
  /** Files in work at once. Default 8. */
  readonly concurrency?: number;
  /** Default 100 megapixels. */
  readonly maxPixels?: number;
  /** Default 1 GiB. */
  readonly maxBytes?: number;
  /** Called after each record. */
  readonly onProgress?: (done: number, of: number) => void;
}

export interface IndexResult {
  /** By name, in code-unit order. Ids and names are unique. */
  readonly rows: readonly ImageRow[];
  /** By name of the record, in code-unit order. */
  readonly ledger: readonly LedgerRow[];
  /** `rows.length + ledger.length`. */
  readonly seen: number;
}

/** @throws the signal's reason when aborted; StillhouseError `environment` for a missing package; errors of the source. */
export async function indexImages(options: IndexOptions): Promise<IndexResult> {
  const { places, signal, concurrency = 8 } = options;
  const limits = { maxPixels: options.maxPixels ?? MAX_PIXELS, maxBytes: options.maxBytes ?? 2 ** 30 };
  const records = await collected(options.records, signal);
  let done = 0;
  const probed = await pLimit(concurrency).map(records, async (record) => {
    signal?.throwIfAborted();
    const probe = await probeRecord(record, places, limits);
    options.onProgress?.(++done, records.length);
    return { record, probe };
  });
  signal?.throwIfAborted();
  // the sort is stable: records of one name stay in the order of the source
  probed.sort((a, b) => compare(a.record.name, b.record.name));
  return settled(probed, options.header);
}

async function collected(records: IndexOptions['records'], signal?: AbortSignal): Promise<SourceRecord[]> {
  const all: SourceRecord[] = [];
  for await (const record of records) {
    signal?.throwIfAborted();
    all.push(record);
  }
  return all;
}

async function probeRecord(
  record: SourceRecord,
  places: Places,
  limits: Parameters<typeof probeFile>[1],
): Promise<Probe> {
  let path: Buffer;
  try {
    path = locate(record.uri, places);
  } catch (error) {
    if (!isStillhouseError(error, 'bad-input')) throw error;
    return {
      ok: false,
      id: null,
      reason: 'unreadable',
      detail: `${error.failure.what}: ${error.failure.got ?? ''}`,
    };
  }
  return probeFile(path, limits);
}

function settled(
  probed: readonly { record: SourceRecord; probe: Probe }[],
  header: IndexOptions['header'],
): IndexResult {
  const rows: ImageRow[] = [];
  const ledger: LedgerRow[] = [];
  const nameOf = new Map<string, string>();
  const names = new Set<string>();
  for (const { record, probe } of probed) {
    const reject = (imageId: LedgerRow['imageId'], reason: IndexReason, detail: string) =>
      ledger.push({ imageId, uri: record.uri, stage: 'index', reason, detail });
    if (!probe.ok) {
      reject(probe.id, probe.reason, probe.detail);
      continue;
    }
    const { id } = probe.image;
    const twin = nameOf.get(id);
    if (names.has(record.name)) reject(id, 'duplicate-name', record.name);
    else if (twin !== undefined) reject(id, 'duplicate-bytes', `same bytes as ${twin}`);
    else {
      names.add(record.name);
      nameOf.set(id, record.name);
      rows.push(rowOf(record, probe.image, header));
    }
  }
  return { rows, ledger, seen: probed.length };
}

function rowOf(record: SourceRecord, image: ProbedImage, header: IndexOptions['header']): ImageRow {
  const { label } = record;
  const renamed =
    label !== null && header.labels && Object.hasOwn(header.labels, label) ? header.labels[label]! : label;
  return {
    id: image.id,
    uri: record.uri,
    name: record.name,
    sizeBytes: image.sizeBytes,
    width: image.width,
    height: image.height,
    format: image.format,
    label: renamed,
    split: record.split ?? header.split,
    group: record.group,
    source: header.name,
    licence: header.licence,
  };
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
