/** A finished audit as another one is compared with it. */
import type { EvidencePair, Threshold } from '../evidence.ts';

export interface AuditRecord {
  readonly items: readonly { readonly imageId: string; readonly side: string; readonly name: string }[];
  readonly pairs: readonly EvidencePair[];
  /** The cuts at which its pairs count as a match. */
  readonly thresholds: readonly Threshold[];
  readonly rates: readonly AuditRate[];
  readonly distances: readonly AuditDistance[];
  /** Null when it was not held against a policy. */
  readonly gate: AuditGate | null;
}

export interface AuditRate {
  readonly level: string;
  readonly type: string;
  readonly images: number;
  readonly matched: number;
  readonly rate: number | null;
  /** Clopper-Pearson, 95 %. */
  readonly low: number;
  readonly high: number;
}

export interface AuditDistance {
  readonly level: string;
  readonly metric: string;
  readonly value: number;
  readonly low: number | null;
  readonly high: number | null;
  readonly relative: number | null;
}

export interface AuditGate {
  readonly verdict: string;
  readonly rules: readonly {
    readonly rule: string;
    readonly verdict: string;
    readonly measured: number | null;
  }[];
}
