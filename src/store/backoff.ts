/** How often and after what waits something is tried again. */

export interface RetryPolicy {
  /** Attempts in a row that may fail without progress. */
  readonly attempts: number;
  readonly firstWaitMs: number;
  readonly longestWaitMs: number;
}

/** Doubling waits: after the first failure `firstWaitMs`, never more than `longestWaitMs`. */
export function waitAfter(failures: number, policy: RetryPolicy): number {
  return Math.min(policy.longestWaitMs, policy.firstWaitMs * 2 ** (failures - 1));
}
