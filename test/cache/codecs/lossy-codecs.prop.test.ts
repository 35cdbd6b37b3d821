import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { channelScales } from '../../../src/cache/codecs/channel-codec.ts';
import { CodecErrorSums, compareStandardised, precisionOf } from '../../../src/cache/codecs/codec-error.ts';
import { phiS } from '../../../src/cache/codecs/phi-s.ts';
import type { CodedShape } from '../../../src/cache/codecs/stored-tensor.ts';
import { decodeHalf, encodeHalf } from '../../../src/core/half.ts';
import { compareTokens, madeUpTokens, relativeError, statisticsOf, through } from './rig.ts';

/** Maps of 4 x 4 cells; widths with and without a Hadamard matrix. */
const worlds = fc.record({
  channels: fc.constantFrom(4, 5, 12, 16, 18, 32),
  seed: fc.nat(),
  outlier: fc.constantFrom(1, 40),
});

/** Made here, not by the arbitrary: a counterexample is then three numbers. */
function madeFrom({ channels, seed, outlier }: { channels: number; seed: number; outlier: number }) {
  const tokens = madeUpTokens({ channels, seed, outlier, tokens: 20 * 16 });
  return { channels, statistics: statisticsOf(tokens, channels), target: tokens.slice(0, 16 * channels) };
}

const coded = (channels: number, codec: CodedShape['codec']): CodedShape => ({
  shape: [4, 4, channels],
  codec,
});
const LOSSY = ['i8c', 'i8p', 'i4p'] as const;

describe('a lossy codec', () => {
  it('gives the same bytes for a target and for its binary16 rounding: it can be derived from f16', () => {
    fc.assert(
      fc.property(worlds, fc.constantFrom(...LOSSY), fc.boolean(), (world, id, pooled) => {
        const { channels, statistics, target } = madeFrom(world);
        const shape = coded(channels, { id, ...(pooled ? { pool: 2 } : {}) });
        const rounded = decodeHalf(encodeHalf(target));
        expect(through(shape, statistics, rounded).bytes).toEqual(through(shape, statistics, target).bytes);
      }),
      { numRuns: 60 },
    );
  });

  it('states the error that its reader meets', () => {
    fc.assert(
      fc.property(worlds, fc.constantFrom(...LOSSY), (world, id) => {
        const { channels, statistics, target } = madeFrom(world);
        const kept = id === 'i8c' ? {} : { channels: Math.ceil(channels / 2) };
        for (const codec of [{ id }, { id, ...kept }]) {
          const { error, decoded } = through(coded(channels, codec), statistics, target);
          const sums = new CodecErrorSums();
          const source = decodeHalf(encodeHalf(target));
          const precision = precisionOf(statistics.std);
          const row = { source, decoded: decoded('teacher'), channels };
          compareTokens(row, sums);
          compareStandardised(row, precision, sums);
          const met = sums.result()!;
          const scale = statistics.std.reduce((sum, s) => sum + s * s, 0) / channels;
          expect(error!.tokens).toBe(16);
          // the rotation back is in float32: beside a channel 40 times as large, the others lose digits
          const near = (value: number, wanted: number) =>
            expect(Math.abs(value - wanted)).toBeLessThan(1e-4 + 1e-3 * Math.abs(wanted));
          near(error!.cosine.mean, met.cosine.mean);
          near(error!.cosine.worst, met.cosine.worst);
          near(error!.mse.mean / scale, met.mse.mean / scale);
          near(error!.mse.worst / scale, met.mse.worst / scale);
          near(error!.standardisedMse!.mean, met.standardisedMse!.mean);
        }
      }),
      { numRuns: 60 },
    );
  });

  it.each([
    ['i8c', 3e-3],
    ['i8p', 3e-4],
    ['i4p', 5e-2],
  ] as const)('%s stays within a relative squared error of %d, outlier channels or not', (id, most) => {
    fc.assert(
      fc.property(worlds, (world) => {
        const { channels, statistics, target } = madeFrom(world);
        const { decoded, trouble } = through(coded(channels, { id }), statistics, target);
        expect(trouble).toBeNull();
        expect(relativeError(target, decoded('teacher'), statistics.mean)).toBeLessThan(most);
      }),
      { numRuns: 60 },
    );
  });

  it.each(LOSSY)('%s refuses what is not finite or beyond binary16', (id) => {
    const tokens = madeUpTokens({ channels: 4, seed: 1, tokens: 64 });
    const statistics = statisticsOf(tokens, 4);
    for (const [bad, trouble] of [
      [NaN, 'non-finite'],
      [-Infinity, 'non-finite'],
      [65_505, 'beyond-f16'],
    ] as const) {
      const target = tokens.slice(0, 64);
      target[9] = bad;
      expect(through(coded(4, { id }), statistics, target).trouble).toBe(trouble);
    }
  });

  it.each(LOSSY)('%s of a teacher that never moves gives it back', (id) => {
    const tokens = Float32Array.from({ length: 16 * 4 }, (_, i) => [3, -1, 0, 8][i % 4]!);
    const { decoded, error } = through(coded(4, { id }), statisticsOf(tokens, 4), tokens);
    decoded('teacher').forEach((x, i) => expect(x).toBeCloseTo(tokens[i]!, 3));
    expect(error!.cosine.worst).toBeGreaterThan(1 - 1e-6);
  });

  it('of a summary is that of a map of one cell', () => {
    const tokens = madeUpTokens({ channels: 12, seed: 3, tokens: 200 });
    const statistics = statisticsOf(tokens, 12);
    for (const id of LOSSY) {
      const summary = through({ shape: [12], codec: { id } }, statistics, tokens.slice(0, 12));
      const map = through({ shape: [1, 1, 12], codec: { id } }, statistics, tokens.slice(0, 12));
      expect(summary.bytes).toEqual(map.bytes);
      expect(summary.decoded('teacher')).toEqual(map.decoded('teacher'));
    }
  });
});

