/**
 * One ONNX graph at one input size through onnxruntime. Every call has the same shape (short batches are padded with zeros), so
 * that a row's result depends on that row alone; the contract test checks it bit for bit.
 */
import * as ort from 'onnxruntime-node';
import { StillhouseError } from '../core/failure.ts';
import { encodeHalf } from '../core/half.ts';
import { type Device, PROVIDER_TRAITS, deviceName } from './devices.ts';
import { engineLimit } from './engine-limits.ts';
import { engineMessage } from './engine-message.ts';
import type { InputDtype } from './graph-input.ts';
import type { OnnxModelSource } from './onnx-file.ts';
import type { TapPlan } from './taps.ts';
import { readTap } from './taps.ts';
import type { TapShape, TeacherAnswer, TeacherSession } from './teacher.ts';

export interface OnnxSessionOptions {
  /** The graph; its outputs include every tapped tensor. */
  readonly model: OnnxModelSource;
  /** Named in messages. */
  readonly teacher: string;
  readonly inputName: string;
  /** What the graph takes; floats are rounded to halves on the way in. */
  readonly inputDtype: InputDtype;
  /** Shape of the input without the batch: [3, size, size] or [size, size, 3]. */
  readonly imageShape: readonly number[];
  /** False for a graph whose input is one image with no batch axis; then `batch` is 1. */
  readonly batchAxis: boolean;
  readonly sizePx: number;
  readonly batch: number;
  readonly taps: { readonly summary: TapPlan | null; readonly spatial: TapPlan | null };
  readonly device: Device;
  readonly threads: number;
}

export async function openOnnxSession(options: OnnxSessionOptions): Promise<TeacherSession> {
  const session = await createSession(options);
  const { summary, spatial } = options.taps;
  const fetches = [...new Set([summary?.tensor, spatial?.tensor].filter((name) => name !== undefined))];
  const values = options.imageShape.reduce((product, size) => product * size, options.batch);
  const inputDims = options.batchAxis ? [options.batch, ...options.imageShape] : [...options.imageShape];

  const forward = async (pixels: Float32Array): Promise<Record<string, ort.Tensor>> => {
    const input =
      options.inputDtype === 'float32'
        ? new ort.Tensor('float32', pixels, inputDims)
        : new ort.Tensor('float16', encodeHalf(pixels), inputDims);
    try {
      return await session.run({ [options.inputName]: input }, fetches);
    } catch (error) {
      throw misfit(
        options,
        `a graph that takes ${options.inputDtype} [${inputDims.join(',')}]`,
        engineMessage(error),
        error,
      );
    }
  };
  const answer = async (pixels: Float32Array, rows: number): Promise<TeacherAnswer> => {
    const started = performance.now();
    const outputs = await forward(pixels);
    return {
      summary: summary && readTap(summary, outputs[summary.tensor]!, rows, options.teacher).values,
      spatial: spatial && readTap(spatial, outputs[spatial.tensor]!, rows, options.teacher).values,
      engineMs: performance.now() - started,
    };
  };
  let shapes: { summary: TapShape | null; spatial: TapShape | null };
  try {
    // one call on zeros tells the shapes, and that the graph takes this input at all
    const probe = await forward(new Float32Array(values));
    const shapeOf = (tap: TapPlan | null): TapShape | null => {
      if (tap === null) return null;
      const tensor = probe[tap.tensor]!;
      if (tensor.dims[0] !== options.batch)
        throw misfit(
          options,
          `tensor ${tap.tensor} with ${options.batch} rows, one per image`,
          `${tensor.type} [${tensor.dims.join(',')}]`,
        );
      return { shape: readTap(tap, tensor, 1, options.teacher).shape, rule: tap.rule, dtype: tensor.type };
    };
    shapes = { summary: shapeOf(summary), spatial: shapeOf(spatial) };
  } catch (error) {
    await session.release();
    throw error;
  }
  return {
    sizePx: options.sizePx,
    batch: options.batch,
    inputValues: values / options.batch,
    lanes: 1,
    ...shapes,
    run: async (pixels, rows) => {
      if (rows > options.batch || pixels.length !== (values / options.batch) * rows)
        throw new Error(`internal: ${rows} rows of ${pixels.length} values for a batch of ${options.batch}`);
      let padded = pixels;
      // the engine takes no shared memory
      if (rows < options.batch || pixels.buffer instanceof SharedArrayBuffer) {
        padded = new Float32Array(values);
        padded.set(pixels);
      }
      return answer(padded, rows);
    },
    close: () => session.release(),
  };
}

async function createSession(options: OnnxSessionOptions): Promise<ort.InferenceSession> {
  try {
    return await sessionOn(options);
  } catch (error) {
    const message = engineMessage(error);
    const limit = engineLimit(
      {
        where: `${options.teacher} at ${options.sizePx} px`,
        engine: `onnxruntime ${ort.env.versions.node ?? ort.env.versions.common}`,
        message,
      },
      error,
    );
    throw (
      limit ??
      misfit(options, `a graph that onnxruntime can load on ${deviceName(options.device)}`, message, error)
    );
  }
}

/**
 * Idle threads of the engine sleep: by default they spin, and take the cores from decoding and writing (2 cores, two teachers on
 * emoji: 12.7 s spinning, 9.0 s sleeping, medians of three alternating runs).
 */
const waiting = { intra_op: { allow_spinning: '0' } };

function sessionOn({
  model,
  threads,
  device: { provider, index },
}: OnnxSessionOptions): Promise<ort.InferenceSession> {
  // errors reach the caller as exceptions; the engine's own log would only print them a second time
  ort.env.logLevel = 'fatal';
  const options: ort.InferenceSession.SessionOptions = {
    executionProviders: PROVIDER_TRAITS[provider].executionProviders(index ?? 0),
    intraOpNumThreads: threads,
    graphOptimizationLevel: 'all',
    logSeverityLevel: 4,
    extra: { session: waiting },
  };
  if ('path' in model) return ort.InferenceSession.create(model.path, options);
  const folder = model.externalFolder;
  return ort.InferenceSession.create(
    model.bytes,
    folder === null
      ? options
      : {
          ...options,
          extra: { session: { ...waiting, model_external_initializers_file_folder_path: folder } },
        },
  );
}

function misfit(options: OnnxSessionOptions, wanted: string, got: string, cause?: unknown): StillhouseError {
  return new StillhouseError(
    {
      kind: 'bad-input',
      what: 'a teacher does not fit its manifest',
      where: `${options.teacher} at ${options.sizePx} px`,
      wanted,
      got: got.slice(0, 500),
      next: 'compare the input and the taps of the manifest with the model; `stillhouse inspect <model.onnx>` lists its inputs and outputs',
    },
    cause,
  );
}
