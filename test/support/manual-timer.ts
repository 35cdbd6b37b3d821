/** A timer whose waits take no time: it notes them and moves its own clock on. */
import type { Timer } from '../../src/core/clock.ts';

export interface ManualTimer extends Timer {
  readonly waitsMs: readonly number[];
}

export function manualTimer(startIso = '2026-01-01T00:00:00.000Z'): ManualTimer {
  const waitsMs: number[] = [];
  let nowMs = 0;
  return {
    waitsMs,
    elapsedMs: () => nowMs,
    nowIso: () => new Date(Date.parse(startIso) + nowMs).toISOString(),
    sleep: async (waitMs, signal) => {
      signal?.throwIfAborted();
      waitsMs.push(waitMs);
      nowMs += waitMs;
      await new Promise((resolve) => setImmediate(resolve));
    },
  };
}
