/**
 * The safetensors file format (github.com/huggingface/safetensors, README "Format"): 8 bytes little-endian header length, a JSON
 * header, then the data. A file here is all F32 (students) or all F64 (statistics). Writing is deterministic; reading refuses
 * anything that is not exactly so.
 */
import { StillhouseError } from '../core/failure.ts';

export type FloatDtype = 'F32' | 'F64';

export interface NamedTensor<D extends FloatDtype = 'F32'> {
  readonly shape: readonly number[];
  /** Row-major. */
  readonly values: D extends 'F32' ? Float32Array : Float64Array;
}

export interface SafetensorsContent<D extends FloatDtype = 'F32'> {
  readonly tensors: ReadonlyMap<string, NamedTensor<D>>;
  readonly metadata: Readonly<Record<string, string>>;
}

const LENGTH_BYTES = 8;
/** The reference implementation's limit. */
const MAX_HEADER_BYTES = 100_000_000;
const METADATA_KEY = '__metadata__';

/** Same content, same bytes: tensors and metadata sorted by name, data in that order, header padded with spaces to 8 bytes. */
export function encodeSafetensors<D extends FloatDtype>(content: SafetensorsContent<D>): Uint8Array {
  const names = [...content.tensors.keys()].sort();
  const header: Record<string, unknown> = {
    [METADATA_KEY]: Object.fromEntries(Object.entries(content.metadata).sort(([a], [b]) => (a < b ? -1 : 1))),
  };
  let at = 0;
  for (const name of names) {
    const { shape, values } = content.tensors.get(name)!;
    if (name === METADATA_KEY || values.length !== shape.reduce((product, n) => product * n, 1))
      throw new Error(`internal: tensor ${name} has ${values.length} values, shape [${shape.join(', ')}]`);
    header[name] = {
      dtype: values instanceof Float32Array ? 'F32' : 'F64',
      shape,
      data_offsets: [at, at + values.byteLength],
    };
    at += values.byteLength;
  }
  const json = Buffer.from(JSON.stringify(header));
  const headerBytes = Math.ceil(json.length / 8) * 8;
  const out = Buffer.alloc(LENGTH_BYTES + headerBytes + at, ' ');
  out.writeBigUInt64LE(BigInt(headerBytes), 0);
  json.copy(out, LENGTH_BYTES);
  at = LENGTH_BYTES + headerBytes;
  for (const name of names) {
    const { values } = content.tensors.get(name)!;
    if (values instanceof Float32Array)
      for (let i = 0; i < values.length; i++) out.writeFloatLE(values[i]!, at + 4 * i);
    else for (let i = 0; i < values.length; i++) out.writeDoubleLE(values[i]!, at + 8 * i);
    at += values.byteLength;
  }
  // A plain view: Buffer.slice would share memory where a caller of Uint8Array.slice expects a copy.
  return new Uint8Array(out.buffer, out.byteOffset, out.length);
}

/** @throws StillhouseError integrity for anything malformed: sizes, JSON, dtypes, offsets that overlap or leave holes. */
export function decodeSafetensors<D extends FloatDtype = 'F32'>(
  bytes: Uint8Array,
  where: string,
  dtype: D = 'F32' as D,
): SafetensorsContent<D> {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (buffer.length < LENGTH_BYTES) throw damaged(where, 'at least 8 bytes', `${buffer.length}`);
  const headerBytes = Number(buffer.readBigUInt64LE(0));
  const dataAt = LENGTH_BYTES + headerBytes;
  if (headerBytes > MAX_HEADER_BYTES || dataAt > buffer.length)
    throw damaged(where, 'a header within the file', `${headerBytes} bytes of header in ${buffer.length}`);
  const header = parseHeader(buffer.subarray(LENGTH_BYTES, dataAt), where);
  const metadata = metadataOf(header[METADATA_KEY] ?? {}, where);
  const entries = Object.entries(header)
    .filter(([name]) => name !== METADATA_KEY)
    .map(([name, entry]) => ({ name, ...entryOf(entry, dtype, `${where}, tensor ${name}`) }))
    .sort((a, b) => a.begin - b.begin || a.end - b.end);

  const tensors = new Map<string, NamedTensor<D>>();
  const valueBytes = dtype === 'F32' ? 4 : 8;
  let at = 0;
  for (const { name, shape, begin, end } of entries) {
    const count = shape.reduce((product, n) => product * n, 1);
    if (begin !== at || end - begin !== valueBytes * count)
      throw damaged(
        `${where}, tensor ${name}`,
        `bytes ${at} to ${at + valueBytes * count}`,
        `${begin} to ${end}`,
      );
    if (dataAt + end > buffer.length)
      throw damaged(`${where}, tensor ${name}`, `${dataAt + end} bytes`, `${buffer.length}`);
    tensors.set(name, { shape, values: valuesAt(buffer, { dtype, count, at: dataAt + begin }) });
    at = end;
  }
  if (dataAt + at !== buffer.length) throw damaged(where, `${dataAt + at} bytes`, `${buffer.length}`);
  return { tensors, metadata };
}

function valuesAt<D extends FloatDtype>(
  buffer: Buffer,
  { dtype, count, at }: { readonly dtype: D; readonly count: number; readonly at: number },
): NamedTensor<D>['values'] {
  const values = dtype === 'F32' ? new Float32Array(count) : new Float64Array(count);
  if (dtype === 'F32') for (let i = 0; i < count; i++) values[i] = buffer.readFloatLE(at + 4 * i);
  else for (let i = 0; i < count; i++) values[i] = buffer.readDoubleLE(at + 8 * i);
  return values as NamedTensor<D>['values'];
}

function parseHeader(bytes: Uint8Array, where: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    throw damaged(where, 'a header of JSON in UTF-8', error instanceof Error ? error.message : String(error));
  }
  if (!isRecord(value)) throw damaged(where, 'a JSON object as header', typeof value);
  return value;
}

function metadataOf(value: unknown, where: string): Record<string, string> {
  if (!isRecord(value)) throw damaged(where, 'an object of metadata', typeof value);
  return Object.fromEntries(
    Object.entries(value).map(([key, text]) => {
      if (typeof text !== 'string') throw damaged(where, `metadata ${key} as text`, typeof text);
      return [key, text];
    }),
  );
}

function entryOf(
  entry: unknown,
  dtype: FloatDtype,
  where: string,
): { shape: number[]; begin: number; end: number } {
  if (!isRecord(entry)) throw damaged(where, 'an object', typeof entry);
  if (entry['dtype'] !== dtype) throw damaged(where, `dtype ${dtype}`, String(entry['dtype']));
  const shape = sizes(entry['shape'], where);
  const [begin, end, ...rest] = sizes(entry['data_offsets'], where);
  if (begin === undefined || end === undefined || rest.length > 0)
    throw damaged(where, 'two data_offsets', 'others');
  return { shape, begin, end };
}

function sizes(value: unknown, where: string): number[] {
  if (!Array.isArray(value)) throw damaged(where, 'a list of sizes', typeof value);
  return value.map((size: unknown) => {
    if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0)
      throw damaged(where, 'whole sizes', String(size));
    return size;
  });
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function damaged(where: string, wanted: string, got: string): StillhouseError {
  return new StillhouseError({
    kind: 'integrity',
    what: 'a safetensors file is damaged',
    where,
    wanted,
    got,
    next: 'delete the file and use an earlier checkpoint, or train again',
  });
}
