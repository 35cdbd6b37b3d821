/** Drops train images that match an image of any evaluation set (audit-and-curation.md §5.9, "drop-train"). */
import { type EvidencePair, type Threshold, compareEvidence, describeEvidence } from '../audit/evidence.ts';
import type { ImageId } from '../core/ids.ts';
import type { ImageRow } from '../images/image-row.ts';
import { byText } from './keep-best.ts';
import { type CurateLedgerRow, type StepResult, rejection } from './ledger.ts';
import { type EvaluationEvidence, describeThreshold, thresholdMet, valueOf } from './thresholds.ts';

export interface DecontaminateInput {
  readonly rows: readonly ImageRow[];
  /** One entry per evaluation set; pairs of other types are passed over. */
  readonly evaluations: readonly EvaluationEvidence[];
  /** One threshold reached is enough. */
  readonly thresholds: readonly Threshold[];
}

interface Match {
  readonly set: string;
  readonly pair: EvidencePair;
  readonly threshold: Threshold;
}

/** The ledger names the strongest match, its set, and how many evaluation images matched. */
export function decontaminate({ rows, evaluations, thresholds }: DecontaminateInput): StepResult {
  const matches = new Map<ImageId, Match[]>();
  for (const { set, pairs } of evaluations)
    for (const pair of pairs) {
      if (pair.type !== 'train-eval') continue;
      const threshold = thresholdMet(pair.evidence, thresholds);
      if (threshold === undefined) continue;
      const known = matches.get(pair.a);
      if (known) known.push({ set, pair, threshold });
      else matches.set(pair.a, [{ set, pair, threshold }]);
    }
  const kept: ImageRow[] = [];
  const rejected: CurateLedgerRow[] = [];
  for (const row of rows) {
    const found = matches.get(row.id);
    if (found === undefined) kept.push(row);
    else rejected.push(rejectionOf(row, found));
  }
  return { kept, rejected };
}

function rejectionOf(row: ImageRow, matches: readonly Match[]): CurateLedgerRow {
  const strongest = matches.reduce((so, match) => (compareMatches(match, so) < 0 ? match : so));
  const { set, pair, threshold } = strongest;
  const others = new Set(matches.map((match) => `${match.set} ${match.pair.b}`)).size - 1;
  const more = others === 0 ? '' : `, and ${others} more evaluation image${others === 1 ? '' : 's'}`;
  const value = valueOf(pair.evidence);
  return rejection(row, {
    reason: 'matches-evaluation',
    detail: `${describeEvidence(pair.evidence)} with image ${pair.b} of ${set}${more}`,
    ...(value === undefined ? {} : { value }),
    threshold: describeThreshold(threshold),
    other: pair.b,
    otherSet: set,
  });
}

function compareMatches(x: Match, y: Match): number {
  return (
    compareEvidence(x.pair.evidence, y.pair.evidence) || byText(x.set, y.set) || byText(x.pair.b, y.pair.b)
  );
}