describe('the normalised form', () => {
  it('of i8p and i4p is the PHI-S of the target, within the error of the codes', () => {
    fc.assert(
      fc.property(worlds, fc.constantFrom('i8p', 'i4p'), (world, id) => {
        const { channels, statistics, target } = madeFrom(world);
        const { phi, rotation, mean } = phiS(statistics);
        const normalised = through(coded(channels, { id }), statistics, target).decoded('normalised');
        let [error, power] = [0, 0];
        for (let token = 0; token < 16; token++)
          for (let i = 0; i < channels; i++) {
            let x = 0;
            for (let c = 0; c < channels; c++)
              x += (rotation[i * channels + c]! * (target[token * channels + c]! - mean[c]!)) / phi;
            error += (normalised[token * channels + i]! - x) ** 2;
            power += x * x;
          }
        expect(error / power).toBeLessThan(id === 'i8p' ? 3e-4 : 5e-2);
      }),
      { numRuns: 40 },
    );
  });

  it('has as many channels as are kept', () => {
    const tokens = madeUpTokens({ channels: 16, seed: 5, tokens: 400 });
    const { decoded, error } = through(
      coded(16, { id: 'i8p', channels: 6, pool: 2 }),
      statisticsOf(tokens, 16),
      tokens.slice(0, 256),
    );
    expect([decoded('normalised').length, decoded('teacher').length, error!.tokens]).toEqual([24, 64, 4]);
  });
});

describe('i8c', () => {
  it('is off by half a step at most inside the measured range, and counts what lies outside', () => {
    fc.assert(
      fc.property(worlds, (world) => {
        const { channels, statistics, target } = madeFrom(world);
        const { decoded, error } = through(coded(channels, { id: 'i8c' }), statistics, target);
        const { scale } = channelScales(statistics);
        decoded('teacher').forEach((x, i) =>
          expect(Math.abs(x - target[i]!)).toBeLessThanOrEqual(
            scale[i % channels]! * 0.502 + Math.abs(target[i]!) / 2000,
          ),
        );
        expect(error!.clipped).toBe(0);
        const further = target.slice();
        further[0] = 60_000;
        further[channels] = -60_000;
        const clipped = through(coded(channels, { id: 'i8c' }), statistics, further);
        expect(clipped.error!.clipped).toBe(2);
        expect(clipped.bytes[0]).toBe(255);
        expect(clipped.bytes[channels]).toBe(0);
      }),
      { numRuns: 40 },
    );
  });
});
