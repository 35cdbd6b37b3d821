/** A TFJS graph model (model.json and its weight shards), read, checked and run up to the wanted nodes. */
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { z } from 'zod';
import { StillhouseError } from '../core/failure.ts';
import { nearestNames } from '../core/nearest-names.ts';

export interface GraphModelRequest {
  /** Path of model.json; the shards it names lie beside it. */
  readonly modelPath: string;
  /** Name of the placeholder, float32. */
  readonly inputName: string;
  /** Its shape in the model's own layout, batch first. */
  readonly inputShape: readonly number[];
  /** Node names, in this order. */
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
 * Weights go to the backend that is chosen at the moment. The caller disposes the model.
 * @throws StillhouseError bad-input when a file is missing or not a graph model, or when the input or an output is no node of it
 *   (nearest names are listed).
 */
export async function loadGraphModel(options: GraphModelRequest): Promise<tf.GraphModel> {
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
  return tf.loadGraphModel({
    load: () => Promise.resolve(artifactsOf(file, options, Buffer.concat(weights))),
  });
}

/** @throws StillhouseError bad-input when a node on the way cannot run at this shape. */
export function executeGraphModel(
  model: tf.GraphModel,
  options: GraphModelRequest,
  input: tf.Tensor,
): tf.Tensor[] {
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
  options: GraphModelRequest,
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
