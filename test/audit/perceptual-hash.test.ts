import { describe, expect, it } from 'vitest';
import { DIHEDRAL, transformed } from '../../src/audit/dihedral.ts';
import { hammingDistance } from '../../src/audit/hamming-search.ts';
import {
  dihedralHashesOf,
  hashOfHex,
  hexOfHash,
  isDegenerate,
  perceptualHashOf,
} from '../../src/audit/perceptual-hash.ts';
import { type RgbImage, greyOf, greyPlaneOf, resizeGrey } from '../../src/images/rgb-image.ts';
import { blobs, paint } from './sample-images.ts';

/** The same transform on whole images, channel by channel. */
function turned(image: RgbImage, transform: (typeof DIHEDRAL)[number]): RgbImage {
  const planes = [0, 1, 2].map((c) =>
    transformed(
      {
        width: image.widthPx,
        height: image.heightPx,
        data: Float64Array.from({ length: image.data.length / 3 }, (_, i) => image.data[i * 3 + c]!),
      },
      transform,
    ),
  );
  const { width, height } = planes[0]!;
  return paint(width, height, (x, y) => {
    const at = y * width + x;
    return [planes[0]!.data[at]!, planes[1]!.data[at]!, planes[2]!.data[at]!];
  });
}

/** pHash by the defining double sum of the DCT-II, no tables, no separability. */
function naivePhash(image: RgbImage): string {
  const grey = resizeGrey({ widthPx: image.widthPx, heightPx: image.heightPx, data: greyOf(image) }, 32, 32);
  const coefficients: number[] = [];
  for (let v = 0; v < 8; v++) {
    for (let u = 0; u < 8; u++) {
      let sum = 0;
      for (let y = 0; y < 32; y++) {
        for (let x = 0; x < 32; x++) {
          sum +=
            grey[y * 32 + x]! *
            Math.cos((Math.PI / 32) * (x + 0.5) * u) *
            Math.cos((Math.PI / 32) * (y + 0.5) * v);
        }
      }
      const norm = (f: number): number => (f === 0 ? Math.sqrt(1 / 32) : Math.sqrt(2 / 32));
      coefficients.push(Math.round((sum * norm(u) * norm(v)) / 4));
    }
  }
  const median = coefficients.slice(1).sort((a, b) => a - b)[31]!;
  const bits = coefficients.map((c, i) => (i > 0 && c > median ? '1' : '0')).join('');
  return BigInt(`0b${bits}`).toString(16).padStart(16, '0');
}

describe('transformed', () => {
  it('turns a quarter clockwise', () => {
    const plane = { width: 3, height: 2, data: Float64Array.of(1, 2, 3, 4, 5, 6) };
    expect([...transformed(plane, 'rotate-90').data]).toEqual([4, 1, 5, 2, 6, 3]);
    expect([...transformed(plane, 'rotate-270').data]).toEqual([3, 6, 2, 5, 1, 4]);
    expect([...transformed(plane, 'rotate-180').data]).toEqual([6, 5, 4, 3, 2, 1]);
    expect([...transformed(plane, 'mirror').data]).toEqual([3, 2, 1, 6, 5, 4]);
    expect([...transformed(plane, 'transpose').data]).toEqual([1, 4, 2, 5, 3, 6]);
  });
});

describe('perceptualHashOf', () => {
  it('agrees with the DCT by its definition', () => {
    for (let seed = 0; seed < 20; seed++) {
      expect(hexOfHash(perceptualHashOf(blobs(seed, 50)).phash)).toBe(naivePhash(blobs(seed, 50)));
    }
  });

  it('sets every step of a dHash that rises to the right, and none of one that falls', () => {
    const rising = paint(90, 40, (x) => [x, x, x]);
    const falling = paint(90, 40, (x) => [90 - x, 90 - x, 90 - x]);
    expect(hexOfHash(perceptualHashOf(rising).dhash)).toBe('ffffffffffffffff');
    expect(hexOfHash(perceptualHashOf(falling).dhash)).toBe('0000000000000000');
  });

  it('moves little when a picture is made smaller and brighter, and much between unrelated pictures', () => {
    const related: number[] = [];
    const unrelated: number[] = [];
    for (let seed = 0; seed < 40; seed++) {
      const image = blobs(seed, 96);
      const small = blobs(seed, 40);
      const bright = { ...small, data: small.data.map((v) => Math.min(255, v + 12)) };
      related.push(hammingDistance(perceptualHashOf(image).phash, perceptualHashOf(bright).phash));
      unrelated.push(
        hammingDistance(perceptualHashOf(image).phash, perceptualHashOf(blobs(seed + 1000)).phash),
      );
    }
    expect(Math.max(...related)).toBeLessThan(Math.min(...unrelated));
    expect(related.reduce((a, b) => a + b) / related.length).toBeLessThan(4);
  });

  it('has no bit from float noise in a mirror-symmetric picture: odd horizontal frequencies are all zero', () => {
    const symmetric = paint(64, 64, (x, y) => {
      const far = Math.abs(x - 31.5);
      return [4 * far, (far * far * y) % 256, 60 + 2 * y];
    });
    const [high, low] = perceptualHashOf(symmetric).phash;
    expect([high & 0x55555555, low & 0x55555555]).toEqual([0, 0]);
    expect(high & 0xaaaaaaaa).not.toBe(0);
  });

  it('calls flat pictures degenerate, whatever their colour, and drawn ones not', () => {
    for (const grey of [0, 128, 255]) {
      const hash = perceptualHashOf(paint(64, 64, () => [grey, grey, grey]));
      expect(hash.acEnergy).toBeLessThan(1e-9);
      expect(isDegenerate(hash)).toBe(true);
    }
    const frameNoise = paint(64, 64, (x, y) => {
      const v = (x * 7 + y * 13) % 3;
      return [v, v, v];
    });
    expect(isDegenerate(perceptualHashOf(frameNoise))).toBe(true);
    expect(isDegenerate(perceptualHashOf(blobs(3)))).toBe(false);
  });

  it('takes pictures of one pixel and of one row', () => {
    expect(perceptualHashOf(paint(1, 1, () => [9, 9, 9])).acEnergy).toBe(0);
    expect(perceptualHashOf(paint(500, 1, (x) => [x % 256, 0, 0])).acEnergy).toBeGreaterThan(0);
  });
});

describe('dihedralHashesOf', () => {
  it('gives the hashes that the turned picture itself would have', () => {
    for (const image of [blobs(5, 72), paint(144, 72, (x, y) => [x, (3 * y) % 256, (x * y) % 256])]) {
      for (const { transform, phash, dhash } of dihedralHashesOf(greyPlaneOf(image)).variants) {
        const direct = perceptualHashOf(turned(image, transform));
        expect({ transform, phash, dhash }).toEqual({ transform, phash: direct.phash, dhash: direct.dhash });
      }
    }
  });

  it('names all eight transforms once, identity first', () => {
    const names = dihedralHashesOf(greyPlaneOf(blobs(1))).variants.map(({ transform }) => transform);
    expect(names).toEqual([...DIHEDRAL]);
    expect(
      new Set(dihedralHashesOf(greyPlaneOf(blobs(1))).variants.map(({ phash }) => hexOfHash(phash))).size,
    ).toBe(8);
  });
});

describe('hexOfHash', () => {
  it('survives the way there and back', () => {
    const hash = [0xdeadbeef, 7] as const;
    expect(hexOfHash(hash)).toBe('deadbeef00000007');
    expect(hashOfHex('deadbeef00000007')).toEqual(hash);
    expect(() => hashOfHex('xyz')).toThrow(/internal/);
  });
});
