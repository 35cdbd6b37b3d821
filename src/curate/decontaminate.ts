/** Drops train images that match any evaluation image (audit-and-curation.md §5.9, "drop-train"). */
import {
  type EvidencePair,
  type Threshold,
  compareEvidence,
  describeEvidence,
  meets,
} from '../audit/evidence.ts';
import type { ImageId } from '../core/ids.ts';
import type { ImageRow } from '../images/image-row.ts';
import { byText } from './keep-best.ts';
import { type CurateLedgerRow, type StepResult, rejection } from './ledger.ts';

export interface DecontaminateInput {
  readonly rows: readonly ImageRow[];
  /** Pairs of other types are passed over. */
  readonly evidence: readonly EvidencePair[];
  /** One threshold reached is enough. */
  readonly thresholds: readonly Threshold[];
}

/** The ledger names the strongest match and how many evaluation images matched. */
export function decontaminate({ rows, evidence, thresholds }: DecontaminateInput): StepResult {
  const matches = new Map<ImageId, EvidencePair[]>();
  for (const pair of evidence) {
    if (pair.type !== 'train-eval' || !meets(pair.evidence, thresholds)) continue;
    const known = matches.get(pair.a);
    if (known) known.push(pair);
    else matches.set(pair.a, [pair]);
  }
  const kept: ImageRow[] = [];
  const rejected: CurateLedgerRow[] = [];
  for (const row of rows) {
    const pairs = matches.get(row.id);
    if (pairs === undefined) kept.push(row);
    else rejected.push(rejection(row, 'matches-evaluation', detailOf(pairs)));
  }
  return { kept, rejected };
}

function detailOf(pairs: readonly EvidencePair[]): string {
  const strongest = pairs.reduce((so, pair) => {
    const order = compareEvidence(pair.evidence, so.evidence) || byText(pair.b, so.b);
    return order < 0 ? pair : so;
  });
  const others = new Set(pairs.map((pair) => pair.b)).size - 1;
  const more = others === 0 ? '' : `, and ${others} more evaluation image${others === 1 ? '' : 's'}`;
  return `${describeEvidence(strongest.evidence)} with evaluation image ${strongest.b}${more}`;
}
