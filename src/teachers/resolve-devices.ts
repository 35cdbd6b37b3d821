/**
 * From what `--device` says to devices that are there: each one multiplies two matrices before a teacher is loaded, so a device
 * that is absent is told apart from a teacher that does not fit. Nothing falls back to another device unless `auto` was asked for.
 */
import * as ort from 'onnxruntime-node';
import { StillhouseError } from '../core/failure.ts';
import { buildOnnx, encodeOnnx } from '../format/onnx-model.ts';
import { type Device, type Devices, PROVIDER_TRAITS, deviceName, parseDevices } from './devices.ts';
import { engineMessage } from './engine-message.ts';
import { loadTfjsGpu } from './tfjs-gpu.ts';

export interface ResolvedDevices {
  readonly devices: Devices;
  /** For people: what `auto` chose and why nothing better; null where nothing had to be chosen. */
  readonly note: string | null;
}

/** Milliseconds of one product of two 512 x 512 matrices; rejects when the device does not load. */
export type TimeProduct = (device: Device) => Promise<number>;

const known = new Map<string, Promise<ResolvedDevices>>();

/**
 * Looks once per thread.
 * @throws StillhouseError usage for a name that is no device; environment, naming what to install, for a device that is not there
 */
export function resolveDevices(text: string): Promise<ResolvedDevices> {
  let found = known.get(text);
  if (found === undefined) {
    found = resolveWith(text, timeProduct);
    known.set(text, found);
  }
  return found;
}

/** As {@link resolveDevices}, on the machine that `time` stands for. */
export async function resolveWith(text: string, time: TimeProduct): Promise<ResolvedDevices> {
  const devices = parseDevices(text);
  if (devices === 'auto') return chooseDevice(time);
  for (const device of devices)
    if (device.provider !== 'cpu')
      await time(device).catch((error: unknown) => {
        throw absent(device, error);
      });
  return { devices, note: null };
}

/** Best first. TensorRT only when asked for: it builds an engine per input shape, which takes minutes. */
const CANDIDATES = ['cuda', 'webgpu'] as const;
/** A driver that computes in software loads as well. It is a hundred times slower than the CPU's own kernels, a GPU never ten. */
const SOFTWARE_FACTOR = 10;

async function chooseDevice(time: TimeProduct): Promise<ResolvedDevices> {
  const cpu: Device = { provider: 'cpu', index: null };
  const cpuMs = await time(cpu);
  const refused: string[] = [];
  for (const provider of CANDIDATES) {
    const device: Device = { provider, index: null };
    try {
      const elapsedMs = await time(device);
      if (elapsedMs <= SOFTWARE_FACTOR * Math.max(1, cpuMs)) return chosen(device, refused);
      refused.push(
        `${provider}: computes in software, ${Math.round(elapsedMs / cpuMs)} times slower than the CPU`,
      );
    } catch (error) {
      refused.push(`${provider}: ${firstLine(error)}`);
    }
  }
  return chosen(cpu, refused);
}

function chosen(device: Device, refused: readonly string[]): ResolvedDevices {
  const why = refused.length === 0 ? '' : ` (${refused.join('; ')})`;
  return { devices: [device], note: `device auto is ${deviceName(device)}${why}` };
}

const firstLine = (error: unknown): string => engineMessage(error).split('\n')[0]!.slice(0, 120);

function absent(device: Device, cause: unknown): StillhouseError {
  return new StillhouseError(
    {
      kind: 'environment',
      what: 'the device cannot be used on this machine',
      where: `--device ${deviceName(device)}`,
      wanted: PROVIDER_TRAITS[device.provider].needs,
      got: firstLine(cause),
      next: 'install what it needs, or run with --device cpu, or with --device auto, which takes the best that is there',
    },
    cause,
  );
}

const SIDE = 512;

async function timeProduct({ provider, index }: Device): Promise<number> {
  const { executionProviders } = PROVIDER_TRAITS[provider];
  if (executionProviders === null) {
    await loadTfjsGpu();
    return 0;
  }
  // errors reach the caller as exceptions; the engine's own log would only print them a second time
  ort.env.logLevel = 'fatal';
  const session = await ort.InferenceSession.create(productGraph(), {
    executionProviders: executionProviders(index ?? 0, []),
    logSeverityLevel: 4,
  });
  try {
    const x = new ort.Tensor('float32', new Float32Array(SIDE * SIDE).fill(1), [SIDE, SIDE]);
    await session.run({ x });
    const started = performance.now();
    await session.run({ x });
    return performance.now() - started;
  } finally {
    await session.release();
  }
}

function productGraph(): Uint8Array {
  return encodeOnnx(
    buildOnnx({
      name: 'product',
      inputs: [{ name: 'x', dtype: 'float32', shape: [SIDE, SIDE] }],
      outputs: [{ name: 'y', dtype: 'float32', shape: [SIDE, SIDE] }],
      initializers: [
        { name: 'w', dtype: 'float32', shape: [SIDE, SIDE], data: new Float32Array(SIDE * SIDE).fill(1) },
      ],
      nodes: [{ op: 'MatMul', inputs: ['x', 'w'], outputs: ['y'] }],
    }),
  );
}
