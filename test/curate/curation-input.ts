/** Curations whose evidence is known beforehand. */
import type { EvidencePair } from '../../src/audit/evidence.ts';
import type { CurateInput, CuratePolicy } from '../../src/curate/curate.ts';
import type { ImageRow } from '../../src/images/image-row.ts';

/** Keeps everything but repeats. */
export const OPEN_POLICY: CuratePolicy = {
  include: [],
  exclude: [],
  licences: null,
  filters: {},
  decontaminate: [],
  deduplicate: [],
  retrieve: null,
  sample: null,
  balance: { kind: 'none' },
  seed: 1,
};

export interface Given {
  readonly rows: readonly ImageRow[];
  /** Pairs within train, and of train with the evaluation set `eval`. */
  readonly evidence?: readonly EvidencePair[];
  readonly policy?: Partial<CuratePolicy>;
}

export function curateInput({ rows, evidence = [], policy = {} }: Given): CurateInput {
  return {
    rows,
    policy: { ...OPEN_POLICY, ...policy },
    measure: () => Promise.resolve(new Map()),
    features: () => Promise.reject(new Error('no features')),
    seeds: () => Promise.reject(new Error('no features')),
    findEvidence: (asked) => {
      const ids = new Set(asked.map(({ id }) => id));
      return Promise.resolve({
        within: evidence.filter(({ type, a, b }) => type === 'within-train' && ids.has(a) && ids.has(b)),
        evaluations: [
          { set: 'eval', pairs: evidence.filter(({ type, a }) => type === 'train-eval' && ids.has(a)) },
        ],
        unusable: new Map(),
      });
    },
  };
}
