/** The picture that teachers are checked with: a file, or one that needs no file. */
import * as fsp from 'node:fs/promises';
import { StillhouseError, isStillhouseError, systemCodeOf } from '../core/failure.ts';
import { decodeImage } from '../images/decode.ts';
import type { RgbImage } from '../images/rgb-image.ts';
import { testPicture } from '../images/test-picture.ts';

export interface CheckPicture {
  /** The path, or `synthetic`. */
  readonly source: string;
  readonly pixels: RgbImage;
}

/** @throws StillhouseError bad-input for a path that leads to no image */
export async function checkPicture(path: string | undefined): Promise<CheckPicture> {
  if (path === undefined) return { source: 'synthetic', pixels: testPicture() };
  const bytes = await fsp.readFile(path).catch((error: unknown) => {
    const code = systemCodeOf(error);
    if (code === undefined) throw error;
    throw unusable(path, code, error);
  });
  const pixels = await decodeImage(bytes).catch((error: unknown) => {
    if (!isStillhouseError(error, 'integrity')) throw error;
    throw unusable(path, error.failure.got ?? 'no image', error);
  });
  return { source: path, pixels };
}

function unusable(path: string, got: string, cause: unknown): StillhouseError {
  return new StillhouseError(
    {
      kind: 'bad-input',
      what: 'the picture to check with cannot be used',
      where: path,
      wanted: 'an image file',
      got,
      next: 'check the path, or leave --image out',
    },
    cause,
  );
}
