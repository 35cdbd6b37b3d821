// The coordinate-image law: red counts columns and green counts rows, so every pixel that a network sees says where it came from.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sourceBoxOf } from '../../src/images/render-view.ts';
import type { View } from '../../src/images/view.ts';
import { viewRenderer } from '../../src/teachers/preprocess.ts';
import type { ResizeRule } from '../../src/teachers/teacher-manifest.ts';
import { COORDINATE_BLUE, coordinateImage } from '../images/coordinate-image.ts';
import { lookAlike, teacherOf } from './look-alikes.ts';

/** Kernels that give a straight ramp back as it is, and half their width. */
const SUPPORT = { linear: 1, cubic: 2 } as const;
const kernel = fc.constantFrom('linear', 'cubic');
const rounding = fc.constantFrom('down', 'half-up');
const PAD = -1;

const rules = {
  squash: fc.record({ rule: fc.constant('squash'), kernel }),
  'shortest-side-crop': fc
    .record({
      rule: fc.constant('shortest-side-crop'),
      kernel,
      rounding,
      cropPx: fc.integer({ min: 8, max: 64 }),
      more: fc.integer({ min: 0, max: 20 }),
    })
    .map(({ more, ...rule }) => ({ ...rule, shortestSidePx: rule.cropPx + more })),
  'longest-side-pad': fc.record({
    rule: fc.constant('longest-side-pad'),
    kernel,
    rounding,
    pad: fc.constant([PAD, PAD, PAD]),
  }),
} as unknown as Readonly<
  Record<ResizeRule['rule'], fc.Arbitrary<ResizeRule & { kernel: 'linear' | 'cubic' }>>
>;

const side = fc.integer({ min: 30, max: 250 });
const share = fc.integer({ min: 250_000, max: 1_000_000 });
const start = fc.integer({ min: 0, max: 1_000_000 });
const view: fc.Arbitrary<View> = fc
  .record({ width: share, height: share, left: start, top: start, flip: fc.boolean() })
  .map(({ width, height, left, top, flip }) => ({
    box: [Math.min(left, 1e6 - width), Math.min(top, 1e6 - height), width, height].map((x) => x / 1e6) as [
      number,
      number,
      number,
      number,
    ],
    flip,
  }));

const plain = teacherOf(lookAlike('dinov2'), {
  numbers: {
    'input.scale': 1,
    'input.mean': [0, 0, 0],
    'input.std': [1, 1, 1],
    'input.layout': 'NHWC',
  },
}).manifest;

interface Axis {
  /** Of the view's box, in source pixels. */
  readonly from: number;
  readonly length: number;
  /** Source pixels per pixel of the input. */
  readonly scale: number;
  /** Whether the middle of the box, or its beginning, is that of the input. */
  readonly centred: boolean;
}

/** Where the middle of an input pixel lies in the source, in pixels counted as the ramp counts them. */
function placeOf({ from, length, scale, centred }: Axis, at: number, sizePx: number): number {
  const origin = centred ? from + length / 2 - (sizePx / 2) * scale : from;
  return origin + (at + 0.5) * scale - 0.5;
}

/** Scales of the two axes by what the rule promises, before anything is rounded to whole pixels. */
function axesOf(rule: ResizeRule, box: ReturnType<typeof sourceBoxOf>, sizePx: number): [x: Axis, y: Axis] {
  const spans = [
    { from: box.left, length: box.right - box.left },
    { from: box.top, length: box.bottom - box.top },
  ] as const;
  const [short, long] = [Math.min(...spans.map((s) => s.length)), Math.max(...spans.map((s) => s.length))];
  return spans.map((span) => {
    if (rule.rule === 'squash') return { ...span, scale: span.length / sizePx, centred: false };
    if (rule.rule === 'longest-side-pad') return { ...span, scale: long / sizePx, centred: false };
    const shortestSidePx = Math.round((sizePx * rule.shortestSidePx!) / rule.cropPx!);
    return { ...span, scale: short / shortestSidePx, centred: true };
  }) as [Axis, Axis];
}

describe.each(Object.entries(rules))('%s', (_name, arbitrary) => {
  it('shows every place of a view where the view’s box says, at any size, mirrored or not', () => {
    const sizes = fc.integer({ min: 8, max: 64 });
    fc.assert(
      fc.property(arbitrary, view, side, side, sizes, (resize, view, widthPx, heightPx, sizePx) => {
        const manifest = { ...plain, input: { ...plain.input, sizesPx: [sizePx], resize } };
        const image = coordinateImage(widthPx, heightPx);
        const renderer = viewRenderer(manifest, sizePx);
        const seen = new Float32Array(renderer.values);
        renderer.normaliseInto(renderer.render(image, view), seen, 0);

        const [x, y] = axesOf(resize, sourceBoxOf(view, image), sizePx);
        let shown = 0;
        // thousands of pixels a run: told apart first, expected once
        const wrong: string[] = [];
        for (let row = 0; row < sizePx; row++)
          for (let column = 0; column < sizePx; column++) {
            const at = (row * sizePx + column) * 3;
            const [red, green, blue] = [seen[at]!, seen[at + 1]!, seen[at + 2]!];
            const across = placeOf(x, view.flip && !isPadded(resize) ? sizePx - 1 - column : column, sizePx);
            const down = placeOf(y, row, sizePx);
            if (blue === PAD) {
              // padding begins where the box ends, to a whole pixel
              const beyondX = across - (x.from + x.length) + 1.5 * x.scale;
              const beyondY = down - (y.from + y.length) + 1.5 * y.scale;
              if (Math.max(beyondX, beyondY) < 0) wrong.push(`padding at ${column},${row}`);
              continue;
            }
            if (blue !== COORDINATE_BLUE) wrong.push(`blue ${blue} at ${column},${row}`);
            shown += 1;
            for (const [value, place, axis, sourcePx, mirrored] of [
              [red, across, x, widthPx, view.flip],
              [green, down, y, heightPx, false],
            ] as const) {
              // in a padded input the box itself is mirrored, not the input
              const wanted =
                mirrored && isPadded(resize) ? 2 * (axis.from + axis.length / 2) - 1 - place : place;
              const reach = SUPPORT[resize.kernel] * Math.max(1, axis.scale) + axis.scale + 1;
              if (wanted < reach || wanted > sourcePx - 1 - reach) continue;
              // two roundings to bytes, and sizes and places of whole pixels
              if (Math.abs(value - wanted) > 1 + axis.scale)
                wrong.push(`${value} for ${wanted} at ${column},${row}`);
            }
          }
        expect(wrong).toEqual([]);
        expect(shown).toBeGreaterThan(0);
      }),
      { numRuns: Number(process.env['RUNS'] ?? 20) },
    );
  });
});

function isPadded({ rule }: ResizeRule): boolean {
  return rule === 'longest-side-pad';
}
