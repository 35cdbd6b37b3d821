/**
 * A teacher on this machine: weights located and verified, graph cut to its taps. TFJS graph models are traced to ONNX at the
 * asked size, so one engine runs everything (design.md §4).
 */
import { stat } from 'node:fs/promises';
import * as ort from 'onnxruntime-node';
import type { Json } from '../core/canonical-json.ts';
import { machineClock } from '../core/clock.ts';
import { digestOf } from '../core/digest.ts';
import { StillhouseError } from '../core/failure.ts';
import type { Digest } from '../core/ids.ts';
import { weightsPrecisionOf } from '../format/onnx-precision.ts';
import { BatchTuner } from './batch-tuner.ts';
import { openBatchedSession } from './batched-session.ts';
import { PROVIDER_TRAITS, type Provider } from './devices.ts';
import { graphInputOf } from './graph-input.ts';
import { modelWithTaps, readOnnxFile } from './onnx-file.ts';
import { type OnnxNetworkOptions, openOnnxNetwork } from './onnx-network.ts';
import { HeldWeights } from './out-of-memory.ts';
import { checkSize } from './preprocess.ts';
import type { LoadedTeacher } from './registry.ts';
import { resolveDevices } from './resolve-devices.ts';
import type { TapPlan } from './taps.ts';
import { cellPxOf } from './input-sizes.ts';
import type { SummaryTap, TeacherManifest } from './teacher-manifest.ts';
import { loadTfjsGpu } from './tfjs-gpu.ts';
import { openTfjsNetwork } from './tfjs-network.ts';
import type { RuntimeClass, TeacherSession } from './teacher.ts';
import { type WeightsFile, locateWeights } from './weights.ts';

export interface OpenOptions {
  /** As `--device` takes it; of several, the first. */
  readonly device: string;
  /** Threads that one call is spread over; 0: all cores. */
  readonly threads: number;
  /** Of the whole process. Default: no limit. */
  readonly memoryLimitBytes?: number;
  /** Of the engine that opens several teachers, and closes them all at once. Default: this one is alone. */
  readonly heldWeights?: HeldWeights;
  /** Asked before every engine call; a stopped session rejects. */
  readonly stopped?: () => boolean;
}

/** What tells a teacher's numbers apart from another's: part of every fingerprint and space. */
export interface TeacherIdentity {
  /** Digest over the sha256 of every weights file. */
  readonly weightsSha256: Digest;
  readonly runtime: RuntimeClass;
}

/** Raised whenever the tracer would give other numbers for the same TFJS model. */
const TRACE_VERSION = 1;

/**
 * @throws StillhouseError environment or integrity when weights are missing or are not those of the manifest; environment when the
 *   device is not there
 */
export async function identifyTeacher(teacher: LoadedTeacher, device: string): Promise<TeacherIdentity> {
  const [{ provider }] = (await resolveDevices(device)).devices;
  const { deviceClass, multiplies } = PROVIDER_TRAITS[provider];
  checkEngine(teacher.manifest, provider);
  const files = await locateWeights(teacher);
  const onnx =
    teacher.manifest.engine === 'onnx' ? readOnnxFile(files[0]!.path, placeOf(teacher, files[0]!)) : null;
  const weights = onnx === null ? 'f32' : weightsPrecisionOf(onnx.outline);
  const listed = new Set(files.map(({ path }) => path));
  // data that the manifest does not list is as much a part of the weights
  for (const path of onnx?.externalPaths ?? [])
    if (!listed.has(path)) files.push({ uri: `file:${path}`, path, sha256: await teacher.digests.of(path) });
  return {
    weightsSha256: files.length === 1 ? files[0]!.sha256 : digestOf(files.map(({ sha256 }) => sha256)),
    runtime: {
      ...(await engineOf(teacher.manifest, provider)),
      device: deviceClass,
      provider,
      precision: weights === 'f32' ? multiplies : weights,
    },
  };
}

async function engineOf(
  { engine }: TeacherManifest,
  provider: Provider,
): Promise<{ readonly engine: string; readonly version: string }> {
  if (provider === 'tfjs-gpu') return { engine: 'tfjs-node-gpu', version: (await loadTfjsGpu()).version };
  return {
    engine: engine === 'onnx' ? 'onnxruntime' : `onnxruntime via trace ${TRACE_VERSION}`,
    version: ort.env.versions.node ?? ort.env.versions.common,
  };
}

