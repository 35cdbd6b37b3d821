import { describe, expect, it } from 'vitest';
import type { EvidencePair } from '../../src/audit/evidence.ts';
import { sortedEnds } from '../../src/audit/evidence.ts';
import type { ImageId } from '../../src/core/ids.ts';
import { curate } from '../../src/curate/curate.ts';
import { decontaminate } from '../../src/curate/decontaminate.ts';
import { keepLargest } from '../../src/curate/keep-best.ts';
import { countsOf, rejection } from '../../src/curate/ledger.ts';
import { removeNearDuplicates } from '../../src/curate/remove-near-duplicates.ts';
import { removeRepeats } from '../../src/curate/remove-repeats.ts';
import { idOf, rowOf } from '../audit/sample-images.ts';
import { curateInput } from './curation-input.ts';

const near = (x: string, y: string, distance: number): EvidencePair => {
  const [a, b] = sortedEnds(idOf(x), idOf(y));
  return { type: 'within-train', a, b, evidence: { level: 'phash', distance, transform: 'identity' } };
};
const samePixels = (x: string, y: string): EvidencePair => {
  const [a, b] = sortedEnds(idOf(x), idOf(y));
  return { type: 'within-train', a, b, evidence: { level: 'pixel' } };
};
const leak = (train: string, evaluation: string, distance: number): EvidencePair => ({
  type: 'train-eval',
  a: idOf(train),
  b: idOf(evaluation),
  evidence: { level: 'phash', distance, transform: 'mirror' },
});
const thresholds = [{ level: 'pixel' }, { level: 'phash', maxDistance: 6 }] as const;
const ids = (rows: readonly { readonly id: ImageId }[]): ImageId[] => rows.map(({ id }) => id).sort();

describe('keepLargest', () => {
  it('prefers pixels, then bytes, then the smaller id', () => {
    const small = rowOf('small', { width: 10, sizeBytes: 9000 });
    const heavy = rowOf('heavy', { sizeBytes: 2000 });
    const [p, q] = [rowOf('p'), rowOf('q')].sort((x, y) => (x.id < y.id ? -1 : 1)) as [
      typeof heavy,
      typeof heavy,
    ];
    expect([small, q, heavy, p].sort(keepLargest.compare)).toEqual([heavy, p, q, small]);
  });
});

describe('removeRepeats', () => {
  it('keeps one record of each image and names it', () => {
    const rows = [rowOf('b', { id: idOf('same') }), rowOf('a', { id: idOf('same') }), rowOf('c')];
    const { kept, rejected } = removeRepeats(rows, keepLargest);
    expect(kept.map(({ uri }) => uri).sort()).toEqual(['a.png', 'c.png']);
    expect(rejected).toEqual([
      {
        imageId: idOf('same'),
        uri: 'b.png',
        stage: 'curate',
        step: 'repeats',
        reason: 'repeated-image',
        detail: 'same bytes as a.png',
        source: 'test',
        label: null,
        licence: 'CC0-1.0',
        value: null,
        threshold: null,
        other: idOf('same'),
        otherSet: null,
      },
    ]);
  });
});

describe('decontaminate', () => {
  it('drops what matches and says by what, the strongest first', () => {
    const { kept, rejected } = decontaminate({
      rows: [rowOf('x'), rowOf('y')],
      evaluations: [
        { set: 'first', pairs: [leak('x', 'e1', 5), leak('y', 'e1', 7)] },
        { set: 'second', pairs: [leak('x', 'e2', 2)] },
      ],
      thresholds,
    });
    expect(ids(kept)).toEqual([idOf('y')]);
    expect(rejected).toEqual([
      expect.objectContaining({
        step: 'decontaminate',
        detail: `phash distance 2 (mirror) with image ${idOf('e2')} of second, and 1 more evaluation image`,
        value: 2,
        threshold: 'phash distance <= 6',
        other: idOf('e2'),
        otherSet: 'second',
      }),
    ]);
  });

  it('takes duplicates within a side for no leak', () => {
    const rows = [rowOf('x'), rowOf('y')];
    const evaluations = [{ set: 'eval', pairs: [near('x', 'y', 0)] }];
    expect(decontaminate({ rows, evaluations, thresholds }).kept).toEqual(rows);
  });
});

