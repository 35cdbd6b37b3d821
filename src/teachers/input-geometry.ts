/**
 * How a view that is not square reaches a square input: the size it is stretched to and which part of that is kept, as the
 * processors of the families compute it. Pure numbers; pixels are moved by images/resample.ts.
 */
import type { PixelRegion } from '../images/resample.ts';
import type { ResizeRule } from './teacher-manifest.ts';

export interface InputGeometry {
  /** Size of the stretched view in pixels. */
  readonly widthPx: number;
  readonly heightPx: number;
  /** The kept part, no larger than the input; a smaller one lies at the input's top left. */
  readonly region: PixelRegion;
}

/**
 * @param shown width and height of the view's box in source pixels; fractions are fine
 * @param sizePx side of the teacher's input
 */
export function inputGeometry(
  resize: ResizeRule,
  shown: { readonly width: number; readonly height: number },
  sizePx: number,
): InputGeometry {
  switch (resize.rule) {
    case 'squash':
      return whole(sizePx, sizePx);
    case 'shortest-side-crop': {
      const { width, height } = shown;
      const short = shortestSideAt(resize, sizePx);
      const round = ROUND[resize.rounding];
      // multiplied before it is divided, as the processors do: a quotient rounded first may fall on the other side of a whole number
      const widthPx = width <= height ? short : round((short * width) / height);
      const heightPx = width <= height ? round((short * height) / width) : short;
      const left = Math.floor((widthPx - sizePx) / 2);
      const top = Math.floor((heightPx - sizePx) / 2);
      return { widthPx, heightPx, region: { left, top, widthPx: sizePx, heightPx: sizePx } };
    }
    case 'longest-side-pad': {
      const scale = sizePx / Math.max(shown.width, shown.height);
      const side = (length: number): number =>
        Math.min(sizePx, Math.max(1, ROUND[resize.rounding](length * scale)));
      return whole(side(shown.width), side(shown.height));
    }
  }
}

/** The side that the shortest one becomes at an input size: the processor's pair keeps its ratio at other sizes. */
export function shortestSideAt(
  { shortestSidePx, cropPx }: Extract<ResizeRule, { rule: 'shortest-side-crop' }>,
  sizePx: number,
): number {
  return shortestSidePx === undefined || cropPx === undefined
    ? sizePx
    : Math.round((sizePx * shortestSidePx) / cropPx);
}

const ROUND = { down: Math.floor, 'half-up': (x: number): number => Math.floor(x + 0.5) } as const;

function whole(widthPx: number, heightPx: number): InputGeometry {
  return { widthPx, heightPx, region: { left: 0, top: 0, widthPx, heightPx } };
}
