/** The trained backbone as one ONNX file for other programs: pixels in, summary and spatial features out, no heads. */
import type * as tf from '@tensorflow/tfjs';
import { traceStep } from '../compile/trace-step.ts';
import { canonicalJson } from '../core/canonical-json.ts';
import type { Digest } from '../core/ids.ts';
import { summaryOf, summaryTeachers } from './embed.ts';
import { type ParameterValues, constantWeights } from './parameters.ts';
import type { StudentConfig } from './student-config.ts';
import { need } from './train-step.ts';
import { vitForward, vitParameters } from './vit.ts';

export interface ExportOptions {
  readonly config: StudentConfig;
  readonly parameters: ParameterValues;
  /** Fixed in the graph. */
  readonly batchSize: number;
  /** Fingerprint of the run that trained it. */
  readonly runDigest: Digest;
}

/**
 * ONNX model: `pixels` [B, 3, H, W] in [0, 1] (normalised inside) -> `summary` [B, teachers * D], `spatial` [B, h, w, D].
 * metadata_props: `stillhouse.config` (canonical JSON), `stillhouse.summary_teachers` (JSON list, order of the summary's parts),
 * `stillhouse.run`.
 */
export function exportBackbone({ config, parameters, batchSize, runDigest }: ExportOptions): Uint8Array {
  const { imagePx } = config.vit;
  const traced = traceStep({
    inputs: { pixels: { shape: [batchSize, 3, imagePx, imagePx], dtype: 'float32' } },
    variables: [],
    step: (inputs) => {
      const weights = constantWeights(vitParameters(config.vit), parameters);
      const trunk = vitForward(config.vit, weights, need(inputs, 'pixels') as tf.Tensor4D);
      return { summary: summaryOf(config, trunk), spatial: trunk.tokens };
    },
  });
  return withMetadata(traced.onnx, {
    'stillhouse.config': canonicalJson(config),
    'stillhouse.run': runDigest,
    'stillhouse.summary_teachers': JSON.stringify(summaryTeachers(config)),
  });
}

/** ModelProto.metadata_props = 14, StringStringEntryProto { key = 1, value = 2 } (onnx.proto), all length-delimited. */
const METADATA_PROPS_FIELD = 14;

/** Adds metadata to a serialised model. Protobuf lets repeated fields follow at the end of a message. */
export function withMetadata(model: Uint8Array, metadata: Readonly<Record<string, string>>): Uint8Array {
  const entries = Object.entries(metadata).map(([key, value]) =>
    field(METADATA_PROPS_FIELD, Buffer.concat([field(1, Buffer.from(key)), field(2, Buffer.from(value))])),
  );
  return new Uint8Array(Buffer.concat([model, ...entries]));
}

function field(number: number, content: Uint8Array): Buffer {
  return Buffer.concat([varint((number << 3) | 2), varint(content.length), content]);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return Buffer.from([...bytes, rest]);
    bytes.push((rest % 128) | 0x80);
  }
}