describe('removeNearDuplicates', () => {
  it('keeps the largest of a group and tells exact from near', () => {
    const rows = [
      rowOf('x', { width: 128, label: 'cat' }),
      rowOf('y', { label: 'cat' }),
      rowOf('z', { label: 'dog' }),
      rowOf('w'),
    ];
    const result = removeNearDuplicates({
      rows,
      evidence: [samePixels('x', 'y'), near('y', 'z', 4), near('x', 'w', 7)],
      thresholds,
      keep: keepLargest,
    });
    expect(ids(result.kept)).toEqual([idOf('x'), idOf('w')].sort());
    const reasons = new Map(result.rejected.map((row) => [row.imageId, row]));
    expect(reasons.get(idOf('y'))).toMatchObject({
      reason: 'exact-duplicate',
      detail: `same pixels with ${idOf('x')}, which ranks before it`,
    });
    expect(reasons.get(idOf('z'))).toMatchObject({
      reason: 'near-duplicate',
      detail: `by way of an exact copy with ${idOf('x')}, which ranks before it; labels differ`,
    });
    expect(result.labelConflicts).toBe(1);
    expect(result.groups[0]).toMatchObject({ leader: idOf('x'), exactClasses: 2, diameter: 1 });
  });
});

describe('curate', () => {
  const policy = { decontaminate: thresholds, deduplicate: thresholds };

  it('lets the next best of a group stay when the best one leaks', async () => {
    const { kept, counts } = await curate(
      curateInput({
        rows: [rowOf('best', { width: 256 }), rowOf('second')],
        evidence: [near('best', 'second', 1), leak('best', 'e', 0)],
        policy,
      }),
    );
    expect(kept.map(({ row }) => row.id)).toEqual([idOf('second')]);
    expect(counts.rejected).toEqual({ 'matches-evaluation': 1 });
  });

  it('drops a train image that is an evaluation image, byte for byte', async () => {
    const result = await curate(
      curateInput({
        rows: [rowOf('x')],
        evidence: [{ type: 'train-eval', a: idOf('x'), b: idOf('x'), evidence: { level: 'byte' } }],
        policy: { decontaminate: [{ level: 'byte' }] },
      }),
    );
    expect(result.counts).toMatchObject({ seen: 1, kept: 0 });
    expect(result.ledger[0]!.detail).toBe(`same bytes with image ${idOf('x')} of eval`);
  });

  it('balances only what the other steps left over', async () => {
    const rows = ['a', 'b', 'c', 'd'].map((name) => rowOf(name, { label: 'cat' }));
    const { kept, counts } = await curate(
      curateInput({
        rows,
        evidence: [leak('a', 'e', 1), leak('b', 'e', 1)],
        policy: { ...policy, balance: { kind: 'cap', perClass: 2 } },
      }),
    );
    expect(kept.map(({ inclusionProbability }) => inclusionProbability)).toEqual([1, 1]);
    expect(counts.rejected['over-class-share']).toBeUndefined();
  });

  it('drops what a level cannot compare: that is not the same as clean', async () => {
    const input = curateInput({ rows: [rowOf('x'), rowOf('y')] });
    const { kept, ledger } = await curate({
      ...input,
      findEvidence: async (rows) => ({
        ...(await input.findEvidence(rows)),
        unusable: new Map(rows.filter(({ id }) => id === idOf('x')).map(({ id }) => [id, 'teacher:t'])),
      }),
    });
    expect(kept.map(({ row }) => row.id)).toEqual([idOf('y')]);
    expect(ledger[0]).toMatchObject({ reason: 'no-embedding', threshold: 'teacher:t' });
  });

  it('tells a semantic duplicate from a copy', async () => {
    const [a, b] = sortedEnds(idOf('x'), idOf('y'));
    const { ledger } = await curate(
      curateInput({
        rows: [rowOf('x', { width: 65 }), rowOf('y')],
        evidence: [{ type: 'within-train', a, b, evidence: { level: 'teacher:t', cosine: 0.9, rank: 1 } }],
        policy: { deduplicate: [{ level: 'teacher:t', minCosine: 0.85 }] },
      }),
    );
    expect(ledger).toEqual([
      expect.objectContaining({
        imageId: idOf('y'),
        reason: 'semantic-duplicate',
        value: 0.9,
        threshold: 'teacher:t cosine >= 0.85',
        other: idOf('x'),
      }),
    ]);
  });
});

describe('countsOf', () => {
  it('refuses an account that does not balance', () => {
    const ledger = [rejection(rowOf('x'), { reason: 'near-duplicate', detail: 'why' })];
    expect(countsOf(3, 2, ledger).rejected['near-duplicate']).toBe(1);
    expect(() => countsOf(4, 2, ledger)).toThrow(/internal/);
  });
});
