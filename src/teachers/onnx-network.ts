/** One ONNX graph at one input size through onnxruntime: whole batches in, one answer per row out. */
import * as ort from 'onnxruntime-node';
import { StillhouseError } from '../core/failure.ts';
import { encodeHalf } from '../core/half.ts';
import { checkRows, checkShape, misfit } from './answer-shape.ts';
import type { NetworkAnswer, TeacherNetwork } from './batched-session.ts';
import { type Device, PROVIDER_TRAITS, deviceName } from './devices.ts';
import { engineLimit } from './engine-limits.ts';
import { engineMessage } from './engine-message.ts';
import type { InputDtype } from './graph-input.ts';
import type { OnnxModelSource } from './onnx-file.ts';
import { isOutOfMemory, outOfMemory } from './out-of-memory.ts';
import type { TapPlan } from './taps.ts';
import { readTap } from './taps.ts';
import type { TapShape } from './teacher.ts';

export interface OnnxNetworkOptions {
  /** The graph for a number of rows; its outputs include every tapped tensor. */
  readonly modelFor: (batch: number) => Promise<OnnxModelSource>;
  /** Whether one graph takes any number of rows; else each number has its own. */
  readonly anyBatch: boolean;
  /** Named in messages. */
  readonly teacher: string;
  readonly inputName: string;
  /** What the graph takes; floats are rounded to halves on the way in. */
  readonly inputDtype: InputDtype;
  /** Shape of the input without the batch: [3, size, size] or [size, size, 3]. */
  readonly imageShape: readonly number[];
  /** False for a graph whose input is one image with no batch axis; then every call has one row. */
  readonly batchAxis: boolean;
  readonly sizePx: number;
  readonly taps: { readonly summary: TapPlan | null; readonly spatial: TapPlan | null };
  readonly device: Device;
  /** Threads that one call is spread over; 0: all cores. */
  readonly threads: number;
}

/**
 * @param firstBatch rows of the first call; a graph that does not say what it gives, and any on a device, is asked with so many zeros
 * @throws StillhouseError bad-input when the graph does not load or does not fit; what the engine said where memory ran out
 */
export async function openOnnxNetwork(
  options: OnnxNetworkOptions,
  firstBatch: number,
): Promise<TeacherNetwork> {
  const cpuNodes: string[] = [];
  for (;;)
    try {
      return await openWith({ ...options, cpuNodes }, firstBatch);
    } catch (error) {
      const node = nodeWithoutKernel(error);
      if (node === null || options.device.provider !== 'webgpu' || cpuNodes.includes(node)) throw error;
      cpuNodes.push(node);
    }
}

const NO_KERNEL = /while running \S+ node\. Name:'([^']*)'.*not implemented/is;

/**
 * A node whose kernel says only when it runs that it cannot do what it is asked, such as Resize with antialias on WebGPU. Null also for
 * a node without a name: the engine leaves nodes to the CPU by name.
 */
function nodeWithoutKernel(error: unknown): string | null {
  const message = error instanceof Error && error.cause instanceof Error ? error.cause.message : '';
  const name = NO_KERNEL.exec(message)?.[1] ?? '';
  return name === '' ? null : name;
}

interface OpenNetworkOptions extends OnnxNetworkOptions {
  /** Names of nodes that are left to the CPU. */
  readonly cpuNodes: readonly string[];
}

