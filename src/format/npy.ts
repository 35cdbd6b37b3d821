/**
 * NumPy's .npy files (NEP 1, format versions 1 to 3): a matrix of little-endian floats in C order, as `numpy.save` writes it.
 * Read as float32 whatever its width.
 */
import { StillhouseError } from '../core/failure.ts';
import { floatFromHalf } from '../core/half.ts';

export interface NpyMatrix {
  readonly rows: number;
  readonly columns: number;
  readonly data: Float32Array;
}

const MAGIC = Buffer.from('\x93NUMPY', 'latin1');
const READERS: Readonly<
  Record<string, { readonly bytes: number; readonly at: (view: DataView, at: number) => number }>
> = {
  '<f2': { bytes: 2, at: (view, at) => floatFromHalf(view.getUint16(at, true)) },
  '<f4': { bytes: 4, at: (view, at) => view.getFloat32(at, true) },
  '<f8': { bytes: 8, at: (view, at) => view.getFloat64(at, true) },
};

/** @throws StillhouseError bad-input for another array (dimensions, dtype, order), integrity for a torn file. */
export function decodeNpy(bytes: Uint8Array, where: string): NpyMatrix {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (buffer.length < 10 || !buffer.subarray(0, 6).equals(MAGIC))
    throw refused(where, 'a file of numpy.save', 'another');
  const major = buffer[6]!;
  const lengthBytes = major === 1 ? 2 : 4;
  const headerBytes = major === 1 ? buffer.readUInt16LE(8) : buffer.readUInt32LE(8);
  const dataAt = 8 + lengthBytes + headerBytes;
  const header = buffer.subarray(8 + lengthBytes, dataAt).toString('latin1');
  const field = (pattern: RegExp): string => pattern.exec(header)?.[1] ?? '';
  const descr = field(/'descr':\s*'([^']*)'/);
  const reader = READERS[descr];
  if (reader === undefined) throw refused(where, 'dtype <f2, <f4 or <f8', descr);
  if (field(/'fortran_order':\s*(\w+)/) !== 'False') throw refused(where, 'C order', 'Fortran order');
  const shape = field(/'shape':\s*\(([^)]*)\)/)
    .split(',')
    .filter((part) => part.trim() !== '')
    .map(Number);
  const [rows, columns] = shape;
  if (shape.length !== 2 || rows === undefined || columns === undefined || !shape.every(Number.isSafeInteger))
    throw refused(where, 'a matrix [images, dimensions]', `shape (${shape.join(', ')})`);
  const wanted = dataAt + rows * columns * reader.bytes;
  if (buffer.length !== wanted)
    throw new StillhouseError({
      kind: 'integrity',
      what: 'an array file is torn',
      where,
      wanted: `${wanted} bytes`,
      got: `${buffer.length}`,
      next: 'save it again',
    });
  const view = new DataView(buffer.buffer, buffer.byteOffset + dataAt);
  const data = new Float32Array(rows * columns);
  for (let i = 0; i < data.length; i++) data[i] = reader.at(view, i * reader.bytes);
  return { rows, columns, data };
}

function refused(where: string, wanted: string, got: string): StillhouseError {
  return new StillhouseError({
    kind: 'bad-input',
    what: 'an array file that cannot be used as embeddings',
    where,
    wanted,
    got,
    next: 'save it as numpy.save(path, numpy.asarray(x, dtype="<f4"))',
  });
}
