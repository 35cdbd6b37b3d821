/** Random access to bytes that may be too many to hold: a file is read where it is looked at, through one window. */
import * as fs from 'node:fs';

export interface ByteSource {
  readonly sizeBytes: number;
  /** Bytes [start, end); valid until the next call. */
  view(start: number, end: number): Uint8Array;
  /** Copies bytes [start, end) to `target` from `at` on. */
  copy(start: number, end: number, target: Uint8Array, at: number): void;
}

export function memorySource(bytes: Uint8Array): ByteSource {
  return {
    sizeBytes: bytes.length,
    view: (start, end) => bytes.subarray(start, end),
    copy: (start, end, target, at) => target.set(bytes.subarray(start, end), at),
  };
}

/** Small: between two tensors the values are jumped over, and a large window would read them after all. */
const WINDOW_BYTES = 1 << 16;

/** Opens a file for the length of a call. @throws the system's error when it cannot be read. */
export function withFileSource<T>(path: string, use: (source: ByteSource) => T): T {
  const file = fs.openSync(path, 'r');
  try {
    return use(fileSource(file));
  } finally {
    fs.closeSync(file);
  }
}

function fileSource(file: number): ByteSource {
  const sizeBytes = fs.fstatSync(file).size;
  let buffer = new Uint8Array(WINDOW_BYTES);
  let window = buffer.subarray(0, 0);
  let windowStart = 0;

  const copy: ByteSource['copy'] = (start, end, target, at) => {
    for (let done = 0; done < end - start;) {
      const count = fs.readSync(file, target, at + done, Math.min(end - start - done, 1 << 30), start + done);
      if (count === 0) throw new Error(`internal: the file ended at ${start + done} of ${sizeBytes} bytes`);
      done += count;
    }
  };

  return {
    sizeBytes,
    view: (start, end) => {
      if (start < windowStart || end > windowStart + window.length) {
        const size = Math.min(Math.max(WINDOW_BYTES, end - start), sizeBytes - start);
        if (buffer.length < size) buffer = new Uint8Array(size);
        window = buffer.subarray(0, size);
        windowStart = start;
        copy(start, start + size, window, 0);
      }
      return window.subarray(start - windowStart, end - windowStart);
    },
    copy,
  };
}
