/**
 * safetensors files of any dtype as raw bytes (github.com/huggingface/safetensors, "Format"): what other programs store features
 * in. The checkpoints of students have a stricter reader of their own.
 */
import { StillhouseError } from '../core/failure.ts';

export interface RawTensor {
  /** As the format names it: F32, F16, BF16, U8, I8. */
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

/** Pieces of a file: the header, then the tensors in the order of their names. */
export function tensorFilePieces(
  tensors: ReadonlyMap<string, RawTensor>,
  metadata: Readonly<Record<string, string>>,
): Uint8Array[] {
  const names = [...tensors.keys()].sort();
  const header: Record<string, unknown> = { __metadata__: metadata };
  let at = 0;
  for (const name of names) {
    const { dtype, shape, bytes } = tensors.get(name)!;
    header[name] = { dtype, shape, data_offsets: [at, (at += bytes.length)] };
  }
  const json = Buffer.from(JSON.stringify(header));
  const head = Buffer.alloc(8 + Math.ceil(json.length / 8) * 8, ' ');
  head.writeBigUInt64LE(BigInt(head.length - 8), 0);
  json.copy(head, 8);
  return [new Uint8Array(head), ...names.map((name) => tensors.get(name)!.bytes)];
}

/** Tensors as copies with memory of their own. @throws StillhouseError integrity when the file is damaged. */
export function readTensorFile(
  file: Uint8Array,
  where: string,
): { readonly tensors: ReadonlyMap<string, RawTensor>; readonly metadata: Readonly<Record<string, string>> } {
  const buffer = Buffer.from(file.buffer, file.byteOffset, file.byteLength);
  const headBytes = buffer.length < 8 ? -1 : Number(buffer.readBigUInt64LE(0));
  if (headBytes < 2 || 8 + headBytes > buffer.length) throw damaged(where, `${buffer.length} bytes`);
  let header: Record<string, unknown>;
  try {
    header = JSON.parse(buffer.toString('utf8', 8, 8 + headBytes)) as Record<string, unknown>;
  } catch (error) {
    if (error instanceof SyntaxError) throw damaged(where, 'a header that is no JSON');
    throw error;
  }
  const tensors = new Map<string, RawTensor>();
  for (const [name, value] of Object.entries(header)) {
    if (name === '__metadata__') continue;
    const {
      dtype,
      shape,
      data_offsets: span,
    } = value as {
      dtype?: unknown;
      shape?: unknown;
      data_offsets?: unknown;
    };
    const [from, to] = Array.isArray(span) ? (span as number[]) : [];
    if (
      typeof dtype !== 'string' ||
      !Array.isArray(shape) ||
      !Number.isSafeInteger(from) ||
      !Number.isSafeInteger(to) ||
      from! < 0 ||
      to! < from! ||
      8 + headBytes + to! > buffer.length
    )
      throw damaged(where, `tensor ${name}`);
    const bytes = Uint8Array.from(buffer.subarray(8 + headBytes + from!, 8 + headBytes + to!));
    tensors.set(name, { dtype, shape: shape as number[], bytes });
  }
  return { tensors, metadata: (header['__metadata__'] ?? {}) as Record<string, string> };
}

function damaged(where: string, got: string): StillhouseError {
  return new StillhouseError({
    kind: 'integrity',
    what: 'a safetensors file is damaged',
    where,
    got,
    next: 'fetch or write the file again',
  });
}
