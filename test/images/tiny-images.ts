/** Small image files and temp folders for the tests of this room. */
import { mkdtemp, mkdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32, deflateSync } from 'node:zlib';
import sharp from 'sharp';
import { onTestFinished } from 'vitest';

/** A temp folder that is removed when the test ends, filled with the given files. */
export async function tempFolder(files: Readonly<Record<string, Uint8Array | string>> = {}): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'stillhouse-images-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  for (const [name, bytes] of Object.entries(files)) await put(Buffer.from(join(folder, name)), bytes);
  return folder;
}

/** Writes a file whose name is bytes. */
export async function put(path: Buffer, bytes: Uint8Array | string): Promise<void> {
  await mkdir(path.subarray(0, path.lastIndexOf('/')), { recursive: true });
  await writeFile(path, bytes);
}

/** Pixels that differ by seed and do not compress away. [height, width, 3] */
export function noise(width: number, height: number, seed = 1): Uint8Array {
  let state = seed;
  return Uint8Array.from({ length: width * height * 3 }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 24;
  });
}

export function asFile(
  data: Uint8Array,
  size: { readonly width: number; readonly height: number },
  format: 'png' | 'jpeg' | 'webp' | 'gif' | 'tiff' | 'avif' = 'png',
): Promise<Buffer> {
  return sharp(data, { raw: { ...size, channels: 3 } })
    .toFormat(
      format,
      format === 'webp' ? { lossless: true } : format === 'tiff' ? { compression: 'lzw' } : {},
    )
    .toBuffer();
}

/** A PNG of seeded noise. */
export function noisePng(seed = 1, width = 8, height = 6): Promise<Buffer> {
  return asFile(noise(width, height, seed), { width, height });
}

/** A valid PNG chunk by chunk, so that its header can say anything. */
export function png(
  header: { width: number; height: number; depth?: number; colour?: number },
  rows: Uint8Array,
): Buffer {
  const ihdr = Buffer.alloc(13);
  ihdr.writeUInt32BE(header.width, 0);
  ihdr.writeUInt32BE(header.height, 4);
  ihdr[8] = header.depth ?? 8;
  ihdr[9] = header.colour ?? 2;
  const magic = Buffer.from('\x89PNG\r\n\x1a\n', 'latin1');
  return Buffer.concat([
    magic,
    chunk('IHDR', ihdr),
    chunk('IDAT', deflateSync(rows)),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

function chunk(type: string, data: Uint8Array): Buffer {
  const body = Buffer.concat([Buffer.from(type), data]);
  const out = Buffer.alloc(body.length + 8);
  out.writeUInt32BE(data.length, 0);
  body.copy(out, 4);
  out.writeUInt32BE(crc32(body), out.length - 4);
  return out;
}

/** Everything that an async iterable yields. */
export async function listOf<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}
