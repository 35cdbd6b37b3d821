import { describe, expect, it } from 'vitest';
import { type Json, canonicalJson } from '../../src/core/canonical-json.ts';

const refused = (value: unknown) => () => canonicalJson(value as Json);

describe('canonical JSON', () => {
  it('sorts keys by UTF-16 code unit, as RFC 8785 §3.2.3 shows', () => {
    const value = {
      '\u20ac': 'Euro Sign',
      '\r': 'Carriage Return',
      '\ufb33': 'Hebrew Letter Dalet With Dagesh',
      '1': 'One',
      '\ud83d\ude00': 'Emoji: Grinning Face',
      '\u0080': 'Control',
      '\u00f6': 'Latin Small Letter O With Diaeresis',
    };
    expect(Object.values(JSON.parse(canonicalJson(value)) as object)).toHaveLength(7);
    expect([...canonicalJson(value).matchAll(/:"([^"]+)"/g)].map(([, name]) => name)).toEqual([
      'Carriage Return',
      'One',
      'Control',
      'Latin Small Letter O With Diaeresis',
      'Euro Sign',
      'Emoji: Grinning Face',
      'Hebrew Letter Dalet With Dagesh',
    ]);
  });

  it('writes numbers in ECMAScript form and no white space', () => {
    expect(canonicalJson({ b: [1.0, -0, 1e21, 1e-7, 333333333.33333329], a: null })).toBe(
      '{"a":null,"b":[1,0,1e+21,1e-7,333333333.3333333]}',
    );
  });

  it('leaves out undefined members, also when they are all there is', () => {
    expect(canonicalJson({ a: undefined, b: 1 })).toBe('{"b":1}');
    expect(canonicalJson({ a: undefined })).toBe('{}');
  });

  it('keeps a member named __proto__', () => {
    const value = JSON.parse('{"__proto__":1,"a":2}') as Json;
    expect(canonicalJson(value)).toBe('{"__proto__":1,"a":2}');
  });

  it('refuses what JSON cannot hold, wherever it stands', () => {
    for (const value of [NaN, Infinity, -Infinity, undefined, 1n, () => 1, Symbol('x'), new Array(1)]) {
      const wrapped = Array.isArray(value) ? value : [value];
      expect(refused(wrapped), typeof value).toThrow(/^internal: .* canonical JSON form$/);
      expect(refused({ a: [{ b: wrapped }] })).toThrow(/^internal: /);
    }
    expect(refused({ a: NaN })).toThrow('internal: NaN has no canonical JSON form');
  });

  it('refuses objects whose content Object.keys does not show', () => {
    for (const value of [new Map([[1, 2]]), new Set([1]), new Date(0), Float32Array.of(1), /x/])
      expect(refused({ value })).toThrow(/prototype of its own/);
  });

  it('takes an object without a prototype', () => {
    expect(canonicalJson(Object.assign(Object.create(null) as { x?: number }, { x: 1 }))).toBe('{"x":1}');
  });
});
