/** Which image format the first bytes of a file promise. Needs no decoder, so a damaged image is told from a non-image. */

const MAGIC: readonly (readonly [format: string, offset: number, bytes: string])[] = [
  ['png', 0, '\x89PNG\r\n\x1a\n'],
  ['jpeg', 0, '\xff\xd8\xff'],
  ['gif', 0, 'GIF8'],
  ['webp', 8, 'WEBP'],
  ['tiff', 0, 'II*\0'],
  ['tiff', 0, 'MM\0*'],
  ['heif', 4, 'ftypavi'],
  ['heif', 4, 'ftyphei'],
  ['heif', 4, 'ftypmif1'],
];

/** The decoder's name of the format, or undefined when the bytes start like none of ours. */
export function sniffFormat(bytes: Uint8Array): string | undefined {
  const head = Buffer.from(bytes.subarray(0, 16)).toString('latin1');
  return MAGIC.find(([, offset, magic]) => head.startsWith(magic, offset))?.[0];
}
