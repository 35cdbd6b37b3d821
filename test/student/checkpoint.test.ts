import { describe, expect, it } from 'vitest';
import { isStillhouseError } from '../../src/core/failure.ts';
import { Rng } from '../../src/core/rng.ts';
import { decodeCheckpoint, encodeCheckpoint } from '../../src/student/checkpoint.ts';
import { decodeSafetensors, encodeSafetensors } from '../../src/format/safetensors.ts';
import { parseStudentConfig } from '../../src/student/student-config.ts';
import { initialState } from '../../src/student/trainer.ts';
import { tinyConfig } from './tiny.ts';

const state = {
  ...initialState(
    tinyConfig({
      standardisation: { 'sem@16.summary': { mean: [0, 1, 2, 3, 4, 5], std: [1, 2, 3, 4, 5, 6.1] } },
    }),
  ),
  step: 12,
};

const isIntegrity = (error: unknown): boolean => isStillhouseError(error, 'integrity');

describe('a checkpoint', () => {
  const bytes = encodeCheckpoint(state);

  it('gives back the state that was saved, and the same bytes again', () => {
    const read = decodeCheckpoint(bytes, 'f');
    expect(read).toEqual(state);
    expect(Buffer.from(encodeCheckpoint(read)).equals(bytes)).toBe(true);
  });

  it('is refused when any bit has flipped', () => {
    const rng = new Rng('flips');
    const positions = [
      0,
      8,
      9,
      bytes.length - 1,
      ...Array.from({ length: 60 }, () => rng.below(bytes.length)),
    ];
    for (const position of positions) {
      const broken = bytes.slice();
      broken[position]! ^= 1 << rng.below(8);
      expect(() => decodeCheckpoint(broken, 'f')).toThrow(expect.toSatisfy(isIntegrity) as Error);
    }
  });

  it('is refused when it is another safetensors file, or lacks a tensor', () => {
    const { tensors, metadata } = decodeSafetensors(bytes, 'f');
    const foreign = encodeSafetensors({ tensors, metadata: { format: 'pt' } });
    expect(() => decodeCheckpoint(foreign, 'f')).toThrow(/stillhouse.train-state/);
    const fewer = new Map([...tensors].slice(1));
    expect(() => decodeCheckpoint(encodeSafetensors({ tensors: fewer, metadata }), 'f')).toThrow(/sha256/);
  });
});

describe('parseStudentConfig', () => {
  it('accepts what the tests use and names every contradiction at once', () => {
    expect(parseStudentConfig(tinyConfig(), 'f')).toEqual(tinyConfig());
    const wrong = tinyConfig({
      vit: { ...tinyConfig().vit, patchPx: 3, heads: 5 },
      weights: { sem: { summary: 1, spatial: 1 }, egde: { summary: 0, spatial: 1 } },
      standardisation: { 'sem@16.summmary': { mean: [0], std: [1] } },
    });
    expect(() => parseStudentConfig(wrong, 'f')).toThrow(
      /imagePx 8 is no multiple of patchPx 3.*width 16 is no multiple of heads 5.*unknown teacher egde.*unknown sem@16\.summmary.*no weights for teacher edge/,
    );
  });

  it('refuses teachers whose resolutions differ in width', () => {
    const targets = tinyConfig().targets.map((target, i) =>
      i === 1 ? { ...target, summaryWidth: 7 } : target,
    );
    expect(() => parseStudentConfig(tinyConfig({ targets }), 'f')).toThrow(/sem.summary has widths 6 and 7/);
  });
});
