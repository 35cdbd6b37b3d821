/** What one rule of a policy came to. */

export type Verdict = 'pass' | 'violated' | 'invalid';

export interface RuleResult {
  /** Stable: `pairs/train-eval/maxRate`. */
  readonly rule: string;
  readonly verdict: Verdict;
  readonly measured: number | null;
  readonly limit: number | null;
  readonly detail: string;
}

export const invalid = (rule: string, detail: string, limit: number | null = null): RuleResult => ({
  rule,
  verdict: 'invalid',
  measured: null,
  limit,
  detail,
});

export function atMost(rule: string, measured: number, limit: number, detail: string): RuleResult {
  return { rule, verdict: measured <= limit ? 'pass' : 'violated', measured, limit, detail };
}

export function atLeast(rule: string, measured: number, limit: number, detail: string): RuleResult {
  return { rule, verdict: measured >= limit ? 'pass' : 'violated', measured, limit, detail };
}
