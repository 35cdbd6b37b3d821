// float32 to binary16 and back against the numpy that is installed: a million random patterns, and all 65,536 of binary16.
import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { decodeHalf, encodeHalf } from '../../src/core/half.ts';
import { Rng } from '../../src/core/rng.ts';
import { PYTHON, lacksPython } from '../support/moto-server.ts';

const reason = lacksPython('numpy');
if (reason !== null) console.error(`skipped, not passed: numpy rounds to half as we do (${reason})`);
const CONVERT = `
import numpy as np
with np.errstate(all="ignore"):
    np.fromfile("floats", np.float32).astype(np.float16).tofile("halves")
    np.arange(65536, dtype=np.uint16).view(np.float16).astype(np.float32).tofile("decoded")
`;

describe.skipIf(reason !== null)('numpy', () => {
  it('rounds random float32 patterns to the same halves, and decodes every half to the same float', () => {
    const folder = fs.mkdtempSync(join(tmpdir(), 'stillhouse-half-'));
    try {
      const rng = new Rng(3, 'numpy');
      // every second one of a magnitude that binary16 has
      const bits = Uint32Array.from({ length: 1_000_000 }, (_, i) =>
        i % 2 === 0 ? rng.uint32() : ((96 + rng.below(50)) << 23) | (rng.uint32() & 0x807fffff),
      );
      const floats = new Float32Array(bits.buffer);
      fs.writeFileSync(join(folder, 'floats'), bits);
      const ran = spawnSync(PYTHON, ['-c', CONVERT], { cwd: folder, encoding: 'utf8' });
      expect([ran.status, ran.stderr]).toEqual([0, '']);
      const ours = encodeHalf(floats);
      const theirs = halvesOf(fs.readFileSync(join(folder, 'halves')));
      expect(theirs.length).toBe(bits.length);
      const wrong: number[] = [];
      theirs.forEach((half, i) => {
        const isNaN = (bits[i]! & 0x7fffffff) > 0x7f800000;
        // which payload survives differs between numpy's code and the processor's instruction
        if (isNaN ? !isHalfNaN(half) || !isHalfNaN(ours[i]!) : half !== ours[i]) wrong.push(bits[i]!);
      });
      expect(wrong).toEqual([]);
      const all = Uint16Array.from({ length: 65_536 }, (_, half) => half);
      const decoded = floatsOf(fs.readFileSync(join(folder, 'decoded')));
      expect(decodeHalf(all)).toEqual(decoded);
    } finally {
      fs.rmSync(folder, { recursive: true, force: true });
    }
  });
});

const isHalfNaN = (half: number): boolean => (half & 0x7fff) > 0x7c00;
const halvesOf = (file: Buffer): Uint16Array => new Uint16Array(Uint8Array.from(file).buffer);
const floatsOf = (file: Buffer): Float32Array => new Float32Array(Uint8Array.from(file).buffer);