/** @throws StillhouseError usage for an ONNX teacher on a device that runs TFJS teachers only */
function checkEngine({ name, engine }: TeacherManifest, provider: Provider): void {
  if (provider !== 'tfjs-gpu' || engine === 'tfjs') return;
  throw new StillhouseError({
    kind: 'usage',
    what: 'tfjs-gpu runs TFJS teachers only',
    where: name,
    wanted: 'a teacher of engine tfjs',
    got: `engine ${engine}`,
    next: 'run it with --device cuda in a command of its own: both fill the same cache',
  });
}

export interface OpenInput {
  readonly sizePx: number;
  /** Rows per engine call, at most; `auto` finds the best on the work itself. No answer depends on it. */
  readonly batch: number | 'auto';
}

/**
 * One session at one input size. The caller closes it.
 * @throws StillhouseError bad-input for a teacher that does not fit its manifest; environment when weights or the device are not
 *   there, or memory does not suffice
 */
export async function openTeacher(
  teacher: LoadedTeacher,
  input: OpenInput,
  options: OpenOptions,
): Promise<TeacherSession> {
  const { manifest } = teacher;
  const { sizePx } = input;
  const { memoryLimitBytes = Infinity, threads, stopped = () => false } = options;
  const { heldWeights = new HeldWeights(memoryLimitBytes) } = options;
  checkSize(manifest, sizePx);
  const [device] = (await resolveDevices(options.device)).devices;
  checkEngine(manifest, device.provider);
  const files = await locateWeights(teacher);
  const graph = await graphOf(teacher, files[0]!, sizePx);
  const weightsBytes = await bytesOf([...files.map(({ path }) => path), ...graph.externalPaths]);
  heldWeights.checkRoomFor(manifest.name, weightsBytes);
  const network = {
    ...graph,
    teacher: manifest.name,
    inputName: manifest.input.name,
    imageShape: imageShapeOf(manifest, sizePx),
    batchAxis: manifest.input.batch !== 'none',
    sizePx,
    taps: tapsOf(teacher),
    device,
    threads,
  };
  const range = batchRange(input, { graph, provider: device.provider });
  const session = await openBatchedSession({
    where: `${manifest.name} at ${sizePx} px`,
    sizePx,
    inputValues: 3 * sizePx * sizePx,
    batch: range.most,
    tuner: new BatchTuner({ ...range, memoryLimitBytes }),
    open:
      device.provider === 'tfjs-gpu'
        ? async (batch) => {
            const { backend } = await loadTfjsGpu();
            return openTfjsNetwork({ ...network, modelPath: files[0]!.path, backend }, batch);
          }
        : (batch) => openOnnxNetwork(network, batch),
    // GPUs choose other kernels for other sizes, and their last bits differ
    proven: graph.anyBatch && graph.fixedBatch === null && device.provider === 'cpu',
    clock: machineClock,
    residentBytes: () => process.memoryUsage.rss(),
    stopped,
  });
  try {
    checkGrid(teacher, session);
    checkChannels(teacher, session);
  } catch (error) {
    await session.close();
    throw error;
  }
  heldWeights.add(manifest.name, weightsBytes);
  return session;
}

interface TeacherGraph extends Pick<OnnxNetworkOptions, 'modelFor' | 'anyBatch' | 'inputDtype'> {
  /** Rows that every call has, where manifest or graph fix them. */
  readonly fixedBatch: number | null;
  /** Files beside the model that hold its tensors. */
  readonly externalPaths: readonly string[];
}

async function graphOf(teacher: LoadedTeacher, weights: WeightsFile, sizePx: number): Promise<TeacherGraph> {
  const { manifest } = teacher;
  const { summary, spatial } = tapsOf(teacher);
  const outputs = [...new Set([summary?.tensor, spatial?.tensor].filter((name) => name !== undefined))];
  const fixedBatch = manifest.input.batch === 'any' ? null : 1;
  if (manifest.engine === 'tfjs') {
    // tensorflow.js takes half a second to load: only who needs it waits
    const { traceGraphModel } = await import('../compile/trace-graph-model.ts');
    const imageShape = imageShapeOf(manifest, sizePx);
    return {
      modelFor: async (batch) => ({
        bytes: await traceGraphModel({
          modelPath: weights.path,
          inputName: manifest.input.name,
          inputShape: manifest.input.batch === 'none' ? imageShape : [batch, ...imageShape],
          outputs,
        }),
        externalFolder: null,
      }),
      anyBatch: false,
      inputDtype: 'float32',
      fixedBatch,
      externalPaths: [],
    };
  }
  const where = placeOf(teacher, weights);
  const file = readOnnxFile(weights.path, where);
  const cut = modelWithTaps(file, outputs, where);
  const wanted = graphInputOf(manifest, cut, sizePx);
  return {
    modelFor: () => Promise.resolve(cut.load()),
    anyBatch: true,
    inputDtype: wanted.dtype,
    fixedBatch: wanted.fixedBatch ?? fixedBatch,
    externalPaths: file.externalPaths,
  };
}

