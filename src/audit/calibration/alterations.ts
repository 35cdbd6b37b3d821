/**
 * What happens to pictures on their way from one dataset into another, as ladders of rising severity (audit-and-curation.md §5.3,
 * after CLIP appendix C and DataComp). Resizing draws its kernel at random: a detector that was tuned on one kernel fails on
 * others.
 */
import sharp, { type OverlayOptions, type Sharp } from 'sharp';
import type { Rng } from '../../core/rng.ts';
import type { RgbImage } from '../../images/rgb-image.ts';

export interface Alteration {
  /** Unique: `jpeg-50`. */
  readonly name: string;
  /** Alterations of one family differ in severity only. */
  readonly family: string;
  /** From 0, mildest first. */
  readonly severity: number;
  readonly apply: (image: RgbImage, rng: Rng) => Promise<RgbImage>;
}

const KERNELS = ['nearest', 'linear', 'cubic', 'lanczos3'] as const;

/** Every rung of every ladder. */
export const ALTERATIONS: readonly Alteration[] = [
  ...ladder('jpeg', [95, 75, 50, 30], (quality) => (image) => reopened(opened(image).jpeg({ quality }))),
  ...ladder('resize', [0.75, 0.5, 0.25], (factor) => (image, rng) => {
    const kernel = KERNELS[rng.below(KERNELS.length)]!;
    const side = (px: number): number => Math.max(1, Math.round(px * factor));
    return raw(opened(image).resize(side(image.widthPx), side(image.heightPx), { kernel, fit: 'fill' }));
  }),
  ...ladder('crop', [0.9, 0.75, 0.5, 0.33], (area) => (image, rng) => {
    const width = Math.max(1, Math.round(image.widthPx * Math.sqrt(area)));
    const height = Math.max(1, Math.round(image.heightPx * Math.sqrt(area)));
    const left = rng.below(image.widthPx - width + 1);
    const top = rng.below(image.heightPx - height + 1);
    return raw(opened(image).extract({ left, top, width, height }));
  }),
  ...ladder('flip', [0], () => (image) => raw(opened(image).flop())),
  ...ladder(
    'rotate',
    [5, 15, 90],
    (degrees) => (image) => raw(opened(image).rotate(degrees, { background: '#ffffff' })),
  ),
  ...ladder(
    'aspect',
    [1.2, 0.8],
    (factor) => (image) =>
      raw(
        opened(image).resize(Math.max(1, Math.round(image.widthPx * factor)), image.heightPx, {
          fit: 'fill',
        }),
      ),
  ),
  ...ladder('grey', [0], () => (image) => raw(opened(image).greyscale())),
  ...ladder(
    'jitter',
    [0.1, 0.25, 0.4],
    (amount) => (image, rng) =>
      raw(
        opened(image).modulate({
          brightness: 1 + rng.between(-amount, amount),
          saturation: 1 + rng.between(-amount, amount),
          hue: Math.round(rng.between(-amount, amount) * 90),
        }),
      ),
  ),
  ...ladder('blur', [1, 2], (sigma) => (image) => raw(opened(image).blur(sigma))),
  ...ladder('caption', [0.1, 0.2], (share) => (image) => raw(opened(image).composite([bar(image, share)]))),
  ...ladder('border', [0.05, 0.15], (share) => (image) => {
    const px = Math.max(1, Math.round(Math.min(image.widthPx, image.heightPx) * share));
    return raw(opened(image).extend({ top: px, bottom: px, left: px, right: px, background: '#000000' }));
  }),
];

/** What the hash levels must find in every run; milder than most rungs on purpose: missing one means the run is broken. */
export const CANARY_ALTERATIONS: readonly Alteration[] = ALTERATIONS.filter(({ name }) =>
  ['jpeg-95', 'resize-0.75', 'flip', 'rotate-90', 'grey'].includes(name),
);

function ladder(
  family: string,
  rungs: readonly number[],
  of: (rung: number) => Alteration['apply'],
): Alteration[] {
  return rungs.map((rung, severity) => ({
    name: rungs.length === 1 ? family : `${family}-${rung}`,
    family,
    severity,
    apply: of(rung),
  }));
}

function opened({ widthPx, heightPx, data }: RgbImage): Sharp {
  return sharp(data, { raw: { width: widthPx, height: heightPx, channels: 3 } });
}

async function raw(pipeline: Sharp): Promise<RgbImage> {
  const { data, info } = await pipeline
    .removeAlpha()
    .toColourspace('srgb')
    .raw({ depth: 'uchar' })
    .toBuffer({ resolveWithObject: true });
  const pixels =
    info.channels === 1 ? tripled(data) : new Uint8Array(data.buffer, data.byteOffset, data.length);
  return { widthPx: info.width, heightPx: info.height, data: pixels };
}

async function reopened(pipeline: Sharp): Promise<RgbImage> {
  return raw(sharp(await pipeline.toBuffer()));
}

function tripled(grey: Uint8Array): Uint8Array {
  const out = new Uint8Array(grey.length * 3);
  grey.forEach((value, i) => out.fill(value, i * 3, i * 3 + 3));
  return out;
}

/** A white bar with a black stripe along the bottom: text on any image, without a font. */
function bar({ widthPx, heightPx }: RgbImage, share: number): OverlayOptions {
  const height = Math.max(1, Math.round(heightPx * share));
  const data = Buffer.alloc(widthPx * height * 3, 255);
  const [from, to] = [Math.floor(height * 0.4), Math.ceil(height * 0.6)];
  for (let y = from; y < to; y++)
    for (let x = Math.floor(widthPx * 0.1); x < widthPx * 0.9; x++)
      if (Math.floor(x / 3) % 2 === 0) data.fill(0, (y * widthPx + x) * 3, (y * widthPx + x) * 3 + 3);
  return { input: data, raw: { width: widthPx, height, channels: 3 }, gravity: 'south' };
}
