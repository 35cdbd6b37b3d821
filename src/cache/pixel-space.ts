/**
 * A space without a teacher: the pixels of each view, decoded, cropped and resized to one size as the loader does it at once, [3, H, W]
 * bytes. Whoever reads them decodes no image, and needs none.
 */
import { RENDER_DESCRIPTION } from '../images/render-view.ts';
import type { RenderedInput } from '../teachers/preprocess.ts';
import type { SpaceGroup } from './plan.ts';
import type { GroupSession } from './fill/group-session.ts';
import type { SpaceDescriptor } from './space.ts';

/** Before the @ of its labels, where others have the name of a teacher. */
export const PIXELS = 'pixels';

/** The bytes themselves, 0 to 255, in planes of red, green and blue. */
export const PIXELS_INPUT: RenderedInput = {
  name: PIXELS,
  input: {
    layout: 'NCHW',
    colour: 'RGB',
    sizesPx: { multipleOf: 1, min: 1, max: 65_536 },
    scale: 1,
    mean: [0, 0, 0],
    std: [1, 1, 1],
    resize: { rule: 'squash', kernel: 'cubic' },
  },
};

/** What this version of the code renders: its id changes with the decoder and the rules of rendering. */
export function pixelSpaceOf(sizePx: number): SpaceDescriptor {
  return {
    v: 1,
    teacher: { name: PIXELS, engine: 'none', weightsSha256: '' },
    runtime: { engine: 'none', version: '1', device: 'cpu', provider: 'cpu', precision: 'uint8' },
    preprocess: RENDER_DESCRIPTION,
    sizePx,
    tap: { kind: 'pixels', rule: {} },
    shape: [3, sizePx, sizePx],
    codec: { id: 'u8' },
  };
}

/** Filled with the targets, from the same decoded image. */
export const pixelGroupOf = (sizePx: number): SpaceGroup => ({
  teacher: PIXELS,
  sizePx,
  spaces: [pixelSpaceOf(sizePx)],
});

const BATCH = 8;

/** Answers with what it is shown. */
export function pixelSession(sizePx: number): GroupSession {
  const values = 3 * sizePx * sizePx;
  return {
    batch: BATCH,
    inputValues: values,
    lanes: 1,
    summary: null,
    spatial: null,
    pixels: { shape: [3, sizePx, sizePx] },
    run: (pixels, rows) =>
      Promise.resolve({
        summary: null,
        spatial: null,
        pixels: pixels.slice(0, rows * values),
        engineMs: 0,
      }),
  };
}
