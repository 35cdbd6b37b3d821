/** Which input sizes a teacher takes, and how large the cells of its map are. */
import type { SpatialTap, TeacherManifest } from './teacher-manifest.ts';

/** Input pixels per cell of the spatial map, along each side. */
export function cellPxOf(tap: SpatialTap): number {
  const cellPx = tap.patchPx ?? tap.stridePx;
  if (cellPx === undefined) throw new Error('internal: a spatial tap without stride or patch');
  return cellPx;
}

/** Whether the teacher takes square inputs of this side. */
export function acceptsSize(
  manifest: { readonly input: Pick<TeacherManifest['input'], 'sizesPx'> },
  sidePx: number,
): boolean {
  const sizes = manifest.input.sizesPx;
  if ('multipleOf' in sizes)
    return sidePx >= sizes.min && sidePx <= sizes.max && sidePx % sizes.multipleOf === 0;
  return sizes.includes(sidePx);
}
