/**
 * From a decoded image and a view to what a teacher's input wants, by the rule of its manifest. Rendered bytes and normalised
 * floats are two steps, so that bytes (a quarter of the size) wait in memory and floats are made when a batch is due. Both steps
 * are pure and synchronous, and a manifest is plain data: a worker thread makes its own renderer and gives the same bytes.
 */
import type { Json } from '../core/canonical-json.ts';
import { StillhouseError } from '../core/failure.ts';
import { DECODER } from '../images/decode.ts';
import { sourceBoxOf } from '../images/render-view.ts';
import { resample } from '../images/resample.ts';
import type { RgbImage } from '../images/rgb-image.ts';
import { tensorWriter } from '../images/to-planar.ts';
import type { View } from '../images/view.ts';
import { inputGeometry } from './input-geometry.ts';
import { acceptsSize } from './input-sizes.ts';
import type { TeacherManifest } from './teacher-manifest.ts';

/** Raised whenever the same image would give other input. */
const PREPROCESS_VERSION = 3;

/** What of a manifest decides how pixels reach the network. */
export interface RenderedInput extends Pick<TeacherManifest, 'name'> {
  readonly input: Omit<TeacherManifest['input'], 'name' | 'batch'>;
}

export interface ViewRenderer {
  /** float32 values per image. */
  readonly values: number;
  /** Most bytes that one rendered view takes. */
  readonly maxBytes: number;
  /**
   * A view at the teacher's size, without padding: [heightPx, widthPx, 3] uint8 RGB, sides at most the input's.
   * @param into written from its start, at least {@link maxBytes} long; the result's data is a view of it. Default: new memory.
   */
  render(image: RgbImage, view: View, into?: Uint8Array): RgbImage;
  /** Writes one rendered view as the network sees it, padding included, straight into its place in a batch. */
  normaliseInto(rendered: RgbImage, out: Float32Array, offset: number): void;
}

/** @throws StillhouseError bad-input when the teacher does not take this size, naming those it takes. */
export function viewRenderer(manifest: RenderedInput, sizePx: number): ViewRenderer {
  checkSize(manifest, sizePx);
  return tileRenderer(manifest, sizePx);
}

/** The same for a part of the teacher's input, of any size: a tile of a mosaic. */
export function tileRenderer(manifest: RenderedInput, sizePx: number): ViewRenderer {
  const { resize, ...normalisation } = manifest.input;
  return {
    values: 3 * sizePx * sizePx,
    maxBytes: 3 * sizePx * sizePx,
    render: (image, view, into) => {
      const box = sourceBoxOf(view, image);
      const shown = { width: box.right - box.left, height: box.bottom - box.top };
      const { region, ...stretched } = inputGeometry(resize, shown, sizePx);
      const { widthPx, heightPx } = region;
      const data = into?.subarray(0, 3 * widthPx * heightPx) ?? new Uint8Array(3 * widthPx * heightPx);
      resample(image, { box, ...stretched, kernel: resize.kernel, mirror: view.flip, region }, data);
      return { widthPx, heightPx, data };
    },
    normaliseInto: tensorWriter({
      ...normalisation,
      widthPx: sizePx,
      heightPx: sizePx,
      pad: 'pad' in resize ? resize.pad : [0, 0, 0],
    }),
  };
}

/** Everything of the manifest and the code that decides a teacher's input: part of the space. */
export function preprocessDescription(manifest: TeacherManifest): Json {
  const { layout, colour, scale, mean, std, resize } = manifest.input;
  return {
    version: PREPROCESS_VERSION,
    decoder: `${DECODER.name} ${DECODER.version}`,
    layout,
    colour,
    scale,
    mean,
    std,
    resize,
  };
}

/** @throws StillhouseError bad-input when the teacher does not take this size, naming those it takes. */
export function checkSize(manifest: RenderedInput, sizePx: number): void {
  if (acceptsSize(manifest, sizePx)) return;
  const sizes = manifest.input.sizesPx;
  throw new StillhouseError({
    kind: 'bad-input',
    what: 'a teacher does not take this input size',
    where: manifest.name,
    wanted:
      'multipleOf' in sizes
        ? `a multiple of ${sizes.multipleOf} from ${sizes.min} to ${sizes.max} px`
        : `${sizes.join(' or ')} px`,
    got: `${sizePx} px`,
    next: 'choose one of the sizes named',
  });
}
