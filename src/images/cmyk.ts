/**
 * CMYK without a profile, as Pillow turns it into RGB: the processors that teachers were trained with do no more. The decoder would
 * assume a printing press instead (decisions/0014).
 */

/** Whether the decoder has to be asked: a JPEG of four components, or a TIFF. */
export function mayBeCmyk(bytes: Uint8Array): boolean {
  if (bytes[0] === 0xff && bytes[1] === 0xd8) return jpegComponents(bytes) === 4;
  const order = bytes[0];
  return order === bytes[1] && (order === 0x49 || order === 0x4d);
}

/** Of the first frame; 0 when no frame header is found. */
function jpegComponents(bytes: Uint8Array): number {
  for (let at = 2; at + 9 < bytes.length && bytes[at] === 0xff;) {
    const marker = bytes[at + 1]!;
    // C0..CF are frame headers but for tables (C4), a reserved one (C8) and arithmetic conditioning (CC)
    if (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)) return bytes[at + 9]!;
    if (marker === 0xff) at += 1;
    else at += 2 + bytes[at + 2]! * 256 + bytes[at + 3]!;
  }
  return 0;
}

/**
 * @param cmyk [pixels, 4] uint8, 255 = full ink
 * @returns [pixels, 3] uint8: (255 - ink) * (255 - black) / 255, rounded
 */
export function rgbOfCmyk(cmyk: Uint8Array): Uint8Array {
  const rgb = new Uint8Array((cmyk.length / 4) * 3);
  for (let from = 0, to = 0; from < cmyk.length; from += 4) {
    const light = 255 - cmyk[from + 3]!;
    for (let ink = 0; ink < 3; ink++) rgb[to++] = light - Math.floor((cmyk[from + ink]! * light + 127) / 255);
  }
  return rgb;
}
