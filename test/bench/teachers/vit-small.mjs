// A ViT-S/14 of 224 px (width 384, 12 blocks, 6 heads, 257 tokens; Dosovitskiy et al., DINOv2's small size) as ONNX file and teacher
// manifest. Random weights, written by the student's own exporter: the time of a call does not depend on their values.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { sha256 } from '../../../dist/core/digest.js';
import { exportBackbone } from '../../../dist/student/export.js';
import { initialValues } from '../../../dist/student/parameters.js';
import { vitParameters } from '../../../dist/student/vit.js';

const vit = {
  imagePx: 224,
  patchPx: 14,
  width: 384,
  depth: 12,
  heads: 6,
  mlpRatio: 4,
  registers: 0,
  teachers: ['t'],
};

export async function writeVit({ folder, batch }) {
  const config = {
    vit,
    headHiddenCap: 8,
    targets: [{ teacher: 't', sizePx: 224, summaryWidth: 8, spatialShape: null }],
    weights: { t: { summary: 1, spatial: 0 } },
    standardisation: {},
    optimiser: {
      learningRate: 0.001,
      finalLearningRate: 0,
      warmupSteps: 1,
      totalSteps: 2,
      beta1: 0.9,
      beta2: 0.98,
      epsilon: 1e-8,
      weightDecay: 0,
      clipNorm: 1,
    },
    batchSize: batch,
    seed: 1,
  };
  const onnx = exportBackbone({
    config,
    parameters: initialValues(vitParameters(vit), 1),
    batchSize: batch,
    runDigest: sha256('bench'),
  });
  writeFileSync(join(folder, 'vit-s14.onnx'), onnx);
  writeFileSync(
    join(folder, 'vit-s14.yaml'),
    `version: 1
name: vit-s14
engine: onnx
weights: { uri: 'file:vit-s14.onnx', sha256: ${sha256(onnx)} }
licence: { spdx: CC0-1.0, url: 'https://creativecommons.org/publicdomain/zero/1.0/' }
source: random weights, for timing only
input:
  name: pixels
  layout: NCHW
  colour: RGB
  sizesPx: [224]
  scale: 0.00392156862745098
  mean: [0, 0, 0]
  std: [1, 1, 1]
  resize: { rule: squash, kernel: cubic }
summary: { tensor: summary, from: vector, channels: 384 }
spatial: { tensor: spatial, layout: NHWC, patchPx: 14, channels: 384 }
lossWeights: { summary: 1, spatial: 1 }
`,
  );
}
