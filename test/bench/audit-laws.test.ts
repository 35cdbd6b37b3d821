/** Laws over 200 seeds (audit-and-curation.md §5.11): p-values are uniform under the null, intervals hold as often as they say. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ALTERATIONS } from '../../src/audit/calibration/alterations.ts';
import { clopperPearson } from '../../src/audit/clopper-pearson.ts';
import { MatrixEngine } from '../../src/audit/distance/matrix-products.ts';
import { meanDiscrepancy } from '../../src/audit/distance/mean-discrepancy.ts';
import { pooledProducts } from '../../src/audit/distance/pooled-products.ts';
import { hammingDistance } from '../../src/audit/hamming-search.ts';
import { dihedralHashesOf, perceptualHashOf } from '../../src/audit/perceptual-hash.ts';
import { Rng } from '../../src/core/rng.ts';
import { decodeImage } from '../../src/images/decode.ts';
import { greyPlaneOf } from '../../src/images/rgb-image.ts';
import { meanAndError, normalRows } from '../audit/distance/gaussian-pairs.ts';
import { readEmoji } from '../support/emoji-folder.ts';

const SEEDS = 200;
let engine: MatrixEngine;
beforeAll(async () => {
  engine = await MatrixEngine.open({ threads: 1 });
});
afterAll(() => engine.close());

describe('over 200 seeds', () => {
  it('the permutation p is uniform and the unbiased discrepancy 0 on average when nothing differs', async () => {
    const p: number[] = [];
    const values: number[] = [];
    for (let seed = 0; seed < SEEDS; seed++) {
      const rng = new Rng(seed, 'null');
      const x = normalRows(rng, { count: 40, dim: 6 });
      const pool = await pooledProducts(engine, { x, y: normalRows(rng, { count: 40, dim: 6 }), dim: 6 });
      const found = await meanDiscrepancy(pool, {
        engine,
        kernel: { kind: 'rbf', sigma: 3 },
        rng,
        permutations: 199,
      });
      p.push(found.pValue!);
      values.push(found.value);
    }
    // Kolmogorov-Smirnov at 1 %: 1.63 / sqrt(200), and half a step of 1/200 for p-values that come in steps
    const sorted = [...p].sort((a, b) => a - b);
    const gap = Math.max(...sorted.map((value, i) => Math.max((i + 1) / SEEDS - value, value - i / SEEDS)));
    expect(gap).toBeLessThan(1.63 / Math.sqrt(SEEDS) + 1 / SEEDS);
    const { mean, error } = meanAndError(values);
    expect(Math.abs(mean)).toBeLessThan(3 * error);
  });

  it('Clopper-Pearson covers at least as often as it says', () => {
    for (const rate of [0.02, 0.1, 0.5]) {
      let covered = 0;
      for (let seed = 0; seed < 2000; seed++) {
        const rng = new Rng(seed, 'coverage', rate);
        let successes = 0;
        for (let i = 0; i < 150; i++) successes += rng.uniform() < rate ? 1 : 0;
        const { low, high } = clopperPearson(successes, 150);
        covered += low <= rate && rate <= high ? 1 : 0;
      }
      // nominal 1,900; three standard deviations below would be 1,871
      expect(covered).toBeGreaterThanOrEqual(1871);
    }
  });

  it('the recall of planted emoji lies in the interval of a sample in at least 93 % of samples', async () => {
    // every emoji in every alteration once: the recall of the whole population is known
    const images = await readEmoji('twitter', 120);
    const alterations = ALTERATIONS.filter(({ severity }) => severity < 2);
    const found: boolean[] = [];
    for (const [i, bytes] of images.entries()) {
      const image = await decodeImage(bytes);
      const variants = dihedralHashesOf(greyPlaneOf(image)).variants;
      for (const { name, apply } of alterations) {
        const { phash } = perceptualHashOf(await apply(image, new Rng(i, name)));
        found.push(variants.some((variant) => hammingDistance(variant.phash, phash) <= 4));
      }
    }
    const truth = found.filter(Boolean).length / found.length;
    let held = 0;
    for (let seed = 0; seed < SEEDS; seed++) {
      const rng = new Rng(seed, 'planted');
      let hits = 0;
      // a sample of leaks: emoji and alteration drawn at random, with replacement
      for (let i = 0; i < 150; i++) hits += found[rng.below(found.length)] === true ? 1 : 0;
      const { low, high } = clopperPearson(hits, 150);
      held += low <= truth && truth <= high ? 1 : 0;
    }
    expect(truth).toBeGreaterThan(0.3);
    expect(held).toBeGreaterThanOrEqual(0.93 * SEEDS);
  });
});
