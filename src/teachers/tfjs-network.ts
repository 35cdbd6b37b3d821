/**
 * A TFJS graph model run by tensorflow.js itself, on a backend of its own: @tensorflow/tfjs-node-gpu where it is installed, or any
 * other in tests. Whole batches in, one answer per row out, as with onnxruntime.
 */
import type * as Tfjs from '@tensorflow/tfjs';
import * as ort from 'onnxruntime-node';
import { checkRows, checkShape } from './answer-shape.ts';
import type { NetworkAnswer, TeacherNetwork } from './batched-session.ts';
import type { OnnxNetworkOptions } from './onnx-network.ts';
import { isOutOfMemory } from './out-of-memory.ts';
import { readTap } from './taps.ts';
import type { TapPlan } from './taps.ts';
import type { TapShape } from './teacher.ts';

export interface TfjsNetworkOptions extends Pick<
  OnnxNetworkOptions,
  'teacher' | 'inputName' | 'imageShape' | 'batchAxis' | 'sizePx' | 'taps'
> {
  /** Path of model.json; the shards it names lie beside it. */
  readonly modelPath: string;
  /** Name of a backend that is registered with tensorflow.js. */
  readonly backend: string;
}

interface Opened {
  readonly batch: number;
  readonly model: Tfjs.GraphModel;
}

/**
 * @param firstBatch rows of the call on zeros that tells the shapes
 * @throws StillhouseError bad-input as `loadGraphModel`, `executeGraphModel` and `readTap`; what the engine said where memory ran out
 */
export async function openTfjsNetwork(
  options: TfjsNetworkOptions,
  firstBatch: number,
): Promise<TeacherNetwork> {
  const [tf, { loadGraphModel, executeGraphModel }] = await Promise.all([
    import('@tensorflow/tfjs'),
    import('../compile/graph-model.ts'),
  ]);
  const { summary, spatial } = options.taps;
  const outputs = [...new Set([summary?.tensor, spatial?.tensor].filter((name) => name !== undefined))];
  const dimsOf = (batch: number): number[] =>
    options.batchAxis ? [batch, ...options.imageShape] : [...options.imageShape];
  const requestFor = (batch: number) => ({
    modelPath: options.modelPath,
    inputName: options.inputName,
    inputShape: dimsOf(batch),
    outputs,
  });
  const load = async (batch: number): Promise<Opened> => ({
    batch,
    model: await loadGraphModel(requestFor(batch)),
  });
  await tf.setBackend(options.backend);
  let opened = await load(firstBatch);

  const forward = async (pixels: Float32Array, batch: number): Promise<Map<string, ort.Tensor>> => {
    if (batch !== opened.batch) {
      opened.model.dispose();
      opened = await load(batch);
    }
    // other work of this thread may have chosen another one
    await tf.setBackend(options.backend);
    const results = tf.tidy(() => {
      const input = tf.tensor(pixels, dimsOf(batch), 'float32');
      try {
        return executeGraphModel(opened.model, requestFor(batch), input);
      } catch (error) {
        // as the engine said it: the caller goes on with fewer rows
        throw error instanceof Error && isOutOfMemory(error.cause) ? error.cause : error;
      }
    });
    try {
      const tensors = new Map<string, ort.Tensor>();
      for (const [i, name] of outputs.entries()) {
        const values = await results[i]!.data<'float32'>();
        tensors.set(name, new ort.Tensor('float32', Float32Array.from(values), [...results[i]!.shape]));
      }
      return tensors;
    } finally {
      for (const result of results) result.dispose();
    }
  };
  const answer = (tensors: ReadonlyMap<string, ort.Tensor>, rows: number): NetworkAnswer => ({
    summary: summary && readTap(summary, tensors.get(summary.tensor)!, rows, options.teacher).values,
    spatial: spatial && readTap(spatial, tensors.get(spatial.tensor)!, rows, options.teacher).values,
  });
  try {
    const values = options.imageShape.reduce((product, side) => product * side, firstBatch);
    const probe = await forward(new Float32Array(values), firstBatch);
    const shapeOf = (tap: TapPlan | null): TapShape | null => {
      if (tap === null) return null;
      const tensor = probe.get(tap.tensor)!;
      checkRows(options, tap.tensor, tensor, firstBatch);
      return { shape: readTap(tap, tensor, 1, options.teacher).shape, rule: tap.rule, dtype: 'float32' };
    };
    return {
      summary: shapeOf(summary),
      spatial: shapeOf(spatial),
      run: async (pixels, rows, batch) => {
        const tensors = await forward(pixels, batch);
        for (const [name, got] of tensors) {
          checkRows(options, name, got, batch);
          checkShape(options, name, { got, told: probe.get(name)! });
        }
        return answer(tensors, rows);
      },
      close: () => {
        opened.model.dispose();
        return Promise.resolve();
      },
    };
  } catch (error) {
    opened.model.dispose();
    throw error;
  }
}
