/**
 * From a decoded image and a view to what a teacher's input wants, by the rule of its manifest. Rendered bytes and normalised
 * floats are two steps, so that bytes (a quarter of the size) wait in memory and floats are made when a batch is due.
 */
import type { Json } from '../core/canonical-json.ts';
import { StillhouseError } from '../core/failure.ts';
import { DECODER } from '../images/decode.ts';
import { renderView } from '../images/render-view.ts';
import type { RgbImage } from '../images/rgb-image.ts';
import { writeInterleaved, writePlanar } from '../images/to-planar.ts';
import type { View } from '../images/view.ts';
import { type TeacherManifest, acceptsSize } from './teacher-manifest.ts';

/** Raised whenever the same image would give other input. */
const PREPROCESS_VERSION = 1;

export interface ViewRenderer {
  /** Values per image. */
  readonly values: number;
  /** uint8 HWC RGB at the teacher's size; padding is marked by {@link normaliseInto}'s own rule. */
  render(image: RgbImage, view: View): Promise<Uint8Array>;
  /** Writes one rendered image as the network sees it. */
  normaliseInto(rendered: Uint8Array, out: Float32Array, offset: number): void;
}

/** @throws StillhouseError bad-input when the teacher does not take this size, naming those it takes. */
export function viewRenderer(manifest: TeacherManifest, sizePx: number): ViewRenderer {
  if (!acceptsSize(manifest, sizePx)) throw wrongSize(manifest, sizePx);
  const { input } = manifest;
  const size = { heightPx: sizePx, widthPx: sizePx, kernel: input.resize.kernel };
  const write = input.layout === 'NCHW' ? writePlanar : writeInterleaved;
  return {
    values: 3 * sizePx * sizePx,
    render: (image, view) => {
      switch (input.resize.rule) {
        case 'squash':
          return renderView(image, view, size);
        case 'shortest-side-crop':
          return renderView(image, centreSquare(image, view), size);
        case 'longest-side-pad':
          return renderPadded(image, view, size, meanColour(manifest));
      }
    },
    normaliseInto: (rendered, out, offset) => write(rendered, input, { out, offset }),
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

/** The largest centred square of a view: shortest side to the input size, then the middle, in one resampling. */
function centreSquare(image: RgbImage, view: View): View {
  const [left, top, width, height] = view.box;
  const [widthPx, heightPx] = [width * image.widthPx, height * image.heightPx];
  const side = Math.min(widthPx, heightPx);
  const [w, h] = [floorMicro(side / image.widthPx), floorMicro(side / image.heightPx)];
  return {
    box: [floorMicro(left + (width - w) / 2), floorMicro(top + (height - h) / 2), w, h],
    flip: view.flip,
  };
}

const floorMicro = (x: number): number => Math.floor(x * 1e6 + 1e-6) / 1e6;

async function renderPadded(
  image: RgbImage,
  view: View,
  size: {
    readonly heightPx: number;
    readonly widthPx: number;
    readonly kernel: TeacherManifest['input']['resize']['kernel'];
  },
  pad: readonly [number, number, number],
): Promise<Uint8Array> {
  const [, , width, height] = view.box;
  const [widthPx, heightPx] = [width * image.widthPx, height * image.heightPx];
  const scale = size.widthPx / Math.max(widthPx, heightPx);
  const [w, h] = [Math.max(1, Math.round(widthPx * scale)), Math.max(1, Math.round(heightPx * scale))];
  const inner = await renderView(image, view, {
    ...size,
    widthPx: Math.min(w, size.widthPx),
    heightPx: Math.min(h, size.heightPx),
  });
  const rowBytes = Math.min(w, size.widthPx) * 3;
  const out = new Uint8Array(size.widthPx * size.heightPx * 3);
  for (let i = 0; i < out.length; i++) out[i] = pad[i % 3]!;
  for (let row = 0; row < Math.min(h, size.heightPx); row++)
    out.set(inner.subarray(row * rowBytes, (row + 1) * rowBytes), row * size.widthPx * 3);
  return out;
}

/** The byte that normalises nearest to zero: padding after normalisation is zero in the reference (SAM pads so). RGB order. */
function meanColour({ input }: TeacherManifest): readonly [number, number, number] {
  const bytes = input.mean.map((mean) => Math.min(255, Math.max(0, Math.round(mean / input.scale))));
  const [a, b, c] = bytes as [number, number, number];
  return input.colour === 'RGB' ? [a, b, c] : [c, b, a];
}

function wrongSize(manifest: TeacherManifest, sizePx: number): StillhouseError {
  const sizes = manifest.input.sizesPx;
  return new StillhouseError({
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
