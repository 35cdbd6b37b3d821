/** Engines for the teachers of a run: one per device, or several that share the CPU, each in a thread of its own. */
import { availableParallelism } from 'node:os';
import { runsFromSource } from '../core/threads/compiled-entry.ts';
import { type Device, type Devices, deviceName } from './devices.ts';
import { type HostSpec, inlineHost, threadHost } from './engine-host.ts';
import { EnginePool } from './engine-pool.ts';

export interface EnginesOptions {
  readonly devices: Devices;
  /** Of the whole process. */
  readonly memoryLimitBytes: number;
  /** That share the CPU, where it is the device; see {@link cpuEnginesFor}. Default 1. */
  readonly cpuEngines?: number;
  /** Default: those of the machine. */
  readonly cores?: number;
  /** Default: threads in compiled code, the caller's own thread from source. */
  readonly threads?: boolean;
}

export function openEngines({
  devices,
  memoryLimitBytes,
  cpuEngines = 1,
  cores = availableParallelism(),
  threads = !runsFromSource(import.meta.url),
}: EnginesOptions): EnginePool {
  const specs = devices.flatMap((device) => {
    const engines = isCpu(device) ? cpuEngines : 1;
    const spec: HostSpec = {
      device: deviceName(device),
      // all of them, unless engines share them
      threads: engines === 1 ? 0 : Math.max(1, Math.floor(cores / engines)),
      memoryLimitBytes,
    };
    return Array.from({ length: engines }, () => spec);
  });
  // engines in one thread would only wait for each other
  return new EnginePool(threads ? specs.map(threadHost) : [inlineHost(specs[0]!)]);
}

export interface CpuWork {
  /** Of all teachers and sizes that one engine opens. */
  readonly weightsBytes: number;
  /** Of the whole process. */
  readonly memoryLimitBytes: number;
  /** Views x teachers x sizes that are to be computed. */
  readonly targets: number;
}

/** Engines that share the CPU at most: more would hold the weights more often, and two leave no core idle. */
const MOST_CPU_ENGINES = 2;
/** With fewer, opening the teachers a second time takes longer than it saves. */
const WORTH_TARGETS = 256;
/** Weights of all engines together may take this share of the memory limit; the rest is for activations. */
const WEIGHTS_SHARE = 1 / 4;

/**
 * Engines that are to share the CPU. In one engine all threads of a call wait for the slowest at the end of every operator, so a
 * core that decodes or writes for a moment halts the others; two engines with half the threads each do not wait for each other.
 * No answer depends on it: a row has the same bits for any number of threads (test/teachers/batch-bits.test.ts).
 */
export function cpuEnginesFor({ weightsBytes, memoryLimitBytes, targets }: CpuWork): number {
  if (targets < WORTH_TARGETS) return 1;
  return MOST_CPU_ENGINES * weightsBytes <= WEIGHTS_SHARE * memoryLimitBytes ? MOST_CPU_ENGINES : 1;
}

const isCpu = ({ provider }: Device): boolean => provider === 'cpu';
