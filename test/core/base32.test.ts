import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { base32 } from '../../src/core/base32.ts';

const ALPHABET = 'abcdefghijklmnopqrstuvwxyz234567';

function decoded(text: string): Uint8Array {
  const bits = Array.from(text, (c) => ALPHABET.indexOf(c).toString(2).padStart(5, '0')).join('');
  return Uint8Array.from(bits.match(/.{8}/g) ?? [], (byte) => parseInt(byte, 2));
}

describe('base32', () => {
  it.each([
    ['', ''],
    ['f', 'my'],
    ['fo', 'mzxq'],
    ['foo', 'mzxw6'],
    ['foob', 'mzxw6yq'],
    ['fooba', 'mzxw6ytb'],
    ['foobar', 'mzxw6ytboi'],
  ])('writes "%s" as RFC 4648 §10 does, in lower case and without padding', (text, wanted) => {
    expect(base32(Buffer.from(text))).toBe(wanted);
  });

  it('loses nothing, and takes ceil(8 n / 5) digits', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        const text = base32(bytes);
        expect(text).toHaveLength(Math.ceil((bytes.length * 8) / 5));
        expect([...decoded(text)]).toEqual([...bytes]);
      }),
    );
  });
});
