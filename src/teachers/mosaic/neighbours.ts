/**
 * Which pictures share a canvas. A teacher with global attention sees the whole canvas, so a tile's map depends on its neighbours, and
 * a target must depend on nothing but image, view and space. Neighbours are therefore views of the same image: the endless sequence of
 * views of (seed, image) is cut into runs of k k, whatever part of it is wanted, and however many images there are (decision 0013).
 */
import type { ImageId } from '../../core/ids.ts';
import { type View, type ViewFamily, viewIdOf, viewsOf } from '../../images/view.ts';
import { type MosaicLayout, tilesOf } from './layout.ts';

/** A layout and what fixes a tile's neighbours: part of the space. */
export interface Mosaic extends MosaicLayout {
  readonly neighbours: { readonly of: 'image'; readonly seed: number } & Omit<ViewFamily, 'count'>;
}

export interface Canvas {
  /** k k views, in the order of their tiles. */
  readonly views: readonly View[];
  /** Its place in the sequence, from 0. */
  readonly index: number;
}

/** How far a view is looked for. */
const MOST_VIEWS = 1 << 16;

/**
 * The canvases that hold some views of an image, each once, in order.
 * @throws Error (a defect) for a view that is not in the image's sequence
 */
export function canvasesOf(mosaic: Mosaic, image: ImageId, wanted: readonly View[]): Canvas[] {
  const perCanvas = tilesOf(mosaic);
  const { seed, area, aspect, flip } = mosaic.neighbours;
  const missing = new Set(wanted.map(viewIdOf));
  const found: Canvas[] = [];
  let done = 0;
  for (let count = perCanvas; missing.size > 0; count *= 2) {
    if (count > MOST_VIEWS) throw new Error(`internal: ${missing.size} views of ${image} are on no canvas`);
    // drawn again from the start when more are needed: views depend on those before them
    const views = viewsOf({ area, aspect, flip, count }, seed, image);
    for (; done < count; done += perCanvas) {
      const tiles = views.slice(done, done + perCanvas);
      // a view that comes twice counts where it comes first
      const held = tiles.filter((view) => missing.delete(viewIdOf(view)));
      if (held.length > 0) found.push({ views: tiles, index: done / perCanvas });
    }
  }
  return found;
}
