import { describe, expect, it } from 'vitest';
import {
  type Evidence,
  type Threshold,
  compareEvidence,
  describeEvidence,
  meets,
} from '../../src/audit/evidence.ts';

const phash = (distance: number): Evidence => ({ level: 'phash', distance, transform: 'identity' });
const cosine = (value: number, name = 'nanodet'): Evidence => ({
  level: `teacher:${name}`,
  cosine: value,
  rank: 2,
});

describe('meets', () => {
  it('counts the threshold itself as reached', () => {
    expect(meets(phash(6), [{ level: 'phash', maxDistance: 6 }])).toBe(true);
    expect(meets(phash(7), [{ level: 'phash', maxDistance: 6 }])).toBe(false);
    expect(meets(cosine(0.9), [{ level: 'teacher:nanodet', minCosine: 0.9 }])).toBe(true);
    expect(meets(cosine(0.89), [{ level: 'teacher:nanodet', minCosine: 0.9 }])).toBe(false);
    expect(meets({ level: 'byte' }, [{ level: 'byte' }])).toBe(true);
  });

  it('holds each level to its own threshold only', () => {
    const thresholds: Threshold[] = [
      { level: 'dhash', maxDistance: 64 },
      { level: 'teacher:other', minCosine: -1 },
      { level: 'pixel' },
    ];
    expect(meets(phash(0), thresholds)).toBe(false);
    expect(meets(cosine(1), thresholds)).toBe(false);
    expect(meets({ level: 'byte' }, thresholds)).toBe(false);
    expect(meets({ level: 'pixel' }, thresholds)).toBe(true);
  });
});

describe('compareEvidence', () => {
  it('puts exact before hash before teacher, and the closer first', () => {
    const sorted: Evidence[] = [
      { level: 'byte' },
      { level: 'pixel' },
      { level: 'dhash', distance: 9, transform: 'mirror' },
      phash(1),
      phash(2),
      cosine(0.9),
      cosine(0.8),
      cosine(0.99, 'zed'),
    ];
    expect([...sorted].reverse().sort(compareEvidence)).toEqual(sorted);
  });

  it('tells apart evidence of one level that is equally close, so that a choice never falls to input order', () => {
    const mirror: Evidence = { level: 'phash', distance: 1, transform: 'mirror' };
    expect(Math.sign(compareEvidence(phash(1), mirror))).toBe(-1);
    expect(Math.sign(compareEvidence(mirror, phash(1)))).toBe(1);
    expect(compareEvidence(mirror, { ...mirror })).toBe(0);
  });
});

describe('describeEvidence', () => {
  it('says level, distance and transform in one clause', () => {
    expect(describeEvidence({ level: 'dhash', distance: 3, transform: 'rotate-90' })).toBe(
      'dhash distance 3 (rotate-90)',
    );
    expect(describeEvidence(phash(0))).toBe('phash distance 0');
    expect(describeEvidence(cosine(0.98765))).toBe('teacher:nanodet cosine 0.9877, rank 2');
    expect(describeEvidence({ level: 'byte' })).toBe('same bytes');
  });
});
