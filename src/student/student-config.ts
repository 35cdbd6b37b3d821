/**
 * What a student is, as one JSON value: the trunk, the targets it learns from, the weights of their losses, the optimiser.
 * A checkpoint holds it, so the value together with the parameters is all that is needed to go on or to export.
 */
import { z } from 'zod';
import { StillhouseError } from '../core/failure.ts';
import { parseStrictly } from '../core/strict-parse.ts';

const positiveInt = z.int().positive();
const teacherName = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, 'letters, digits, dot, dash, underscore');

const vitSchema = z.strictObject({
  /** Side of the square input in pixels; a multiple of `patchPx`. */
  imagePx: positiveInt,
  patchPx: positiveInt,
  width: positiveInt,
  depth: positiveInt,
  heads: positiveInt,
  /** Hidden width of a block's MLP relative to `width`. */
  mlpRatio: z.number().positive(),
  registers: z.int().min(0),
  /** One CLS token per teacher, in this order. */
  teachers: z.array(teacherName).min(1),
});

const targetSchema = z.strictObject({
  teacher: teacherName,
  /** Side of the teacher's input in pixels: tells resolutions of one teacher apart. */
  sizePx: positiveInt,
  /** Width C of the summary vector [C], or null when the teacher has none. */
  summaryWidth: positiveInt.nullable(),
  /** Shape [h, w, C] of the spatial map, or null when it is not used. */
  spatialShape: z.tuple([positiveInt, positiveInt, positiveInt]).nullable(),
});

const standardisationSchema = z.strictObject({
  mean: z.array(z.number()).min(1),
  std: z.array(z.number().positive()).min(1),
});

const optimiserSchema = z.strictObject({
  /** Peak learning rate, reached after the warm-up. */
  learningRate: z.number().positive(),
  /** Learning rate at the last step. */
  finalLearningRate: z.number().min(0),
  warmupSteps: z.int().min(0),
  totalSteps: positiveInt,
  beta1: z.number().min(0).lt(1),
  beta2: z.number().min(0).lt(1),
  epsilon: z.number().positive(),
  weightDecay: z.number().min(0),
  /** Largest global norm of the gradient; larger ones are scaled down to it. */
  clipNorm: z.number().positive(),
});

export const studentConfigSchema = z.strictObject({
  vit: vitSchema,
  /** Upper bound on the heads' hidden width, which otherwise is the widest target (AM-RADIO §3.2). */
  headHiddenCap: positiveInt,
  targets: z.array(targetSchema).min(1),
  /** Loss weights per teacher (lambda and gamma of AM-RADIO §3.4). */
  weights: z.record(teacherName, z.strictObject({ summary: z.number().min(0), spatial: z.number().min(0) })),
  /**
   * By `<teacher>@<px>.summary` and `.spatial`: one head answers for all resolutions of a teacher, and each has its own mean and
   * deviation. A missing entry leaves those targets as the teacher gave them.
   */
  standardisation: z.record(z.string(), standardisationSchema),
  optimiser: optimiserSchema,
  batchSize: positiveInt,
  /** Draws the initial parameters. */
  seed: z.int(),
});

export type StudentConfig = z.infer<typeof studentConfigSchema>;
export type VitConfig = z.infer<typeof vitSchema>;
export type TargetSpec = z.infer<typeof targetSchema>;
export type OptimiserConfig = z.infer<typeof optimiserSchema>;
/**
 * Per-channel mean and standard deviation of one teacher's targets over the training set, computed by the caller.
 *
 * Channels of different teachers differ in scale by a factor of 100, and within one teacher a few channels carry most of the
 * norm. Cosine then looks at those channels alone and smooth-L1 at the loudest teacher alone. Standardised targets put every
 * channel of every teacher on one scale, so that weights and fidelities can be compared. AM-RADIO itself does not do this:
 * its heads give the teacher's own values. Leave the entry out to follow it.
 */
export type Standardisation = z.infer<typeof standardisationSchema>;
export type TargetKind = 'summary' | 'spatial';

