import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nearestNames } from '../../src/core/nearest-names.ts';

describe('the nearest names', () => {
  it('come best first, as many as asked', () => {
    const known = ['dedup', 'decontaminate', 'balance', 'dedupe'];
    expect(nearestNames('dedpu', known, 2)).toEqual(['dedup', 'dedupe']);
    expect(nearestNames('balanse', known, 1)).toEqual(['balance']);
    expect(nearestNames('x', known)).toHaveLength(3);
  });

  it('count inserted, deleted and replaced letters alike', () => {
    expect(nearestNames('kitten', ['sitting', 'kit', 'mitten'])).toEqual(['mitten', 'kit', 'sitting']);
  });

  it('do not care for case', () => {
    expect(nearestNames('CLIP', ['flip', 'clip'], 1)).toEqual(['clip']);
  });

  it('keep the order of the alphabet between equals', () => {
    expect(nearestNames('a', ['d', 'b', 'c'])).toEqual(['b', 'c', 'd']);
  });

  it('are none when nothing is known', () => {
    expect(nearestNames('a', [])).toEqual([]);
  });

  it('start with the name itself when it is known', () => {
    const name = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 6 });
    fc.assert(
      fc.property(name, fc.uniqueArray(name), (wanted, others) => {
        expect(nearestNames(wanted, new Set([...others, wanted]), 1)).toEqual([wanted]);
      }),
    );
  });
});
