import { describe, expect, it } from 'vitest';
import { pixelDigestOf } from '../../src/audit/pixel-digest.ts';
import { blobs } from './sample-images.ts';

const decoder = { name: 'sharp', version: '1.2.3' };

describe('pixelDigestOf', () => {
  it('is equal for equal pixels and differs when one value differs by one', () => {
    const image = blobs(1);
    const changed = { ...image, data: image.data.slice() };
    expect(pixelDigestOf(changed, decoder)).toBe(pixelDigestOf(image, decoder));
    changed.data[100]! ^= 1;
    expect(pixelDigestOf(changed, decoder)).not.toBe(pixelDigestOf(image, decoder));
  });

  it('tells apart shapes that hold the same bytes', () => {
    const data = new Uint8Array(2 * 8 * 3);
    const wide = pixelDigestOf({ widthPx: 8, heightPx: 2, data }, decoder);
    expect(pixelDigestOf({ widthPx: 2, heightPx: 8, data }, decoder)).not.toBe(wide);
  });

  it('never matches across decoders or their versions', () => {
    const image = blobs(1);
    const digests = [decoder, { ...decoder, version: '1.2.4' }, { ...decoder, name: 'other' }].map((d) =>
      pixelDigestOf(image, d),
    );
    expect(new Set(digests).size).toBe(3);
  });
});
