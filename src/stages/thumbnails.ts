/** Small pictures for the report, embedded as data URIs: WebP, at most 96 px a side, so 200 pairs stay near two megabytes. */
import * as fsp from 'node:fs/promises';
import sharp from 'sharp';
import type { ImageRow } from '../images/image-row.ts';
import { type Places, locate } from '../images/locate.ts';
import type { Thumbnail } from '../report/input.ts';
import { THUMBNAIL_SIDE_PX } from '../report/sections/pair-gallery.ts';

export async function thumbnailOf(row: ImageRow, places: Places): Promise<Thumbnail> {
  const name = row.label === null ? row.name : `${row.name} (${row.label})`;
  try {
    const bytes = await sharp(await fsp.readFile(locate(row.uri, places)), { failOn: 'none' })
      .autoOrient()
      .resize(THUMBNAIL_SIDE_PX, THUMBNAIL_SIDE_PX, { fit: 'inside', withoutEnlargement: true })
      .flatten({ background: '#ffffff' })
      .webp({ quality: 80 })
      .toBuffer();
    return { dataUri: `data:image/webp;base64,${bytes.toString('base64')}`, name };
  } catch (error) {
    // an image that vanished after the run leaves an empty frame; the report is still worth having
    if (error instanceof Error) return { dataUri: null, name };
    throw error;
  }
}