/** What tells the targets of one teacher at one resolution apart: `nanodet@224`. */
export const targetLabel = (target: TargetSpec): string => `${target.teacher}@${target.sizePx}`;

/** @throws StillhouseError bad-input with what does not fit. */
export function parseStudentConfig(value: unknown, where: string): StudentConfig {
  const config = parseStrictly(studentConfigSchema, value, where);
  const findings = [...vitFindings(config.vit), ...targetFindings(config)];
  if (findings.length > 0)
    throw new StillhouseError({
      kind: 'bad-input',
      what: 'the student configuration contradicts itself',
      where,
      got: findings.join('; '),
      next: 'correct the named values',
    });
  return config;
}

function* vitFindings(vit: VitConfig): Generator<string> {
  if (vit.imagePx % vit.patchPx !== 0)
    yield `imagePx ${vit.imagePx} is no multiple of patchPx ${vit.patchPx}`;
  if (vit.width % vit.heads !== 0) yield `width ${vit.width} is no multiple of heads ${vit.heads}`;
  if (new Set(vit.teachers).size !== vit.teachers.length) yield 'a teacher is listed twice';
}

function* targetFindings(config: StudentConfig): Generator<string> {
  const labels = config.targets.map(targetLabel);
  for (const label of labels.filter((name, i) => labels.indexOf(name) !== i)) yield `target ${label} twice`;
  for (const { teacher } of config.targets)
    if (!config.vit.teachers.includes(teacher)) yield `target of unknown teacher ${teacher}`;
  for (const teacher of Object.keys(config.weights))
    if (!config.vit.teachers.includes(teacher)) yield `weights for unknown teacher ${teacher}`;
  const widthOf = new Map(
    config.targets.flatMap((target) => [
      [`${targetLabel(target)}.summary`, target.summaryWidth],
      [`${targetLabel(target)}.spatial`, target.spatialShape?.[2] ?? null],
    ]),
  );
  for (const [key, { mean, std }] of Object.entries(config.standardisation)) {
    const width = widthOf.get(key) ?? null;
    if (width === null) yield `standardisation of unknown ${key}`;
    else if (mean.length !== width || std.length !== width)
      yield `standardisation of ${key} has ${mean.length} means, ${std.length} stds, wanted ${width}`;
  }
  for (const teacher of config.vit.teachers) {
    if (config.weights[teacher] === undefined) yield `no weights for teacher ${teacher}`;
    for (const kind of ['summary', 'spatial'] as const) {
      const widths = new Set(widthsOf(config, teacher, kind));
      if (widths.size > 1) yield `${teacher}.${kind} has widths ${[...widths].join(' and ')}`;
    }
  }
  if (!config.vit.teachers.some((t) => isLearned(config, t, 'summary') || isLearned(config, t, 'spatial')))
    yield 'no target has a weight above 0';
}

function widthsOf(config: StudentConfig, teacher: string, kind: TargetKind): number[] {
  return config.targets
    .filter((target) => target.teacher === teacher)
    .map((target) => (kind === 'summary' ? target.summaryWidth : (target.spatialShape?.[2] ?? null)))
    .filter((width) => width !== null);
}

/** Channels of a teacher's summary or spatial targets, equal at every resolution; undefined when there are none. */
export function targetWidth(config: StudentConfig, teacher: string, kind: TargetKind): number | undefined {
  return widthsOf(config, teacher, kind)[0];
}

/** Whether a head and a loss exist: the teacher gives such targets and their weight is above 0. */
export function isLearned(config: StudentConfig, teacher: string, kind: TargetKind): boolean {
  return (config.weights[teacher]?.[kind] ?? 0) > 0 && targetWidth(config, teacher, kind) !== undefined;
}

/** Targets of one teacher that have this kind: one per resolution. */
export function targetsOf(config: StudentConfig, teacher: string, kind: TargetKind): TargetSpec[] {
  return config.targets.filter(
    (target) =>
      target.teacher === teacher && (kind === 'summary' ? target.summaryWidth : target.spatialShape) !== null,
  );
}
