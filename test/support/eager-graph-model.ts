/** A TFJS graph model as tensorflow.js itself loads it, its placeholder freed from the saved shape. */
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import * as tf from '@tensorflow/tfjs';

/** @param path of model.json; its one shard lies beside it */
export async function loadEagerly(path: string): Promise<tf.GraphModel> {
  const { weightsManifest, modelTopology, format } = JSON.parse(await readFile(path, 'utf8')) as {
    format: string;
    modelTopology: { node: { op: string; attr: { shape?: unknown } }[] };
    weightsManifest: { paths: string[]; weights: tf.io.WeightsManifestEntry[] }[];
  };
  for (const node of modelTopology.node) if (node.op === 'Placeholder') delete node.attr.shape;
  const shard = join(dirname(path), weightsManifest[0]!.paths[0]!);
  const weightData = new Uint8Array(await readFile(shard)).buffer;
  const weightSpecs = weightsManifest[0]!.weights;
  return tf.loadGraphModel({
    load: () => Promise.resolve({ format, modelTopology, weightSpecs, weightData }),
  });
}
