/** The optional peer @tensorflow/tfjs-node-gpu: TensorFlow on an NVIDIA GPU. It is loaded only where a run asks for `tfjs-gpu`. */

/** What is used of the package. */
interface TfjsNodeGpu {
  readonly version: { readonly 'tfjs-node': string };
  readonly ready: () => Promise<void>;
  readonly getBackend: () => string;
}

export interface TfjsGpu {
  /** Name of its backend in tensorflow.js. */
  readonly backend: string;
  /** `4.22.0` */
  readonly version: string;
}

export const TFJS_GPU_PACKAGE = '@tensorflow/tfjs-node-gpu';

/** Rejects with what Node said when the package, or a library that it needs, is not there. */
export async function loadTfjsGpu(): Promise<TfjsGpu> {
  // a name in a variable: the package need not be there when this file is compiled
  const loaded = (await import(TFJS_GPU_PACKAGE)) as TfjsNodeGpu & { readonly default?: TfjsNodeGpu };
  const tf = loaded.default ?? loaded;
  await tf.ready();
  return { backend: 'tensorflow', version: tf.version['tfjs-node'] };
}
