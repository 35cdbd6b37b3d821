/** The few lines about a finished run that a person wants to read in the terminal, out of its summary. */
import { z } from 'zod';

const scores = z.looseObject({
  student: z.number().nullish(),
  untrained: z.number().nullish(),
  pixels: z.number().nullish(),
});
const overlap = z.looseObject({
  images: z.int(),
  matched: z.int(),
  rate: z.number().nullable(),
  low: z.number(),
  high: z.number(),
  uncompared: z.int(),
  open: z.int(),
  degenerate: z.object({ images: z.int() }),
});
const figures = z.looseObject({
  stages: z.array(z.looseObject({ id: z.string(), rejected: z.record(z.string(), z.int()) })),
  audit: z
    .looseObject({ levels: z.record(z.string(), z.looseObject({ 'train-eval': overlap.optional() })) })
    .optional(),
  targets: z.looseObject({ written: z.int(), reused: z.int() }).optional(),
  twin: scores.optional(),
  knn: scores.optional(),
  fidelity: z.record(z.string(), z.number().nullable()).optional(),
});
type Figures = z.infer<typeof figures>;

/** @param summary of a run, as summary.json holds it */
export function headlinesOf(summary: unknown): string[] {
  const { stages, audit, targets, twin, knn, fidelity } = figures.parse(summary);
  return [
    ...stages.flatMap(rejections),
    ...(audit ? overlapLines(audit.levels) : []),
    ...(targets ? [`targets: ${targets.written} written, ${targets.reused} reused`] : []),
    ...(twin ? [`twin at rank 1: ${scoresText(twin)}`] : []),
    ...(knn ? [`k-NN by label: ${scoresText(knn)}`] : []),
    ...(fidelity
      ? [
          `fidelity (lowest head, 1 = the mean): ${Object.entries(fidelity)
            .map(([teacher, value]) => `${teacher} ${share(value)}`)
            .join(', ')}`,
        ]
      : []),
  ];
}

function rejections({ id, rejected }: Figures['stages'][number]): string[] {
  const reasons = Object.entries(rejected).filter(([, count]) => count > 0);
  if (reasons.length === 0) return [];
  reasons.sort(([, a], [, b]) => b - a);
  return [`rejected by ${id}: ${reasons.map(([reason, count]) => `${count} ${reason}`).join(', ')}`];
}

/** Unique evaluation images with a match in training, at every level; the interval only where something was found. */
function overlapLines(levels: NonNullable<Figures['audit']>['levels']): string[] {
  const lines = Object.entries(levels).flatMap(([level, { 'train-eval': found }]) => {
    if (found === undefined) return [];
    const { images, matched, rate, low, high, uncompared, open, degenerate } = found;
    const interval =
      rate === null || matched === 0
        ? ''
        : `  ${percent(rate)} %, 95 % interval ${percent(low)} to ${percent(high)} %`;
    const apart = [
      ...(degenerate.images > 0 ? [`${degenerate.images} flat images apart`] : []),
      ...(uncompared > 0 ? [`${uncompared} not compared`] : []),
      ...(open > 0 ? [`${open} more have pairs that were not compared`] : []),
    ];
    const besides = apart.length === 0 ? '' : `  (${apart.join(', ')})`;
    return [`  ${level.padEnd(longest(levels))}  ${matched} of ${images}${interval}${besides}`];
  });
  return lines.length === 0 ? [] : ['evaluation images that match a training image, by level:', ...lines];
}

const longest = (record: object): number => Math.max(...Object.keys(record).map((key) => key.length));
const percent = (rate: number): string => (100 * rate).toFixed(1);
const share = (value: number | null | undefined): string => value?.toFixed(3) ?? 'not measured';
const scoresText = ({ student, untrained, pixels }: z.infer<typeof scores>): string =>
  `student ${share(student)}, untrained ${share(untrained)}, pixels ${share(pixels)}`;
