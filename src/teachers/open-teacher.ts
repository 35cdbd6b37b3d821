/**
 * A teacher on this machine: weights located and verified, graph cut to its taps. TFJS graph models are traced to ONNX at the
 * asked size, so one engine runs everything (design.md §4).
 */
import * as ort from 'onnxruntime-node';
import type { Json } from '../core/canonical-json.ts';
import { digestOf } from '../core/digest.ts';
import { StillhouseError } from '../core/failure.ts';
import type { Digest } from '../core/ids.ts';
import { weightsPrecisionOf } from '../format/onnx-precision.ts';
import { PROVIDER_TRAITS } from './devices.ts';
import { type InputDtype, graphInputOf } from './graph-input.ts';
import { type OnnxModelSource, modelWithTaps, readOnnxFile } from './onnx-file.ts';
import { openOnnxSession } from './onnx-session.ts';
import { checkSize } from './preprocess.ts';
import type { LoadedTeacher } from './registry.ts';
import { resolveDevices } from './resolve-devices.ts';
import type { TapPlan } from './taps.ts';
import { type SummaryTap, cellPxOf } from './teacher-manifest.ts';
import type { RuntimeClass, TeacherSession } from './teacher.ts';
import { type WeightsFile, locateWeights } from './weights.ts';

export interface OpenOptions {
  /** As `--device` takes it; of several, the first. */
  readonly device: string;
  readonly threads: number;
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
      engine: teacher.manifest.engine === 'onnx' ? 'onnxruntime' : `onnxruntime via trace ${TRACE_VERSION}`,
      version: ort.env.versions.node ?? ort.env.versions.common,
      device: deviceClass,
      provider,
      precision: weights === 'f32' ? multiplies : weights,
    },
  };
}

/** One session at one input size. The caller closes it. */
export async function openTeacher(
  teacher: LoadedTeacher,
  input: { readonly sizePx: number; readonly batch: number },
  options: OpenOptions,
): Promise<TeacherSession> {
  const { manifest } = teacher;
  checkSize(manifest, input.sizePx);
  const [device] = (await resolveDevices(options.device)).devices;
  const [weights] = await locateWeights(teacher);
  const { sizePx } = input;
  const batchAxis = manifest.input.batch !== 'none';
  const imageShape = manifest.input.layout === 'NCHW' ? [3, sizePx, sizePx] : [sizePx, sizePx, 3];
  const taps = tapsOf(teacher);
  const outputs = [
    ...new Set([taps.summary?.tensor, taps.spatial?.tensor].filter((name) => name !== undefined)),
  ];
  let batch = manifest.input.batch === 'any' ? input.batch : 1;
  let inputDtype: InputDtype = 'float32';
  let model: OnnxModelSource;
  if (manifest.engine === 'tfjs') {
    // tensorflow.js takes half a second to load: only who needs it waits
    const { traceGraphModel } = await import('../compile/trace-graph-model.ts');
    const bytes = await traceGraphModel({
      modelPath: weights!.path,
      inputName: manifest.input.name,
      inputShape: batchAxis ? [batch, ...imageShape] : imageShape,
      outputs,
    });
    model = { bytes, externalFolder: null };
  } else {
    const where = placeOf(teacher, weights!);
    const cut = modelWithTaps(readOnnxFile(weights!.path, where), outputs, where);
    const wanted = graphInputOf(manifest, cut, sizePx);
    batch = wanted.fixedBatch ?? batch;
    inputDtype = wanted.dtype;
    model = cut.model;
  }
  const session = await openOnnxSession({
    model,
    teacher: manifest.name,
    inputName: manifest.input.name,
    inputDtype,
    imageShape,
    batchAxis,
    sizePx,
    batch,
    taps,
    device,
    threads: options.threads,
  });
  try {
    checkGrid(teacher, session);
    checkChannels(teacher, session);
  } catch (error) {
    await session.close();
    throw error;
  }
  return session;
}

const placeOf = ({ manifest }: LoadedTeacher, { path }: WeightsFile): string => `${manifest.name} (${path})`;

function tapsOf({ manifest }: LoadedTeacher): {
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
