/** The eight ways to lay a picture back on its own axes: rotations by quarter turns and mirror images of them. */

/** Rotations turn clockwise; `transpose` mirrors along the falling diagonal, `transverse` along the rising one. */
export const DIHEDRAL = [
  'identity',
  'mirror',
  'flip',
  'rotate-180',
  'transpose',
  'rotate-90',
  'rotate-270',
  'transverse',
] as const;

export type Dihedral = (typeof DIHEDRAL)[number];

export interface Plane {
  readonly width: number;
  readonly height: number;
  /** [height * width], row by row. */
  readonly data: Float64Array;
}

/** The plane after the transform; width and height swap for quarter turns and diagonal mirrors. */
export function transformed(plane: Plane, transform: Dihedral): Plane {
  const at = DIHEDRAL.indexOf(transform);
  const swap = at >= 4;
  const mirrored = (at & 1) === 1;
  const flipped = (at & 2) === 2;
  const width = swap ? plane.height : plane.width;
  const height = swap ? plane.width : plane.height;
  const data = new Float64Array(plane.data.length);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const u = mirrored ? width - 1 - x : x;
      const v = flipped ? height - 1 - y : y;
      data[y * width + x] = swap ? plane.data[u * plane.width + v]! : plane.data[v * plane.width + u]!;
    }
  }
  return { width, height, data };
}
