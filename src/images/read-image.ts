/** Bytes and pixels of an indexed image, checked against its id: an image is its bytes, wherever they lie. */
import * as fsp from 'node:fs/promises';
import { sha256 } from '../core/digest.ts';
import { StillhouseError, printable, systemCodeOf } from '../core/failure.ts';
import { decodeImage } from './decode.ts';
import type { ImageRow } from './image-row.ts';
import { type Places, locate } from './locate.ts';
import type { RgbImage } from './rgb-image.ts';

/** What it takes to find an image and to know it. */
export type ImageRef = Pick<ImageRow, 'id' | 'uri'>;

/** The bytes of an indexed image. @throws StillhouseError bad-input when they are gone or are no longer the indexed ones. */
export async function readImage(image: ImageRef, places: Places): Promise<Uint8Array> {
  const path = locate(image.uri, places);
  let bytes: Uint8Array;
  try {
    bytes = await fsp.readFile(path);
  } catch (error) {
    const code = systemCodeOf(error);
    if (code === undefined) throw error;
    throw changed(image, code, error);
  }
  const got: string = sha256(bytes);
  if (got !== image.id) throw changed(image, `sha256 ${got}`);
  return bytes;
}

/** Decoded pixels of an indexed image. Errors as {@link readImage} and {@link decodeImage}. */
export async function loadImage(image: ImageRef, places: Places): Promise<RgbImage> {
  return decodeImage(await readImage(image, places));
}

function changed(image: ImageRef, got: string, cause?: unknown): StillhouseError {
  return new StillhouseError(
    {
      kind: 'bad-input',
      what: 'an image changed or vanished since it was indexed',
      where: printable(image.uri),
      wanted: `sha256 ${image.id}`,
      got,
      next: 'run again: the index stage sees the change and indexes the dataset anew',
    },
    cause,
  );
}