const imageShapeOf = ({ input }: TeacherManifest, sizePx: number): number[] =>
  input.layout === 'NCHW' ? [3, sizePx, sizePx] : [sizePx, sizePx, 3];

/** Input of the largest batch that `auto` tries: beyond it, batches that wait take more memory than they save time. */
const MOST_INPUT_BYTES = 32 << 20;

function batchRange(
  { sizePx, batch }: OpenInput,
  of: { readonly graph: TeacherGraph; readonly provider: Provider },
): { readonly least: number; readonly first: number; readonly most: number } {
  const { fixedBatch, anyBatch } = of.graph;
  if (fixedBatch !== null) return { least: fixedBatch, first: fixedBatch, most: fixedBatch };
  if (batch !== 'auto') return { least: 1, first: batch, most: batch };
  const rowBytes = 3 * sizePx * sizePx * Float32Array.BYTES_PER_ELEMENT;
  const room = 2 ** Math.max(0, Math.floor(Math.log2(MOST_INPUT_BYTES / rowBytes)));
  const most = Math.min(room, PROVIDER_TRAITS[of.provider].mostBatch);
  // a graph of its own for every size costs more than finding the best one gains
  return { least: 1, first: anyBatch ? 1 : most, most };
}

async function bytesOf(paths: readonly string[]): Promise<number> {
  const sizes = await Promise.all([...new Set(paths)].map(async (path) => (await stat(path)).size));
  return sizes.reduce((sum, size) => sum + size, 0);
}

const placeOf = ({ manifest }: LoadedTeacher, { path }: WeightsFile): string => `${manifest.name} (${path})`;

/** What is read out of the model for the summary and the map. */
export function tapsOf({ manifest }: LoadedTeacher): {
  readonly summary: TapPlan | null;
  readonly spatial: TapPlan | null;
} {
  const { summary, spatial } = manifest;
  return {
    summary: summary && {
      kind: 'summary',
      tensor: summary.tensor,
      form: summary.from,
      layout: 'layout' in summary ? summary.layout : 'tokens',
      prefixTokens: 'prefixTokens' in summary ? summary.prefixTokens : 0,
      rule: ruleOf(summary),
    },
    spatial: spatial && {
      kind: 'spatial',
      tensor: spatial.tensor,
      layout: spatial.layout,
      prefixTokens: spatial.prefixTokens,
      rule: { tensor: spatial.tensor, layout: spatial.layout, prefixTokens: spatial.prefixTokens },
    },
  };
}

/** What is read out of the tensor; the width that the manifest promises is no part of it. */
function ruleOf(tap: SummaryTap): Json {
  return { ...tap, channels: undefined };
}

/** The widths that the manifest promises. @throws StillhouseError bad-input when the model gives another. */
function checkChannels({ manifest }: LoadedTeacher, session: TeacherSession): void {
  for (const kind of ['summary', 'spatial'] as const) {
    const wanted = manifest[kind]?.channels;
    const got = session[kind]?.shape.at(-1);
    if (wanted === undefined || got === undefined || got === wanted) continue;
    throw new StillhouseError({
      kind: 'bad-input',
      what: `the ${kind} tap of a teacher has another width than its manifest says`,
      where: `${manifest.name}, tensor ${manifest[kind]!.tensor}`,
      wanted: `${wanted} channels`,
      got: `${got}`,
      next: 'correct channels in the manifest, or tap another tensor',
    });
  }
}

/** The grid that the manifest's stride or patch promises. @throws StillhouseError bad-input when the model gives another. */
function checkGrid({ manifest }: LoadedTeacher, session: TeacherSession): void {
  if (manifest.spatial === null || session.spatial === null) return;
  const cell = cellPxOf(manifest.spatial);
  // patches that do not fit are left out; strided convolutions pad
  const exact = session.sizePx / cell;
  const wanted = manifest.spatial.patchPx === undefined ? Math.ceil(exact) : Math.floor(exact);
  const [h, w] = session.spatial.shape;
  if (h === wanted && w === wanted) return;
  throw new StillhouseError({
    kind: 'bad-input',
    what: "the grid of a teacher's spatial tap does not match its stride",
    where: `${manifest.name} at ${session.sizePx} px`,
    wanted: `${wanted} x ${wanted} cells of ${cell} px`,
    got: `${h ?? 0} x ${w ?? 0}`,
    next: 'correct stridePx or patchPx in the manifest, or tap another tensor',
  });
}
