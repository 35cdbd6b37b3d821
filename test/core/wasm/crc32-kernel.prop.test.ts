import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CRC_SCRATCH_BYTES, RowChecksum } from '../../../src/core/wasm/crc32-kernel.ts';
import { sharedMemory } from '../../../src/core/wasm/kernels.ts';

const ROOM = 1 << 20;
const memory = sharedMemory(ROOM + 2 * CRC_SCRATCH_BYTES)!;
const bytes = new Uint8Array(memory.buffer);
const checksum = new RowChecksum(memory, ROOM);
const other = new RowChecksum(memory, ROOM + CRC_SCRATCH_BYTES);

/** Fills a stretch with bytes that depend on the seed alone. */
function fill(at: number, length: number, seed: number): Uint8Array {
  let state = seed | 1;
  for (let i = at; i < at + length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes[i] = state;
  }
  return bytes.subarray(at, at + length);
}

describe('the checksum of a row in shared memory', () => {
  it('is the CRC-32 of zlib, for any bytes, length and place', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.integer({ min: 0, max: 60_000 }), fc.integer({ min: 16_000, max: 17_200 })),
        fc.integer({ min: 0, max: 100 }),
        fc.integer(),
        (length, at, seed) => {
          const row = fill(at, length, seed);
          expect(checksum.of(at, length)).toBe(crc32(row));
          expect(other.of(at, length)).toBe(crc32(row));
        },
      ),
    );
  });

  it('is the same around every border of its blocks, and of zeros and ones', () => {
    for (let length = 16_384 - 20; length < 16_384 + 100; length++) {
      const row = fill(3, length, length);
      expect(checksum.of(3, length)).toBe(crc32(row));
    }
    for (const value of [0, 0xff]) {
      bytes.fill(value, 0, ROOM);
      for (const length of [16_384, 24_000, 393_216, ROOM])
        expect(checksum.of(0, length)).toBe(crc32(bytes.subarray(0, length)));
    }
  });

  it('changes with every bit', () => {
    const row = fill(0, 40_000, 7);
    const whole = checksum.of(0, row.length);
    for (let bit = 0; bit < 8 * row.length; bit += 997) {
      row[bit >> 3]! ^= 1 << (bit & 7);
      expect(checksum.of(0, row.length)).not.toBe(whole);
      row[bit >> 3]! ^= 1 << (bit & 7);
    }
    expect(checksum.of(0, row.length)).toBe(whole);
  });
});
