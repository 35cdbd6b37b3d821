/** NumPy arrays of any shape to and from .npy files, version 1.0, little-endian, C order (numpy/lib/format.py); npy.ts reads matrices that users bring. */
import { StillhouseError } from '../core/failure.ts';

export type NpyDtype = 'float16' | 'float32' | 'int8' | 'uint8';
const CODE: Readonly<Record<NpyDtype, string>> = {
  float16: '<f2',
  float32: '<f4',
  int8: '|i1',
  uint8: '|u1',
};

export interface NpyArray {
  readonly shape: readonly number[];
  readonly dtype: NpyDtype;
  /** Row-major, little-endian. */
  readonly bytes: Uint8Array;
}

export function encodeNpy({ shape, dtype, bytes }: NpyArray): Uint8Array {
  const sides = shape.length === 1 ? `${shape[0]!},` : shape.join(', ');
  const text = `{'descr': '${CODE[dtype]}', 'fortran_order': False, 'shape': (${sides}), }`;
  const headBytes = Math.ceil((10 + text.length + 1) / 64) * 64;
  const out = Buffer.alloc(headBytes + bytes.length, ' ');
  out.write('\u0093NUMPY\u0001\0', 0, 'latin1');
  out.writeUInt16LE(headBytes - 10, 8);
  out.write(text, 10, 'latin1');
  out.write('\n', headBytes - 1);
  out.set(bytes, headBytes);
  return new Uint8Array(out.buffer, out.byteOffset, out.length);
}

/** `bytes` is a copy with memory of its own. @throws StillhouseError integrity for anything that is not such a file. */
export function decodeNpy(file: Uint8Array, where: string): NpyArray {
  const buffer = Buffer.from(file.buffer, file.byteOffset, file.byteLength);
  const headBytes = buffer.length < 10 ? 0 : 10 + buffer.readUInt16LE(8);
  const head = buffer.toString('latin1', 10, headBytes);
  const match = /^\{'descr': '([^']+)', 'fortran_order': False, 'shape': \(([\d, ]*)\), \} *\n$/.exec(head);
  const dtype = (Object.keys(CODE) as NpyDtype[]).find((name) => CODE[name] === match?.[1]);
  const shape = (match?.[2] ?? '').split(',').flatMap((side) => (side.trim() === '' ? [] : [Number(side)]));
  const width = dtype === 'float32' ? 4 : dtype === 'float16' ? 2 : 1;
  const sizeBytes = shape.reduce((all, side) => all * side, 1) * width;
  if (
    buffer.toString('latin1', 0, 8) !== '\u0093NUMPY\u0001\0' ||
    dtype === undefined ||
    headBytes + sizeBytes !== buffer.length
  )
    throw new StillhouseError({
      kind: 'integrity',
      what: 'a .npy file is damaged, or of a kind that is not read here',
      where,
      wanted: 'version 1.0, C order, float16, float32, int8 or uint8',
      got: head.slice(0, 120).trim() || `${buffer.length} bytes`,
      next: 'write it again with numpy.save',
    });
  return { shape, dtype, bytes: Uint8Array.from(buffer.subarray(headBytes)) };
}
