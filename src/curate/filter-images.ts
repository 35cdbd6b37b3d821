/** Drops images by their own properties: size, shape, colour, exposure, detail, blur (audit-and-curation.md §5.2, quality). */
import { z } from 'zod';
import type { ImageId } from '../core/ids.ts';
import type { ImageRow } from '../images/image-row.ts';
import { type ImageMeasures, MEASURE_SIDE_PX } from './image-measures.ts';
import { type CurateLedgerRow, type CurateReason, type StepResult, rejection } from './ledger.ts';

const share = z.number().min(0).max(1);

/** Cuts; one that is absent filters nothing. An image at the cut stays. */
export const filterSchema = z.strictObject({
  minSidePx: z.int().min(1).optional().describe('Shorter side, native pixels.'),
  maxSidePx: z.int().min(1).optional().describe('Longer side, native pixels.'),
  minPixels: z.int().min(1).optional().describe('Width x height, native.'),
  maxPixels: z.int().min(1).optional(),
  maxAspect: z.number().min(1).optional().describe('Longer side / shorter side.'),
  maxUniformShare: share.optional().describe('Share of pixels in the most common colour (5 bits a channel).'),
  minBrightest: share.optional().describe('99th percentile of brightness: darker is too dark.'),
  maxDarkest: share.optional().describe('5th percentile of brightness: lighter is too light.'),
  minEntropyBits: z.number().min(0).max(8).optional().describe('Shannon entropy of the grey levels.'),
  minSharpness: z
    .number()
    .min(0)
    .optional()
    .describe(`Variance of the Laplacian with the long side at ${MEASURE_SIDE_PX} px, squared grey levels.`),
});
export type FilterPolicy = z.infer<typeof filterSchema>;

interface Filter {
  readonly cut: keyof FilterPolicy;
  readonly reason: CurateReason;
  readonly what: string;
  readonly side: 'min' | 'max';
  readonly valueOf: (row: ImageRow, measures: () => ImageMeasures) => number;
}

/** In the order in which they are looked at. */
const FILTERS: readonly Filter[] = [
  size('minSidePx', 'too-small', 'shorter side', ({ width, height }) => Math.min(width, height)),
  size('minPixels', 'too-small', 'pixels', ({ width, height }) => width * height),
  size('maxSidePx', 'too-large', 'longer side', ({ width, height }) => Math.max(width, height)),
  size('maxPixels', 'too-large', 'pixels', ({ width, height }) => width * height),
  size(
    'maxAspect',
    'odd-aspect',
    'aspect',
    ({ width, height }) => Math.max(width, height) / Math.min(width, height),
  ),
  measure('maxUniformShare', 'uniform-colour', 'uniformShare'),
  measure('minBrightest', 'too-dark', 'brightest'),
  measure('maxDarkest', 'too-light', 'darkest'),
  measure('minEntropyBits', 'low-entropy', 'entropyBits'),
  measure('minSharpness', 'blurred', 'sharpness'),
];

function size(
  cut: keyof FilterPolicy,
  reason: CurateReason,
  what: string,
  valueOf: (row: ImageRow) => number,
): Filter {
  return { cut, reason, what, side: sideOf(cut), valueOf };
}

function measure(cut: keyof FilterPolicy, reason: CurateReason, name: keyof ImageMeasures): Filter {
  return { cut, reason, what: name, side: sideOf(cut), valueOf: (_, measures) => measures()[name] };
}

function sideOf(cut: string): 'min' | 'max' {
  return cut.startsWith('min') ? 'min' : 'max';
}

export interface FilterCheck {
  readonly cut: keyof FilterPolicy;
  readonly reason: CurateReason;
  /** What was measured: `shorter side`, `sharpness`. */
  readonly what: string;
  readonly value: number;
  readonly threshold: string;
  readonly passed: boolean;
}

/** Every filter that the policy sets, held against one image. */
export function checkImage(
  row: ImageRow,
  policy: FilterPolicy,
  measures: () => ImageMeasures,
): FilterCheck[] {
  return FILTERS.flatMap(({ cut, reason, what, side, valueOf }) => {
    const limit = policy[cut];
    if (limit === undefined) return [];
    const value = valueOf(row, measures);
    const passed = side === 'min' ? value >= limit : value <= limit;
    return [{ cut, reason, what, value, threshold: `${cut} ${limit}`, passed }];
  });
}

/** Whether the policy needs more than the manifest tells. */
export function needsMeasures(policy: FilterPolicy): boolean {
  const fromManifest = ['minSidePx', 'maxSidePx', 'minPixels', 'maxPixels', 'maxAspect'];
  return Object.entries(policy).some(([cut, limit]) => limit !== undefined && !fromManifest.includes(cut));
}

export interface FilterInput {
  readonly rows: readonly ImageRow[];
  readonly policy: FilterPolicy;
  /** Of every image of `rows`; looked at only where the policy needs it ({@link needsMeasures}). */
  readonly measures: ReadonlyMap<ImageId, ImageMeasures>;
}

/** The reason is the first filter that fails; the detail names all. */
export function filterImages({ rows, policy, measures }: FilterInput): StepResult {
  const kept: ImageRow[] = [];
  const rejected: CurateLedgerRow[] = [];
  for (const row of rows) {
    const failed = checkImage(row, policy, () => measuresOf(measures, row.id)).filter(
      ({ passed }) => !passed,
    );
    const [first] = failed;
    if (first === undefined) kept.push(row);
    else
      rejected.push(
        rejection(row, {
          reason: first.reason,
          detail: failed.map(failureOf).join('; '),
          value: first.value,
          threshold: first.threshold,
        }),
      );
  }
  return { kept, rejected };
}

function measuresOf(measures: ReadonlyMap<ImageId, ImageMeasures>, id: ImageId): ImageMeasures {
  const found = measures.get(id);
  if (found === undefined) throw new Error(`internal: image ${id} was not measured`);
  return found;
}

function failureOf({ what, value, threshold }: FilterCheck): string {
  return `${what} ${Number(value.toPrecision(4))}, ${threshold}`;
}
