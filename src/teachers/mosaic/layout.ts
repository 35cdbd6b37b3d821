/**
 * A mosaic: several small pictures on one canvas, the teacher run once, its map cut apart after (RADIOv2.5, arXiv 2412.07679; 4 x 4
 * pictures of 256 px or 2 x 2 of 432 px on the 1024 px of SAM). For teachers that take one large size, where a small picture alone
 * would cost a whole canvas. All figures of one mosaic, pure.
 */
import { StillhouseError } from '../../core/failure.ts';
import { acceptsSize, cellPxOf } from '../input-sizes.ts';
import type { TeacherManifest } from '../teacher-manifest.ts';

export interface MosaicLayout {
  readonly tilesPerSide: number;
  /** Side of one picture. */
  readonly tilePx: number;
  /** From one tile's corner to the next, at least `tilePx`; what lies between is padding. */
  readonly slotPx: number;
  /** Side of the teacher's input. */
  readonly canvasPx: number;
}

/** Tiles of a whole canvas. */
export const tilesOf = ({ tilesPerSide }: MosaicLayout): number => tilesPerSide * tilesPerSide;

/**
 * The smallest canvas that the teacher takes and the tiles fit on. Tiles lie on whole cells of the map, so that cutting needs no
 * interpolation.
 * @throws StillhouseError bad-input when there is none, tiles are no whole cells, or the teacher has no map
 */
export function mosaicLayout(
  manifest: TeacherManifest,
  { tilesPerSide, tilePx }: { readonly tilesPerSide: number; readonly tilePx: number },
): MosaicLayout {
  const where = `${manifest.name}, ${tilesPerSide} x ${tilesPerSide} tiles of ${tilePx} px`;
  const refuse = (wanted: string, got: string, next: string): StillhouseError =>
    new StillhouseError({
      kind: 'bad-input',
      what: 'a teacher cannot be run on such a mosaic',
      where,
      wanted,
      got,
      next,
    });
  if (manifest.spatial === null)
    throw refuse(
      'a spatial tap, whose map is cut apart',
      'a summary only',
      'leave mosaic out for this teacher',
    );
  const cellPx = cellPxOf(manifest.spatial);
  if (tilePx % cellPx !== 0)
    throw refuse(`tiles of whole cells of ${cellPx} px`, `${tilePx} px`, `choose a multiple of ${cellPx}`);
  for (const canvasPx of sizesFrom(manifest, tilesPerSide * tilePx)) {
    const slotPx = Math.floor(canvasPx / tilesPerSide / cellPx) * cellPx;
    if (canvasPx % cellPx === 0 && slotPx >= tilePx) return { tilesPerSide, tilePx, slotPx, canvasPx };
  }
  throw refuse(
    `an input of at least ${tilesPerSide * tilePx} px`,
    sizesText(manifest),
    'choose smaller or fewer tiles',
  );
}

/** Sizes that the teacher takes, from `least` on, ascending. */
function sizesFrom(manifest: TeacherManifest, least: number): number[] {
  const sizes = manifest.input.sizesPx;
  if (!('multipleOf' in sizes)) return sizes.filter((px) => px >= least).sort((a, b) => a - b);
  const { multipleOf, max } = sizes;
  const first = Math.max(sizes.min, Math.ceil(least / multipleOf) * multipleOf);
  const count = Math.max(0, Math.floor((max - first) / multipleOf) + 1);
  return Array.from({ length: count }, (_, i) => first + i * multipleOf).filter((px) =>
    acceptsSize(manifest, px),
  );
}

function sizesText({ input: { sizesPx } }: TeacherManifest): string {
  return 'multipleOf' in sizesPx ? `${sizesPx.min} to ${sizesPx.max} px` : `${sizesPx.join(', ')} px`;
}
