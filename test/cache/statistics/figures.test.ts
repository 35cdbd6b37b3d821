import { describe, expect, it } from 'vitest';
import { AngularDispersion } from '../../../src/cache/statistics/angular-dispersion.ts';
import { FeatureMoments } from '../../../src/cache/statistics/feature-moments.ts';
import { PositionMeans } from '../../../src/cache/statistics/position-means.ts';
import { rankMe } from '../../../src/cache/statistics/spectrum.ts';
import { Rng } from '../../../src/core/rng.ts';

const normals = (length: number, seed: number): Float32Array => {
  const rng = new Rng(seed, 'figures');
  return Float32Array.from({ length }, () => rng.normal());
};

function rankOf(tokens: Float32Array, channels: number): number {
  const moments = new FeatureMoments(channels);
  moments.add(tokens);
  const { mean, covariance } = moments.result();
  return rankMe(mean, covariance);
}

describe('the effective rank', () => {
  it('of features that never change is 1, of nothing but zeros too', () => {
    expect(
      rankOf(
        Float32Array.from({ length: 400 }, (_, i) => [3, 1, -2, 5][i % 4]!),
        4,
      ),
    ).toBeCloseTo(1, 5);
    expect(rankOf(new Float32Array(400), 4)).toBe(1);
  });

  it('of an isotropic Gaussian is nearly the number of channels', () => {
    expect(rankOf(normals(20_000 * 24, 1), 24)).toBeGreaterThan(23.9);
    expect(rankOf(normals(20_000 * 24, 1), 24)).toBeLessThanOrEqual(24);
  });

  it('of k equal directions among many is k', () => {
    const hidden = normals(5000 * 3, 2);
    const tokens = new Float32Array(5000 * 12);
    for (let t = 0; t < 5000; t++) for (let c = 0; c < 12; c++) tokens[t * 12 + c] = hidden[t * 3 + (c % 3)]!;
    expect(rankOf(tokens, 12)).toBeCloseTo(3, 1);
  });

  it('of one matrix is what its singular values say', () => {
    // rows 3 e1, 3 e1, 4 e2: singular values 3 sqrt 2 and 4
    const [a, b] = [3 * Math.SQRT2, 4].map((s) => s / (3 * Math.SQRT2 + 4)) as [number, number];
    const wanted = Math.exp(-a * Math.log(a) - b * Math.log(b));
    expect(rankOf(Float32Array.of(3, 0, 3, 0, 0, 4), 2)).toBeCloseTo(wanted, 6);
  });
});

describe('the angular dispersion', () => {
  it('is the mean squared angle to the mean direction', () => {
    const dispersion = new AngularDispersion(Float64Array.of(2, 0));
    // 0, 90 and 45 degrees; a zero vector has no direction
    dispersion.add(Float32Array.of(5, 0, 0, 3, 1, 1, 0, 0));
    expect(dispersion.result()).toBeCloseTo(((Math.PI / 2) ** 2 + (Math.PI / 4) ** 2) / 3, 6);
  });

  it('does not change when vectors are made longer, and is 0 when all are parallel', () => {
    const summaries = normals(60, 3);
    const of = (values: Float32Array) => {
      const dispersion = new AngularDispersion(Float64Array.of(1, 1, 1));
      dispersion.add(values);
      return dispersion.result()!;
    };
    expect(of(summaries.map((x) => x * 8))).toBeCloseTo(of(summaries), 9);
    expect(of(Float32Array.of(1, 1, 1, 7, 7, 7))).toBeLessThan(1e-12);
    expect(new AngularDispersion(Float64Array.of(1)).result()).toBeNull();
  });
});

describe('the share of the position', () => {
  /** 600 maps of 4 x 4 x 2: noise of deviation 1 on a fixed pattern. */
  function shareOf(amplitude: number) {
    const pattern = Float32Array.from({ length: 32 }, (_, i) => amplitude * Math.sin(i * 1.7));
    const means = new PositionMeans(32);
    const moments = new FeatureMoments(2);
    const noise = normals(600 * 32, 4);
    for (let m = 0; m < 600; m++) {
      const map = noise.slice(m * 32, (m + 1) * 32).map((x, i) => x + pattern[i]!);
      means.add(map);
      moments.add(map);
    }
    const { mean, covariance } = moments.result();
    return { ...means.share(mean, covariance[0]! + covariance[3]!), found: means.mean(), pattern };
  }

  it('of maps without a pattern is what chance gives', () => {
    const { share, byChance } = shareOf(0);
    expect(byChance).toBeCloseTo(1 / 600, 4);
    expect(share).toBeGreaterThan(byChance / 3);
    expect(share).toBeLessThan(byChance * 3);
  });

  it('of maps with a planted pattern is the variance of the pattern, and the mean map is the pattern', () => {
    const { share, found, pattern } = shareOf(2);
    let variance = 0;
    for (const c of [0, 1]) {
      const values = pattern.filter((_, i) => i % 2 === c);
      const mean = values.reduce((a, b) => a + b) / 16;
      variance += values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / 16;
    }
    expect(share).toBeCloseTo(variance / (variance + 2), 1);
    let [dot, a, b] = [0, 0, 0];
    found.forEach((x, i) => {
      dot += x * pattern[i]!;
      a += x * x;
      b += pattern[i]! ** 2;
    });
    expect(dot / Math.sqrt(a * b)).toBeGreaterThan(0.99);
  });
});
