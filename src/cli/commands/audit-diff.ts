/** `audit diff`: what changed between two audits, as tables for people or one JSON document. */
import { resolve } from 'node:path';
import { type AuditDiff, type RateChange, diffAudits } from '../../audit/diff/audit-diff.ts';
import type { PairChange } from '../../audit/diff/pair-changes.ts';
import type { Json } from '../../core/canonical-json.ts';
import { StillhouseError } from '../../core/failure.ts';
import { readAudit } from '../../stages/read-audit.ts';
import { printJson } from '../print-json.ts';
import { type Cell, textTable } from '../table.ts';

export interface AuditDiffOptions {
  readonly json: boolean;
  readonly refuseNew: boolean;
}

/**
 * @throws StillhouseError bad-input when a path holds no finished audit; gate-refused with `refuseNew` when a copy between two sets
 *   appeared.
 */
export async function compareAudits(before: string, after: string, options: AuditDiffOptions): Promise<void> {
  const diff = diffAudits(await readAudit(resolve(before)), await readAudit(resolve(after)));
  if (options.json) printJson({ before, after, ...diff } as unknown as Json);
  else process.stdout.write(`${textOf(diff)}\n`);
  const leaks = newLeaks(diff);
  if (options.refuseNew && leaks.length > 0)
    throw new StillhouseError({
      kind: 'gate-refused',
      what: 'copies between two sets appeared',
      where: after,
      wanted: 'no exact or verified pair that the earlier audit did not have',
      got: `${leaks.length}, such as ${leaks.slice(0, 3).map(pairText).join(', ')}`,
      next: 'look at them in the report of the later audit; remove them, or compare with an audit that has them',
    });
}

/** Copies across two sets that the earlier audit did not have. */
function newLeaks({ pairs }: AuditDiff): PairChange[] {
  const isCopy = (verdict: PairChange['after']): boolean => verdict === 'exact' || verdict === 'verified';
  return pairs.changes.filter(
    ({ type, before, after }) => !type.startsWith('within-') && isCopy(after) && !isCopy(before),
  );
}

const MOST_CHANGES = 20;

function textOf(diff: AuditDiff): string {
  if (diff.isSame) return 'nothing differs: the same images, pairs, rates and verdicts';
  const parts: string[] = [
    textTable(
      ['images', 'before', 'after', 'stayed', 'appeared', 'vanished', 'of these replaced'],
      diff.images.map((one) => [
        one.side,
        one.before,
        one.after,
        one.stayed,
        one.appeared,
        one.vanished,
        one.replaced,
      ]),
    ),
  ];
  if (diff.pairs.counts.length > 0)
    parts.push(
      textTable(
        [
          'matching pairs',
          'before',
          'after',
          'stayed',
          'other verdict',
          'measured anew',
          'new image',
          'new evidence',
          'image gone',
          'evidence gone',
        ],
        diff.pairs.counts.map(({ type, before, after, stayed, changed, remeasured, appeared, vanished }) => [
          type,
          before,
          after,
          stayed,
          changed,
          remeasured,
          appeared.images,
          appeared.evidence,
          vanished.images,
          vanished.evidence,
        ]),
      ),
    );
  const rates = diff.rates.filter(({ before, after }) => JSON.stringify(before) !== JSON.stringify(after));
  if (rates.length > 0)
    parts.push(textTable(['rate', 'between', 'before', 'after', 'intervals'], rates.map(rateRow)));
  const distances = diff.distances.filter(
    ({ before, after }) => JSON.stringify(before) !== JSON.stringify(after),
  );
  if (distances.length > 0)
    parts.push(
      textTable(
        ['relative distance', 'metric', 'before', 'after', 'intervals of the distance'],
        distances.map(({ level, metric, before, after, intervals }) => [
          level,
          metric,
          before?.relative?.toFixed(3) ?? null,
          after?.relative?.toFixed(3) ?? null,
          intervals,
        ]),
      ),
    );
  if (diff.cuts.length > 0)
    parts.push(
      `other cuts, so these rates cannot be compared: ${diff.cuts.map(({ level, before, after }) => `${level} ${cutText(before)} -> ${cutText(after)}`).join(', ')}`,
    );
  if (diff.gate !== null)
    parts.push(
      [
        `gate: ${diff.gate.before ?? 'none'} -> ${diff.gate.after ?? 'none'}`,
        ...diff.gate.rules.map(
          ({ rule, before, after }) => `  ${rule}: ${before ?? 'none'} -> ${after ?? 'none'}`,
        ),
        ...diff.gate.remeasured.map((rule) => `  ${rule}: measured anew, one verdict`),
      ].join('\n'),
    );
  const { changes } = diff.pairs;
  if (changes.length > 0)
    parts.push(
      [
        `changed pairs, strongest evidence first${changes.length > MOST_CHANGES ? ` (${MOST_CHANGES} of ${changes.length}; --json has all)` : ''}:`,
        ...changes.slice(0, MOST_CHANGES).map((one) => `  ${pairText(one)}`),
      ].join('\n'),
    );
  return parts.join('\n\n');
}

function rateRow({ level, type, before, after, intervals }: RateChange): Cell[] {
  return [level, type, rateText(before), rateText(after), intervals];
}

function rateText(rate: RateChange['before']): string {
  if (rate === null) return 'not searched';
  const percent = (share: number): string => (100 * share).toFixed(1);
  return rate.rate === null
    ? 'no images'
    : `${rate.matched} of ${rate.images} (${percent(rate.rate)} %, ${percent(rate.low)} to ${percent(rate.high)})`;
}

function cutText(cut: AuditDiff['cuts'][number]['before']): string {
  if ('maxDistance' in cut) return String(cut.maxDistance);
  if ('minNcc' in cut) return `${cut.minNcc}/${cut.minSsim}`;
  return 'minCosine' in cut ? String(cut.minCosine) : 'exact';
}

function pairText({ type, a, b, before, after, cause }: PairChange): string {
  return `${type} ${a.slice(0, 12)} ${b.slice(0, 12)}: ${before} -> ${after}${cause === 'images' ? ' (image)' : ''}`;
}
