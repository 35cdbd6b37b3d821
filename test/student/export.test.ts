import { createRequire } from 'node:module';
import type * as OnnxProto from 'onnx-proto';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { sha256 } from '../../src/core/digest.ts';
import { Embedder } from '../../src/student/embed.ts';
import { exportBackbone } from '../../src/student/export.ts';
import { initialState } from '../../src/student/trainer.ts';
import { syntheticBatch } from './synthetic.ts';
import { largestDifference, tinyConfig } from './tiny.ts';

const { onnx } = createRequire(import.meta.url)('onnx-proto') as typeof OnnxProto;
const state = initialState(tinyConfig());
const exported = exportBackbone({ ...state, batchSize: 2, runDigest: sha256('run') });

describe('exportBackbone', () => {
  it('gives a model that ONNX Runtime runs to the features of the embedder', async () => {
    const { pixels } = syntheticBatch(2, 'export', 0);
    const session = await InferenceSession.create(exported);
    const embedder = await Embedder.create({ ...state, heads: false });
    try {
      const outputs = await session.run({ pixels: new Tensor('float32', pixels, [2, 3, 8, 8]) });
      const features = await embedder.embed(pixels);
      expect([...session.outputNames].sort()).toEqual(['spatial', 'summary']);
      expect(outputs['spatial']!.dims).toEqual([2, 2, 2, 16]);
      expect(largestDifference(outputs['summary']!.data as Float32Array, features['summary']!)).toBeLessThan(
        1e-5,
      );
    } finally {
      await session.release();
      await embedder.close();
    }
  });

  it('says in its metadata what it is, as another protobuf reader sees it', () => {
    const model = onnx.ModelProto.decode(exported);
    const metadata = new Map(model.metadataProps.map(({ key, value }) => [key ?? '', value ?? '']));
    expect(JSON.parse(metadata.get('stillhouse.config')!)).toEqual(state.config);
    expect(JSON.parse(metadata.get('stillhouse.summary_teachers')!)).toEqual(['sem']);
    expect(metadata.get('stillhouse.run')).toBe(sha256('run'));
  });

  it('holds no head', () => {
    expect(Buffer.from(exported).includes('head.')).toBe(false);
    expect(exported.length).toBeLessThan(60_000);
  });
});
