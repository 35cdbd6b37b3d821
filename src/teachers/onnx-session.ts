/**
 * One ONNX graph at one input size through onnxruntime. Every call has the same shape (short batches are padded with zeros), so
 * that a row's result depends on that row alone; the contract test checks it bit for bit.
 */
import * as ort from 'onnxruntime-node';
import { StillhouseError } from '../core/failure.ts';
import type { TapPlan } from './taps.ts';
import { readTap } from './taps.ts';
import type { TapShape, TeacherAnswer, TeacherSession } from './teacher.ts';

export interface OnnxSessionOptions {
  /** The graph; its outputs include every tapped tensor. */
  readonly onnx: Uint8Array;
  /** Named in messages. */
  readonly teacher: string;
  readonly inputName: string;
  /** Shape of the input without the batch: [3, size, size] or [size, size, 3]. */
  readonly imageShape: readonly number[];
  readonly sizePx: number;
  readonly batch: number;
  readonly taps: { readonly summary: TapPlan | null; readonly spatial: TapPlan | null };
  readonly providers: readonly string[];
  readonly threads: number;
}

export async function openOnnxSession(options: OnnxSessionOptions): Promise<TeacherSession> {
  const session = await createSession(options);
  if (!session.inputNames.includes(options.inputName)) {
    await session.release();
    throw misfit(options, `an input named ${options.inputName}`, `inputs ${session.inputNames.join(', ')}`);
  }
  const { summary, spatial } = options.taps;
  const fetches = [...new Set([summary?.tensor, spatial?.tensor].filter((name) => name !== undefined))];
  const values = options.imageShape.reduce((product, size) => product * size, options.batch);

  const forward = async (pixels: Float32Array): Promise<Record<string, ort.Tensor>> => {
    const input = new ort.Tensor('float32', pixels, [options.batch, ...options.imageShape]);
    try {
      return await session.run({ [options.inputName]: input }, fetches);
    } catch (error) {
      throw misfit(
        options,
        `input [${options.batch},${options.imageShape.join(',')}]`,
        error instanceof Error ? error.message : String(error),
        error,
      );
    }
  };
  const answer = (outputs: Record<string, ort.Tensor>, rows: number): TeacherAnswer => ({
    summary: summary && readTap(summary, outputs[summary.tensor]!, rows, options.teacher).values,
    spatial: spatial && readTap(spatial, outputs[spatial.tensor]!, rows, options.teacher).values,
  });
  // one call on zeros tells the shapes, and that the graph takes this input at all
  const probe = await forward(new Float32Array(values));
  const shapeOf = (tap: TapPlan | null): TapShape | null =>
    tap && { shape: readTap(tap, probe[tap.tensor]!, 1, options.teacher).shape, rule: tap.rule };
  return {
    sizePx: options.sizePx,
    batch: options.batch,
    summary: shapeOf(summary),
    spatial: shapeOf(spatial),
    run: async (pixels, rows) => {
      if (rows > options.batch || pixels.length !== (values / options.batch) * rows)
        throw new Error(`internal: ${rows} rows of ${pixels.length} values for a batch of ${options.batch}`);
      let padded = pixels;
      if (rows < options.batch) {
        padded = new Float32Array(values);
        padded.set(pixels);
      }
      return answer(await forward(padded), rows);
    },
    close: () => session.release(),
  };
}

async function createSession(options: OnnxSessionOptions): Promise<ort.InferenceSession> {
  try {
    return await ort.InferenceSession.create(options.onnx, {
      executionProviders: [...options.providers],
      intraOpNumThreads: options.threads,
      graphOptimizationLevel: 'all',
      logSeverityLevel: 3,
    });
  } catch (error) {
    throw misfit(
      options,
      'a graph that onnxruntime can load',
      error instanceof Error ? error.message : String(error),
      error,
    );
  }
}

function misfit(options: OnnxSessionOptions, wanted: string, got: string, cause?: unknown): StillhouseError {
  return new StillhouseError(
    {
      kind: 'bad-input',
      what: 'a teacher does not fit its manifest',
      where: `${options.teacher} at ${options.sizePx} px`,
      wanted,
      got: got.slice(0, 500),
      next: 'compare the manifest with the model: `stillhouse teachers check` prints inputs and shapes',
    },
    cause,
  );
}
