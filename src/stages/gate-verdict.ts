/** What a gate's verdict means for the command that ran it: nothing, exit code 1 (violated), or exit code 4 (could not be measured). */
import { z } from 'zod';
import { sentenceOf } from '../audit/gate/ci-reports.ts';
import { StillhouseError } from '../core/failure.ts';
import type { RunResult } from '../run/execute.ts';
import { stagesNamed } from './summary.ts';

const factsSchema = z.looseObject({
  verdict: z.enum(['pass', 'violated', 'invalid']),
  rules: z.array(
    z.object({
      rule: z.string(),
      verdict: z.enum(['pass', 'violated', 'invalid']),
      measured: z.number().nullable(),
      limit: z.number().nullable(),
      detail: z.string(),
    }),
  ),
});

/**
 * Called when summary and report are written, so that a refused run can be looked at.
 * @throws StillhouseError gate-refused for a violated policy; integrity for an audit that could not answer it.
 */
export function obeyGates(result: RunResult): void {
  for (const verdict of ['violated', 'invalid'] as const)
    for (const { id, folder, outcome } of stagesNamed(result, 'gate')) {
      const facts = factsSchema.parse(outcome.facts);
      if (facts.verdict !== verdict) continue;
      const broken = facts.rules.filter((rule) => rule.verdict === verdict);
      throw new StillhouseError({
        kind: verdict === 'violated' ? 'gate-refused' : 'integrity',
        what:
          verdict === 'violated'
            ? 'the audit breaks the policy'
            : 'the audit cannot answer the policy, which is no pass',
        where: `stage ${id}, ${folder}`,
        got: broken.map(sentenceOf).join('; '),
        next:
          verdict === 'violated'
            ? 'look at the pairs in the report; remove them, or waive those that are no leak'
            : 'run the audit so that every rule can be measured, or take the rule out of the policy',
      });
    }
}
