/** Engines for the teachers of a run: one per device, each in a thread of its own. */
import { runsFromSource } from '../core/threads/compiled-entry.ts';
import { type Devices, deviceName } from './devices.ts';
import { inlineHost, threadHost } from './engine-host.ts';
import { EnginePool } from './engine-pool.ts';

export interface EnginesOptions {
  readonly devices: Devices;
  /** Of the whole process. */
  readonly memoryLimitBytes: number;
  /** Default: threads in compiled code, the caller's own thread from source. */
  readonly threads?: boolean;
}

export function openEngines({
  devices,
  memoryLimitBytes,
  threads = !runsFromSource(import.meta.url),
}: EnginesOptions): EnginePool {
  const specs = devices.map((device) => ({ device: deviceName(device), threads: 0, memoryLimitBytes }));
  // engines in one thread would only wait for each other
  return new EnginePool(threads ? specs.map(threadHost) : [inlineHost(specs[0]!)]);
}
