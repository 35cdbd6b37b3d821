/**
 * 64-bit hashes that change little when a picture changes little: pHash (signs of low DCT frequencies) and dHash (signs of
 * horizontal steps), audit-and-curation.md §2.2. Own definition, bit for bit: hashes of other tools are not comparable.
 *
 * A hash says nothing about a flat picture; {@link PerceptualHash.acEnergy} is what tells those apart.
 */
import { type GreyPlane, type RgbImage, greyPlaneOf, resizeGrey } from '../images/rgb-image.ts';
import { DIHEDRAL, type Dihedral, type Plane, transformed } from './dihedral.ts';

/** 64 bits as two unsigned 32-bit integers, the first bit computed being the highest of `high`. */
export type Hash64 = readonly [high: number, low: number];

export interface PerceptualHash {
  /** At most 63 bits set: the DC position is always 0. */
  readonly phash: Hash64;
  readonly dhash: Hash64;
  /** Variance of the 32 x 32 grey picture, in squared grey levels (0..255). */
  readonly acEnergy: number;
}

/** Raised whenever the same pixels would give other bits. */
export const PERCEPTUAL_HASH_VERSION = 1;

/** Two grey levels of standard deviation: below it a picture is flat to the eye and its hash is noise. */
export const DEFAULT_AC_ENERGY_FLOOR = 4;

/** Flat pictures (black frames, solid colours) match each other by accident; they are reported as their own class. */
export function isDegenerate(hash: PerceptualHash, acEnergyFloor = DEFAULT_AC_ENERGY_FLOOR): boolean {
  return hash.acEnergy < acEnergyFloor;
}

export function perceptualHashOf(image: RgbImage): PerceptualHash {
  const grids = gridsOf(greyPlaneOf(image));
  return {
    phash: phashOf(grids.square),
    dhash: dhashOf(grids.wide),
    acEnergy: varianceOf(grids.square.data),
  };
}

export interface DihedralHash {
  readonly transform: Dihedral;
  readonly phash: Hash64;
  readonly dhash: Hash64;
}

export interface DihedralHashes extends Pick<PerceptualHash, 'acEnergy'> {
  /** Of the picture after each of the eight transforms, in the order of {@link DIHEDRAL}; the first is the picture as it is. */
  readonly variants: readonly DihedralHash[];
}

export function dihedralHashesOf(grey: GreyPlane): DihedralHashes {
  const grids = gridsOf(grey);
  return {
    acEnergy: varianceOf(grids.square.data),
    variants: DIHEDRAL.map((transform, at) => ({
      transform,
      phash: phashOf(transformed(grids.square, transform)),
      dhash: dhashOf(transformed(at < 4 ? grids.wide : grids.tall, transform)),
    })),
  };
}

interface Grids {
  /** 32 x 32, for pHash and energy. */
  readonly square: Plane;
  /** 9 x 8, for dHash. */
  readonly wide: Plane;
  /** 8 x 9: becomes 9 x 8 after a quarter turn. */
  readonly tall: Plane;
}

function gridsOf(grey: GreyPlane): Grids {
  const plane = (width: number, height: number): Plane => ({
    width,
    height,
    data: resizeGrey(grey, width, height),
  });
  return { square: plane(32, 32), wide: plane(9, 8), tall: plane(8, 9) };
}

const SIDE = 32;
const KEPT = 8;
/** In grey levels of an orthonormal transform. */
const STEP = 4;

/** Orthonormal DCT-II basis, [KEPT * SIDE]. */
const BASIS = Float64Array.from({ length: KEPT * SIDE }, (_, i) => {
  const u = Math.floor(i / SIDE);
  const x = i % SIDE;
  return Math.sqrt((u === 0 ? 1 : 2) / SIDE) * Math.cos(((2 * x + 1) * u * Math.PI) / (2 * SIDE));
});

/**
 * Bit per coefficient of the lowest 8 x 8 frequencies, row by row: 1 where it is above the median of the 63 without DC.
 * Coefficients are rounded to steps first. Mirror-symmetric pictures have half their coefficients near zero, with the median
 * among them; unrounded, those bits are noise. Measured on 3,786 emoji against the same emoji shrunk to 48 px and saved as JPEG
 * 75: with steps of 4 grey levels 97.9 % of the copies lie within radius 4 and 2,038 of 7.2 million pairs are false; with
 * steps of 1 it is 86.4 % and 1,889, with 1/1024 75.6 % and 1,669.
 */
function phashOf(square: Plane): Hash64 {
  const coefficients = lowFrequencies(square.data).map(
    // symmetric about zero, so that a mirrored picture rounds alike
    (c) => Math.sign(c) * Math.round(Math.abs(c) / STEP),
  );
  const median = coefficients.slice(1).sort()[31]!;
  return bitsWhere((i) => i > 0 && coefficients[i]! > median);
}

/** [KEPT * KEPT], row = vertical frequency. */
function lowFrequencies(grey: Float64Array): Float64Array {
  const rows = new Float64Array(SIDE * KEPT);
  for (let y = 0; y < SIDE; y++) {
    for (let u = 0; u < KEPT; u++) {
      let sum = 0;
      for (let x = 0; x < SIDE; x++) sum += BASIS[u * SIDE + x]! * grey[y * SIDE + x]!;
      rows[y * KEPT + u] = sum;
    }
  }
  const out = new Float64Array(KEPT * KEPT);
  for (let v = 0; v < KEPT; v++) {
    for (let u = 0; u < KEPT; u++) {
      let sum = 0;
      for (let y = 0; y < SIDE; y++) sum += BASIS[v * SIDE + y]! * rows[y * KEPT + u]!;
      out[v * KEPT + u] = sum;
    }
  }
  return out;
}

/** Bit per step of the 9 x 8 picture, row by row: 1 where the right pixel is brighter. In whole grey levels: flat areas tie. */
function dhashOf(wide: Plane): Hash64 {
  const level = (x: number, y: number): number => Math.round(wide.data[y * 9 + x]!);
  return bitsWhere((i) => level((i % 8) + 1, i >> 3) > level(i % 8, i >> 3));
}

function bitsWhere(isSet: (index: number) => boolean): Hash64 {
  const words: [number, number] = [0, 0];
  for (let i = 0; i < 64; i++) {
    if (isSet(i)) words[i < 32 ? 0 : 1] |= 1 << (31 - (i & 31));
  }
  return [words[0] >>> 0, words[1] >>> 0];
}

function varianceOf(values: Float64Array): number {
  let sum = 0;
  for (const value of values) sum += value;
  const mean = sum / values.length;
  let squares = 0;
  for (const value of values) squares += (value - mean) ** 2;
  return squares / values.length;
}

/** 16 lower-case hex digits. */
export function hexOfHash(hash: Hash64): string {
  return hash.map((word) => word.toString(16).padStart(8, '0')).join('');
}

/** Inverse of {@link hexOfHash}. */
export function hashOfHex(hex: string): Hash64 {
  if (!/^[0-9a-f]{16}$/.test(hex)) throw new Error(`internal: "${hex}" is not a 64-bit hash`);
  return [Number.parseInt(hex.slice(0, 8), 16), Number.parseInt(hex.slice(8), 16)];
}
