/**
 * Devices by name, and what onnxruntime must be told of each. Devices of one provider may work together; two providers may give
 * other last bits, so they are never mixed in one run.
 */
import type { InferenceSession } from 'onnxruntime-node';
import { StillhouseError } from '../core/failure.ts';

/** What `--device` takes, besides `auto`. `tfjs-gpu` runs TFJS teachers on @tensorflow/tfjs-node-gpu, without onnxruntime. */
export const PROVIDERS = ['cpu', 'webgpu', 'cuda', 'tensorrt', 'tfjs-gpu'] as const;
export type Provider = (typeof PROVIDERS)[number];

export interface Device {
  readonly provider: Provider;
  /** Of several of one kind, counted from 0; null: the one that the provider chooses. */
  readonly index: number | null;
}

/** At least one, all of one provider. */
export type Devices = readonly [Device, ...Device[]];

export interface ProviderTraits {
  readonly deviceClass: 'cpu' | 'gpu';
  /** What is kept of a float32 when two are multiplied. */
  readonly multiplies: 'f32' | 'tf32';
  /** Most images per call that `auto` tries: a GPU has more to keep busy. */
  readonly mostBatch: number;
  /** Whether several devices can be told apart by index. */
  readonly indexed: boolean;
  /**
   * onnxruntime's execution providers, best first; null where another engine does the work.
   * @param cpuNodes names of nodes that the device has no kernel for, where onnxruntime finds that out too late
   */
  readonly executionProviders:
    ((index: number, cpuNodes: readonly string[]) => InferenceSession.ExecutionProviderConfig[]) | null;
  /** What a person can install or change when it does not load. */
  readonly needs: string;
}

const CUDA_FILES =
  'an NVIDIA GPU on Linux x64 with CUDA 12 and cuDNN 9, and the CUDA files of onnxruntime: npm rebuild onnxruntime-node --onnxruntime-node-install=cuda12';

/** Everything in which the providers differ; all other code is shared. */
export const PROVIDER_TRAITS: Readonly<Record<Provider, ProviderTraits>> = {
  cpu: {
    deviceClass: 'cpu',
    multiplies: 'f32',
    mostBatch: 8,
    indexed: false,
    executionProviders: () => ['cpu'],
    needs: 'onnxruntime-node as npm installs it',
  },
  webgpu: {
    deviceClass: 'gpu',
    multiplies: 'f32',
    mostBatch: 64,
    indexed: false,
    // an empty list is refused
    executionProviders: (_, cpuNodes) =>
      cpuNodes.length === 0 ? ['webgpu'] : [{ name: 'webgpu', forceCpuNodeNames: cpuNodes }],
    needs: 'a GPU with a Vulkan (Linux x64, also libvulkan.so.1), Metal or Direct3D 12 driver',
  },
  cuda: {
    deviceClass: 'gpu',
    // onnxruntime's default, and onnxruntime-node passes no option but the index
    multiplies: 'tf32',
    mostBatch: 64,
    indexed: true,
    executionProviders: (deviceId) => [{ name: 'cuda', deviceId }],
    needs: CUDA_FILES,
  },
  tensorrt: {
    deviceClass: 'gpu',
    multiplies: 'tf32',
    mostBatch: 64,
    indexed: true,
    // nodes that TensorRT does not take stay on the same GPU
    executionProviders: (deviceId) => [
      { name: 'tensorrt', deviceId },
      { name: 'cuda', deviceId },
    ],
    needs: `TensorRT 10, and what cuda needs: ${CUDA_FILES}`,
  },
  'tfjs-gpu': {
    deviceClass: 'gpu',
    // TensorFlow's default
    multiplies: 'tf32',
    mostBatch: 64,
    indexed: false,
    executionProviders: null,
    needs:
      'npm install @tensorflow/tfjs-node-gpu@4.22.0, an NVIDIA GPU, and the CUDA version that this package was built for',
  },
};

/** `cpu`, `cuda`, `cuda:1`, `cuda:0,cuda:1`, `auto`. @throws StillhouseError usage that names what it takes. */
export function parseDevices(text: string): Devices | 'auto' {
  if (text === 'auto') return 'auto';
  const devices = text.split(',').map((name) => parseDevice(name, text));
  const [first, ...others] = devices as [Device, ...Device[]];
  if (others.some(({ provider }) => provider !== first.provider))
    throw badDevice(text, 'devices of one kind: results of two kinds are never mixed in one run');
  if (new Set(devices.map(({ index }) => index ?? 0)).size < devices.length)
    throw badDevice(text, 'each device once');
  return [first, ...others];
}

function parseDevice(name: string, text: string): Device {
  const [kind, index, ...rest] = name.split(':');
  const provider = PROVIDERS.find((known) => known === kind);
  if (provider === undefined || rest.length > 0)
    throw badDevice(text, `${PROVIDERS.join(', ')} or auto; several GPUs as cuda:0,cuda:1`);
  if (index === undefined) return { provider, index: null };
  if (!PROVIDER_TRAITS[provider].indexed) throw badDevice(text, `${provider} without a number`);
  if (!/^\d{1,3}$/.test(index)) throw badDevice(text, `${provider}:0, ${provider}:1, ...`);
  return { provider, index: Number(index) };
}

/** `cuda:1`, as a person would write it. */
export const deviceName = ({ provider, index }: Device): string =>
  index === null ? provider : `${provider}:${index}`;

function badDevice(got: string, wanted: string): StillhouseError {
  return new StillhouseError({
    kind: 'usage',
    what: 'an option has a value it cannot take',
    where: '--device',
    wanted,
    got,
    next: 'see `stillhouse --help`',
  });
}
