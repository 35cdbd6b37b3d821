/** Time as a parameter. Production code takes a {@link Clock}; only this file reads the machine's. */

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
