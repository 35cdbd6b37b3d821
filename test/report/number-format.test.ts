import { describe, expect, test } from 'vitest';
import * as format from '../../src/report/number-format.ts';

/** Formats use no-break spaces; the tables here are easier to read without. */
const plain = (text: string): string => text.replaceAll('\u00a0', ' ');

describe('numbers as text', () => {
  test.each([
    [0, '0'],
    [1234, '1,234'],
    [1234567, '1,234,567'],
    [-1234, '-1,234'],
    [999.6, '1,000'],
  ])('count %d is %s', (value, text) => expect(format.formatCount(value)).toBe(text));

  test.each([
    [0, '0'],
    [8, '8'],
    [0.0123, '0.0123'],
    [1.5, '1.50'],
    [12.345, '12.3'],
    [999.4, '999'],
    [999.7, '1,000'],
    [1234.5, '1,235'],
    [0.99996, '1.00'],
    [1.2e-7, '1.2e-7'],
    [-0.5, '-0.500'],
    [1e300, '1.0e+300'],
  ])('number %d is %s', (value, text) => expect(format.formatNumber(value)).toBe(text));

  test.each([
    [0, '0 %'],
    [1, '100 %'],
    [0.644, '64.4 %'],
    [0.0001, '< 0.1 %'],
    [0.99999, '> 99.9 %'],
    [0.9994, '99.9 %'],
    [1.5, '150.0 %'],
  ])('share %d is %s', (value, text) => expect(plain(format.formatShare(value))).toBe(text));

  test.each([
    [0, '0 B'],
    [512, '512 B'],
    [999.7, '1.00 kB'],
    [12.3e6, '12.3 MB'],
    [999_700_000, '1.00 GB'],
    [5e18, '5,000 PB'],
  ])('%d bytes are %s', (value, text) => expect(plain(format.formatBytes(value))).toBe(text));

  test.each([
    [0, '0 s'],
    [0.0031, '3.10 ms'],
    [0.0487, '49 ms'],
    [0.0998, '0.1 s'],
    [0.42, '0.42 s'],
    [12.34, '12.3 s'],
    [59.96, '1 m 00 s'],
    [80, '1 m 20 s'],
    [3599.6, '1 h 00 m'],
    [7500, '2 h 05 m'],
  ])('%d seconds are %s', (value, text) => expect(plain(format.formatSeconds(value))).toBe(text));

  test.each([null, NaN, Infinity, -Infinity])('%s is not measured, in every format', (value) => {
    const all = [
      format.formatCount,
      format.formatNumber,
      format.formatShare,
      format.formatBytes,
      format.formatSeconds,
    ];
    for (const one of all) expect(one(value)).toBe('not measured');
  });

  test('ticks have just the digits that tell neighbours apart', () => {
    expect([0.25, 0.5].map((x) => format.formatTick(x, 0.25))).toEqual(['0.25', '0.50']);
    expect(format.formatTick(1000, 500)).toBe('1,000');
    expect(format.formatTick(0.02, 0.02)).toBe('0.02');
  });
});
