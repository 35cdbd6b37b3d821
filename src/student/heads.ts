/**
 * Heads: per teacher one for the summary and one for the spatial tokens, each Linear-LN-GELU-Linear (AM-RADIO §3.2). They turn
 * the trunk's features into the teacher's and are left out of an exported backbone.
 */
import * as tf from '@tensorflow/tfjs';
import { gelu, layerNorm, linear } from './layers.ts';
import { type ParameterSpec, type Weights, layerNormParameters, linearParameters } from './parameters.ts';
import { type StudentConfig, type TargetKind, isLearned, targetWidth } from './student-config.ts';
import { type VitOutput, vitParameters } from './vit.ts';

export interface HeadOutput {
  /** [B, C] */
  readonly summary: tf.Tensor2D | undefined;
  /** [B, h, w, C] on the student's own grid: resizing comes after the head, or high frequencies lose their gradient. */
  readonly spatial: tf.Tensor4D | undefined;
}

const KINDS: readonly TargetKind[] = ['summary', 'spatial'];
const headName = (teacher: string, kind: TargetKind): string => `head.${teacher}.${kind}`;

/** Hidden width of every head: the widest target of any teacher, but at most the configured cap. */
export function headHiddenWidth(config: StudentConfig): number {
  const widths = config.vit.teachers.flatMap((teacher) =>
    KINDS.map((kind) => targetWidth(config, teacher, kind) ?? 0),
  );
  return Math.min(config.headHiddenCap, Math.max(...widths));
}

/** No head for a kind of target that the teacher lacks or whose weight is 0. */
export function headParameters(config: StudentConfig): ParameterSpec[] {
  const hidden = headHiddenWidth(config);
  return config.vit.teachers.flatMap((teacher) =>
    KINDS.filter((kind) => isLearned(config, teacher, kind)).flatMap((kind) => [
      ...linearParameters(`${headName(teacher, kind)}.expand`, config.vit.width, hidden),
      ...layerNormParameters(`${headName(teacher, kind)}.norm`, hidden),
      ...linearParameters(
        `${headName(teacher, kind)}.contract`,
        hidden,
        targetWidth(config, teacher, kind) ?? 0,
      ),
    ]),
  );
}

/** Trunk and heads. */
export function studentParameters(config: StudentConfig): ParameterSpec[] {
  return [...vitParameters(config.vit), ...headParameters(config)];
}

/** Every teacher's predictions from one trunk output. Each head reads its own CLS token, or all patch tokens. */
export function headsForward(
  config: StudentConfig,
  weights: Weights,
  trunk: VitOutput,
): Map<string, HeadOutput> {
  const [batch, height, width, channels] = trunk.tokens.shape;
  const tokens: tf.Tensor2D = tf.reshape(trunk.tokens, [batch * height * width, channels]);
  return new Map(
    config.vit.teachers.map((teacher) => {
      const summary = trunk.summaries.get(teacher);
      return [
        teacher,
        {
          summary:
            summary !== undefined && isLearned(config, teacher, 'summary')
              ? head(summary, weights, headName(teacher, 'summary'))
              : undefined,
          spatial: isLearned(config, teacher, 'spatial')
            ? tf.reshape(head(tokens, weights, headName(teacher, 'spatial')), [
                batch,
                height,
                width,
                targetWidth(config, teacher, 'spatial') ?? 0,
              ])
            : undefined,
        },
      ];
    }),
  );
}

/** [n, D] -> [n, C]. */
function head(x: tf.Tensor2D, weights: Weights, name: string): tf.Tensor2D {
  const hidden = layerNorm(linear(x, weights, `${name}.expand`), weights, `${name}.norm`);
  return linear(gelu(hidden), weights, `${name}.contract`);
}
