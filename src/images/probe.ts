/** Proves that one file is a whole image within limits, and measures it. Trouble is a value with a reason, never a throw. */
import { readFile, stat } from 'node:fs/promises';
import sharp from 'sharp';
import { sha256 } from '../core/digest.ts';
import { systemCodeOf } from '../core/failure.ts';
import { type ImageId, imageId } from '../core/ids.ts';
import { decoderMessage } from './decode.ts';
import { sniffFormat } from './sniff-format.ts';

/** Why one file is no image of a dataset. */
export type ProbeReason =
  'missing' | 'empty-file' | 'not-an-image' | 'corrupt' | 'too-many-pixels' | 'unreadable';

export interface ProbedImage {
  readonly id: ImageId;
  readonly sizeBytes: number;
  /** Pixels, after EXIF orientation. */
  readonly width: number;
  readonly height: number;
  /** As the decoder names it: `png`, `jpeg`, `webp`, `gif`, `tiff`, `heif`. */
  readonly format: string;
}

export type Probe =
  | { readonly ok: true; readonly image: ProbedImage }
  | {
      readonly ok: false;
      readonly id: ImageId | null;
      readonly reason: ProbeReason;
      readonly detail: string;
    };

export interface ProbeOptions {
  /** Images with more pixels are refused by their header, before anything is decoded. */
  readonly maxPixels: number;
  /** Larger files are not read. */
  readonly maxBytes: number;
}

/** Errors of the process, not of one file; they stop the command. */
const PROCESS_CODES = new Set(['EMFILE', 'ENFILE', 'ENOMEM']);

/** Reads a file whole and probes its bytes. Only regular files are opened: a pipe would block for ever. */
export async function probeFile(path: Buffer, options: ProbeOptions): Promise<Probe> {
  let bytes: Buffer;
  try {
    const found = await stat(path);
    if (!found.isFile()) return refused('unreadable', 'not a regular file');
    if (found.size > options.maxBytes) {
      return refused('unreadable', `${found.size} bytes, at most ${options.maxBytes} are read`);
    }
    bytes = await readFile(path);
  } catch (error) {
    const code = systemCodeOf(error);
    if (code === undefined || PROCESS_CODES.has(code)) throw error;
    return refused(code === 'ENOENT' || code === 'ENOTDIR' ? 'missing' : 'unreadable', code);
  }
  return probeBytes(bytes, options);
}

/** As {@link probeFile}, on bytes: header first, then one full decode with every warning of the codec as an error. */
export async function probeBytes(
  bytes: Uint8Array,
  options: Pick<ProbeOptions, 'maxPixels'>,
): Promise<Probe> {
  if (bytes.length === 0) return refused('empty-file', '0 bytes');
  const id = imageId(sha256(bytes));
  const sniffed = sniffFormat(bytes);
  if (sniffed === undefined) return refused('not-an-image', 'no known image format', id);
  try {
    const { width, height, format, autoOrient } = await sharp(bytes, { limitInputPixels: false }).metadata();
    if (width * height > options.maxPixels) {
      return refused('too-many-pixels', `${width} x ${height} px, at most ${options.maxPixels} in all`, id);
    }
    await decodeOnce(bytes, width * height, options.maxPixels);
    const image = { id, sizeBytes: bytes.length, width: autoOrient.width, height: autoOrient.height, format };
    return { ok: true, image };
  } catch (error) {
    return refused('corrupt', `${sniffed}: ${decoderMessage(error)}`, id);
  }
}

/** Up to here an image is decoded into memory, which for small ones is three times as fast as streaming it. */
const SMALL_PIXELS = 1_000_000;

/** Every pixel passes through the codec. Large images stream: memory stays near a few rows; no shrink-on-load, which skips some. */
async function decodeOnce(bytes: Uint8Array, pixels: number, maxPixels: number): Promise<void> {
  const image = sharp(bytes, { failOn: 'warning', limitInputPixels: maxPixels, sequentialRead: true });
  const walked =
    pixels <= SMALL_PIXELS
      ? image
      : image.resize(8, 8, { fit: 'fill', kernel: 'linear', fastShrinkOnLoad: false });
  await walked.raw().toBuffer();
}

function refused(reason: ProbeReason, detail: string, id: ImageId | null = null): Probe {
  return { ok: false, id, reason, detail };
}
