/**
 * A teacher that is run on mosaics, in the form of a teacher that is run on small pictures: tiles in, maps of tiles out. It has no
 * summary: that of a canvas would mix its pictures, which is why mosaic teachers must have summary weight 0 (distillation.md §3.2).
 */
import type { Json } from '../../core/canonical-json.ts';
import { cellPxOf } from '../input-sizes.ts';
import type { TeacherManifest } from '../teacher-manifest.ts';
import type { TeacherSession } from '../teacher.ts';
import {
  type CanvasForm,
  type MapForm,
  canvasValues,
  composeCanvases,
  cutMaps,
  tileShape,
} from './canvas.ts';
import { type MosaicLayout, tilesOf } from './layout.ts';

/**
 * Rows of a call are tiles, canvas by canvas: rows 0 .. k k - 1 lie on the first. A tile's map may depend on the others of its
 * canvas, so the caller decides what those are; a canvas with fewer tiles is padded. Closing it closes `canvases`.
 * @param canvases the teacher at the layout's canvas size
 */
export function mosaicSession(
  canvases: TeacherSession,
  layout: MosaicLayout,
  manifest: TeacherManifest,
): TeacherSession {
  const { spatial } = canvases;
  if (spatial === null || manifest.spatial === null || canvases.sizePx !== layout.canvasPx)
    throw new Error('internal: a mosaic needs a map of its canvas');
  const { layout: order, resize } = manifest.input;
  const canvasForm: CanvasForm = { ...layout, layout: order, pad: 'pad' in resize ? resize.pad : [0, 0, 0] };
  const mapForm: MapForm = { ...layout, shape: spatial.shape, cellPx: cellPxOf(manifest.spatial) };
  const perCanvas = tilesOf(layout);
  const wholeBatch = canvasValues(canvases.batch * perCanvas, layout);
  // shared: engines in threads of their own take it without a copy; a call that fails takes its memory with it
  const free: SharedArrayBuffer[] = [];
  return {
    sizePx: layout.tilePx,
    batch: canvases.batch * perCanvas,
    inputValues: 3 * layout.tilePx * layout.tilePx,
    get lanes() {
      return canvases.lanes;
    },
    summary: null,
    spatial: { ...spatial, shape: tileShape(mapForm), rule: spatial.rule satisfies Json },
    run: async (pixels, rows) => {
      const memory = free.pop() ?? new SharedArrayBuffer(wholeBatch * Float32Array.BYTES_PER_ELEMENT);
      const inputs = new Float32Array(memory, 0, canvasValues(rows, layout));
      composeCanvases(pixels, canvasForm, inputs);
      const answer = await canvases.run(inputs, Math.ceil(rows / perCanvas));
      free.push(memory);
      return {
        summary: null,
        spatial: cutMaps(answer.spatial!, rows, mapForm),
        engineMs: answer.engineMs,
        ...(answer.callRows === undefined ? {} : { callRows: answer.callRows * perCanvas }),
      };
    },
    close: () => canvases.close(),
  };
}
