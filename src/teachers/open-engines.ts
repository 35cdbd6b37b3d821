/** Engines for the teachers of a run, each in a thread of its own. */
import { runsFromSource } from '../core/threads/compiled-entry.ts';
import { inlineHost, threadHost } from './engine-host.ts';
import { EnginePool } from './engine-pool.ts';

export interface EnginesOptions {
  readonly device: string;
  /** Default: threads in compiled code, the caller's own thread from source. */
  readonly threads?: boolean;
}

export function openEngines({
  device,
  threads = !runsFromSource(import.meta.url),
}: EnginesOptions): EnginePool {
  const spec = { device, threads: 0 };
  return new EnginePool([threads ? threadHost(spec) : inlineHost(spec)]);
}
