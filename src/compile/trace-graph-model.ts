/**
 * A TFJS graph model (model.json and its weight shards) at one input shape to ONNX, weights included.
 *
 * The model runs once under the trace backend, up to the wanted nodes only. A convolutional network can so be taken at another
 * size or batch than it was saved with, as long as no node on the way holds a shape of its own.
 */
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { z } from 'zod';
import { StillhouseError } from '../core/failure.ts';
import { nearestNames } from '../core/nearest-names.ts';
import { Graph, type Value } from './graph.ts';
import { lower } from './lower.ts';
import { tracing } from './trace-backend.ts';
import { traced, wholeValue } from './traced.ts';

export interface TraceGraphModelOptions {
  /** Path of model.json; the shards it names lie beside it. */
  readonly modelPath: string;
  /** Name of the placeholder, kept as the ONNX input's name. float32. */
  readonly inputName: string;
  /** Its shape in the model's own layout, batch first. */
  readonly inputShape: readonly number[];
  /** Node names, kept as the names of the ONNX outputs, in this order. */
  readonly outputs: readonly string[];
}

const nodeSchema = z.looseObject({
  name: z.string(),
  op: z.string(),
  attr: z.record(z.string(), z.unknown()).optional(),
});
const modelSchema = z.looseObject({
  format: z.literal('graph-model'),
  modelTopology: z.looseObject({ node: z.array(nodeSchema) }),
  weightsManifest: z.array(
    z.object({ paths: z.array(z.string()), weights: z.array(z.looseObject({ name: z.string() })) }),
  ),
});
type GraphModelFile = z.infer<typeof modelSchema>;

/**
 * @returns The ONNX model, opset 18.
 * @throws StillhouseError bad-input when a file is missing or not a graph model, when the input or an output is no node of it
 *   (nearest names are listed), or when a node on the way cannot be compiled at this shape.
 */
export async function traceGraphModel(options: TraceGraphModelOptions): Promise<Uint8Array> {
  const { modelPath, inputName } = options;
  const file = await readModelFile(modelPath);
  const names = new Set(file.modelTopology.node.map((node) => node.name));
  const placeholders = file.modelTopology.node.filter((node) => node.op === 'Placeholder');
  checkNode(modelPath, 'input', inputName, new Set(placeholders.map((node) => node.name)));
  for (const name of options.outputs) checkNode(modelPath, 'output', name, names);

  const weights = await Promise.all(
    file.weightsManifest
      .flatMap((group) => group.paths)
      .map((path) => readPart(join(dirname(modelPath), path), modelPath)),
  );
  const model = await tf.loadGraphModel({
    load: () => Promise.resolve(artifactsOf(file, options, Buffer.concat(weights))),
  });
  try {
    const graph = new Graph();
    return tracing(graph, (backend) => {
      const input = graph.input(inputName, { shape: options.inputShape, dtype: 'float32' });
      const results = execute(model, options, backend.tensorOf(traced(input)));
      const outputs = new Map<string, Value>();
      for (const [i, name] of options.outputs.entries())
        outputs.set(name, wholeValue(graph, backend.tracedOf(results[i]!)));
      return lower({ name: 'graph-model', graph, outputs }).onnx;
    });
  } finally {
    model.dispose();
  }
}

function execute(model: tf.GraphModel, options: TraceGraphModelOptions, input: tf.Tensor): tf.Tensor[] {
  try {
    const results = model.execute({ [options.inputName]: input }, [...options.outputs]);
    return Array.isArray(results) ? results : [results];
  } catch (cause) {
    if (cause instanceof StillhouseError) throw cause;
    throw new StillhouseError(
      {
        kind: 'bad-input',
        what: 'the graph model cannot run at this input shape',
        where: options.modelPath,
        wanted: 'a shape that every node up to the outputs accepts',
        got: `[${options.inputShape.join(',')}]: ${cause instanceof Error ? cause.message : String(cause)}`,
        next: 'choose another size, or outputs before the node that fails',
      },
      cause,
    );
  }
}

async function readModelFile(modelPath: string): Promise<GraphModelFile> {
  const bytes = await readPart(modelPath, modelPath);
  let json: unknown;
  try {
    json = JSON.parse(bytes.toString('utf8'));
  } catch (cause) {
    throw notAGraphModel(modelPath, 'no JSON', cause);
  }
  const parsed = modelSchema.safeParse(json);
  if (!parsed.success) throw notAGraphModel(modelPath, z.prettifyError(parsed.error), parsed.error);
  return parsed.data;
}

async function readPart(path: string, modelPath: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (cause) {
    throw new StillhouseError(
      {
        kind: 'bad-input',
        what: 'a file of the graph model cannot be read',
        where: path,
        wanted: `model.json and the shards it names (${modelPath})`,
        got: cause instanceof Error ? cause.message : String(cause),
        next: 'fetch the model again with all its files',
      },
      cause,
    );
  }
}

function notAGraphModel(where: string, got: string, cause: unknown): StillhouseError {
  return new StillhouseError(
    {
      kind: 'bad-input',
      what: 'not a TFJS graph model',
      where,
      wanted: 'model.json of format graph-model',
      got,
      next: 'convert the model with tensorflowjs_converter --output_format=tfjs_graph_model',
    },
    cause,
  );
}

function checkNode(where: string, role: 'input' | 'output', name: string, known: ReadonlySet<string>): void {
  if (known.has(name)) return;
  throw new StillhouseError({
    kind: 'bad-input',
    what: `the graph model has no ${role} node named ${name}`,
    where,
    wanted: role === 'input' ? 'the name of a Placeholder' : 'the name of a node',
    got: `${name}; nearest: ${nearestNames(name, known, 5).join(', ')}`,
    next: 'correct the name in the teacher manifest',
  });
}

/** The model as tensorflow.js takes it, its placeholder given the requested shape in place of the saved one. */
function artifactsOf(
  file: GraphModelFile,
  options: TraceGraphModelOptions,
  weights: Buffer,
): tf.io.ModelArtifacts {
  const dim = options.inputShape.map((size) => ({ size: String(size) }));
  const node = file.modelTopology.node.map((one) =>
    one.name === options.inputName ? { ...one, attr: { ...one.attr, shape: { shape: { dim } } } } : one,
  );
  const specs = file.weightsManifest.flatMap((group) => group.weights);
  return {
    format: file.format,
    modelTopology: { ...file.modelTopology, node },
    weightSpecs: specs as unknown as tf.io.WeightsManifestEntry[],
    weightData: new Uint8Array(weights).buffer,
  };
}