async function openWith(options: OpenNetworkOptions, firstBatch: number): Promise<TeacherNetwork> {
  const { summary, spatial } = options.taps;
  const fetches = [...new Set([summary?.tensor, spatial?.tensor].filter((name) => name !== undefined))];
  const values = options.imageShape.reduce((product, size) => product * size, 1);
  let opened = { batch: firstBatch, session: await createSession(options, firstBatch) };

  const sessionFor = async (batch: number): Promise<ort.InferenceSession> => {
    if (options.anyBatch || batch === opened.batch) return opened.session;
    const session = await createSession(options, batch);
    await opened.session.release();
    opened = { batch, session };
    return session;
  };
  const forward = async (pixels: Float32Array, batch: number): Promise<Record<string, ort.Tensor>> => {
    const session = await sessionFor(batch);
    const dims = options.batchAxis ? [batch, ...options.imageShape] : [...options.imageShape];
    const input =
      options.inputDtype === 'float32'
        ? new ort.Tensor('float32', pixels, dims)
        : new ort.Tensor('float16', encodeHalf(pixels), dims);
    try {
      return await session.run({ [options.inputName]: input }, fetches);
    } catch (error) {
      // the caller goes on with fewer rows
      if (isOutOfMemory(error)) throw error;
      if (NO_KERNEL.test(engineMessage(error)) && options.device.provider !== 'cpu')
        throw noKernel(options, error);
      const wanted = `a graph that takes ${options.inputDtype} [${dims.join(',')}]`;
      throw misfit(options, wanted, engineMessage(error), error);
    }
  };
  const answer = (outputs: Record<string, ort.Tensor>, rows: number): NetworkAnswer => ({
    summary: summary && readTap(summary, outputs[summary.tensor]!, rows, options.teacher).values,
    spatial: spatial && readTap(spatial, outputs[spatial.tensor]!, rows, options.teacher).values,
  });
  try {
    // other devices may lack a kernel and say so only when it runs: they are always asked
    const told = options.device.provider === 'cpu' ? toldOutputs(opened.session, fetches) : null;
    const probe = told ?? (await forward(new Float32Array(firstBatch * values), firstBatch));
    const shapeOf = (tap: TapPlan | null): TapShape | null => {
      if (tap === null) return null;
      const tensor = probe[tap.tensor]!;
      checkRows(options, tap.tensor, tensor, firstBatch);
      return { shape: readTap(tap, tensor, 1, options.teacher).shape, rule: tap.rule, dtype: tensor.type };
    };
    return {
      summary: shapeOf(summary),
      spatial: shapeOf(spatial),
      run: async (pixels, rows, batch) => {
        const outputs = await forward(pixels, batch);
        for (const name of fetches) {
          checkRows(options, name, outputs[name]!, batch);
          checkShape(options, name, { got: outputs[name]!, told: probe[name]! });
        }
        return answer(outputs, rows);
      },
      close: () => opened.session.release(),
    };
  } catch (error) {
    await opened.session.release();
    throw error;
  }
}

/** Zeros of the shapes that a graph of fixed sizes declares for its outputs, or null: it must be asked. A call less per opened teacher. */
function toldOutputs(
  { outputMetadata }: ort.InferenceSession,
  fetches: readonly string[],
): Record<string, ort.Tensor> | null {
  const told: Record<string, ort.Tensor> = {};
  for (const name of fetches) {
    const output = outputMetadata.find((one) => one.name === name);
    if (output?.isTensor !== true || output.type !== 'float32') return null;
    const dims = output.shape.filter((size) => typeof size === 'number');
    if (dims.length === 0 || dims.length < output.shape.length || dims.some((size) => size < 1)) return null;
    told[name] = new ort.Tensor('float32', new Float32Array(dims.reduce((all, size) => all * size, 1)), dims);
  }
  return told;
}

async function createSession(options: OpenNetworkOptions, batch: number): Promise<ort.InferenceSession> {
  const model = await options.modelFor(batch);
  try {
    return await sessionOn(model, options);
  } catch (error) {
    if (isOutOfMemory(error)) throw outOfMemory(`${options.teacher} at ${options.sizePx} px`, error);
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

function sessionOn(
  model: OnnxModelSource,
  { threads, device: { provider, index }, cpuNodes }: OpenNetworkOptions,
): Promise<ort.InferenceSession> {
  const { executionProviders } = PROVIDER_TRAITS[provider];
  if (executionProviders === null) throw new Error(`internal: ${provider} is no provider of onnxruntime`);
  // errors reach the caller as exceptions; the engine's own log would only print them a second time
  ort.env.logLevel = 'fatal';
  const options: ort.InferenceSession.SessionOptions = {
    executionProviders: executionProviders(index ?? 0, cpuNodes),
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

function noKernel({ teacher, sizePx, device }: OnnxNetworkOptions, cause: unknown): StillhouseError {
  return new StillhouseError(
    {
      kind: 'environment',
      what: 'the device cannot compute an operator of a teacher',
      where: `${teacher} at ${sizePx} px`,
      wanted: `operators that onnxruntime has for ${deviceName(device)}`,
      got: engineMessage(cause).slice(0, 500),
      next: 'run this teacher with --device cpu',
    },
    cause,
  );
}
