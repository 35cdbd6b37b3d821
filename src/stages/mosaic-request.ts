/** From `mosaic: k` of a cache stage to the mosaic that its spaces name, neighbours included. */
import { canonicalJson } from '../core/canonical-json.ts';
import { StillhouseError } from '../core/failure.ts';
import type { ViewFamily } from '../images/view.ts';
import { mosaicLayout } from '../teachers/mosaic/layout.ts';
import type { Mosaic } from '../teachers/mosaic/neighbours.ts';
import type { TeacherManifest } from '../teachers/teacher-manifest.ts';

export interface MosaicRequest {
  readonly manifest: TeacherManifest;
  readonly tilesPerSide: number;
  readonly tilePx: number;
  /** Of every dataset of the stage. */
  readonly families: readonly ViewFamily[];
  readonly seed: number;
}

/**
 * How many views of each image are wanted is no part of it.
 * @throws StillhouseError bad-input when the tiles do not fit, or the datasets draw their views in different ways
 */
export function requestedMosaic({ manifest, families, seed, ...tiles }: MosaicRequest): Mosaic {
  const ranges = families.map(({ area, aspect, flip }) => ({ area, aspect, flip }));
  const [first] = ranges;
  const different = ranges.find((range) => canonicalJson(range) !== canonicalJson(first!));
  if (first === undefined) throw new Error('internal: a cache stage without datasets');
  if (different !== undefined)
    throw new StillhouseError({
      kind: 'bad-input',
      what: 'a mosaic needs one way to draw views',
      where: manifest.name,
      wanted: `${canonicalJson(first)} for every dataset of the stage: neighbours on a canvas are drawn like that`,
      got: canonicalJson(different),
      next: 'give the datasets the same area, aspect and flip, or each a cache stage of its own',
    });
  return { ...mosaicLayout(manifest, tiles), neighbours: { of: 'image', seed, ...first } };
}
