/** Time as a parameter. Production code takes a {@link Clock}; only this file reads the machine's. */
import { setTimeout } from 'node:timers/promises';

export interface Clock {
  /** Milliseconds since some fixed point, monotonic: for durations. */
  elapsedMs(): number;
  /** Wall time as ISO 8601 in UTC: for records, never inside anything that is hashed. */
  nowIso(): string;
}

export const machineClock: Clock = {
  elapsedMs: () => performance.now(),
  nowIso: () => new Date().toISOString(),
};

/** A clock that one can also wait by: for retries and for waiting on another process. Tests wait in no time. */
export interface Timer extends Clock {
  /** Rejects with the signal's reason when it is aborted meanwhile. */
  sleep(waitMs: number, signal?: AbortSignal): Promise<void>;
}

export const machineTimer: Timer = {
  ...machineClock,
  sleep: async (waitMs, signal) => {
    await setTimeout(waitMs, undefined, signal === undefined ? {} : { signal });
  },
};
