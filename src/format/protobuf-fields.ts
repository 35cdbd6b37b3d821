/**
 * The fields of a protobuf message where they lie (https://protobuf.dev/programming-guides/encoding): tags, numbers and spans,
 * without reading what a span holds. What is known by its span can be copied as it is, unknown fields included.
 */
import type { ByteSource } from './byte-source.ts';

export interface Span {
  readonly start: number;
  readonly end: number;
}

export interface ProtoField {
  readonly number: number;
  /** Value of a varint field, 0 for others. Exact below 2^53. */
  readonly value: number;
  /** The payload of a length-delimited field; of others the encoded value. */
  readonly payload: Span;
  /** Tag and payload. */
  readonly whole: Span;
  readonly delimited: boolean;
}

/** The bytes are no protobuf message of this span. `endsEarly`: they may be the beginning of one. */
export class ProtobufError extends Error {
  readonly endsEarly: boolean;
  /** Bytes that the message would need from the start of the source, as far as it says so. */
  readonly wantedBytes: number;

  constructor(message: string, options: { readonly endsEarly: boolean; readonly wantedBytes: number }) {
    super(message);
    this.name = 'ProtobufError';
    this.endsEarly = options.endsEarly;
    this.wantedBytes = options.wantedBytes;
  }
}

const MAX_VARINT_BYTES = 10;
const FIXED_BYTES: Readonly<Record<number, number>> = { 1: 8, 5: 4 };

/** @throws ProtobufError when a field does not fit its message or is none. */
export function* fieldsOf(source: ByteSource, span: Span): Generator<ProtoField> {
  let at = span.start;
  while (at < span.end) {
    const start = at;
    const tag = readVarint(source, at, span.end);
    at = tag.next;
    const number = Math.floor(tag.value / 8);
    const wire = tag.value % 8;
    if (number === 0) throw malformed(`field 0 at ${start}`);
    if (wire === 0) {
      const { value, next } = readVarint(source, at, span.end);
      yield {
        number,
        value,
        payload: { start: at, end: next },
        whole: { start, end: next },
        delimited: false,
      };
      at = next;
      continue;
    }
    let length = FIXED_BYTES[wire];
    if (wire === 2) {
      const size = readVarint(source, at, span.end);
      [length, at] = [size.value, size.next];
    }
    if (length === undefined) throw malformed(`wire type ${wire} at ${start}`);
    const end = at + length;
    if (end > span.end)
      throw new ProtobufError(`field ${number} at ${start} ends at ${end}, its message at ${span.end}`, {
        endsEarly: span.end === source.sizeBytes,
        wantedBytes: end,
      });
    yield { number, value: 0, payload: { start: at, end }, whole: { start, end }, delimited: wire === 2 };
    at = end;
  }
}

function malformed(message: string): ProtobufError {
  return new ProtobufError(message, { endsEarly: false, wantedBytes: 0 });
}

function readVarint(source: ByteSource, at: number, limit: number): { value: number; next: number } {
  const bytes = source.view(at, Math.min(limit, at + MAX_VARINT_BYTES));
  let [value, factor] = [0, 1];
  for (let i = 0; i < bytes.length; i++) {
    value += (bytes[i]! & 0x7f) * factor;
    factor *= 128;
    if (bytes[i]! < 0x80) return { value, next: at + i + 1 };
  }
  if (bytes.length === MAX_VARINT_BYTES) throw malformed(`a number of more than ten bytes at ${at}`);
  throw new ProtobufError(`a number at ${at} has no end`, {
    endsEarly: limit === source.sizeBytes,
    wantedBytes: limit + 1,
  });
}

/** The values of a repeated integer field, packed or not. */
export function integersOf(source: ByteSource, field: ProtoField): number[] {
  if (!field.delimited) return [field.value];
  const values: number[] = [];
  for (let at = field.payload.start; at < field.payload.end;) {
    const { value, next } = readVarint(source, at, field.payload.end);
    values.push(value);
    at = next;
  }
  return values;
}

const text = new TextDecoder();

export function textOf(source: ByteSource, { payload }: ProtoField): string {
  return text.decode(source.view(payload.start, payload.end));
}

/** Tag and length that go before a length-delimited payload. */
export function delimitedHeader(number: number, length: number): Uint8Array {
  return Uint8Array.from([...varint(number * 8 + 2), ...varint(length)]);
}

function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
  return [...bytes, rest];
}
