/** Stated recall intervals of the calibration against leaks whose truth is known, over 200 seeds, on emoji and on MNIST's digits. */
import { describe, expect, it } from 'vitest';
import { ALTERATIONS } from '../../src/audit/calibration/alterations.ts';
import { calibrateLevel } from '../../src/audit/calibration/threshold-choice.ts';
import { Rng } from '../../src/core/rng.ts';
import { drawnScores, emojiSides, leakPopulation, mnistSides, trueRecall } from './planted-leaks.ts';

const SEEDS = 200;
const QUERIES = 80;

describe.each([
  ['emoji', () => emojiSides(150), 0.5],
  ['MNIST', () => mnistSides(150), 0.02],
] as const)('planted leaks among %s', (name, sides, minPrecision) => {
  it('are found as often as the interval says, in all and per alteration, in at least 93 % of seeds', async () => {
    const { evaluation, train } = await sides();
    const population = await leakPopulation(evaluation, train);
    let [stated, held, width] = [0, 0, 0];
    const perAlteration = { stated: 0, held: 0 };
    for (let seed = 0; seed < SEEDS; seed++) {
      const scores = drawnScores(population, { queries: QUERIES, rng: new Rng(seed, 'planted', name) });
      // queries come in pairs of halves: one chooses the cut, the other, which it never saw, states the interval
      const { chosen, validation, alterations } = calibrateLevel(scores, {
        minPrecision,
        prior: { pairs: train.length * evaluation.length, copies: evaluation.length },
        chooses: (query) => Number(query) % 2 === 0,
      });
      if (chosen === null || validation === null) continue;
      const truth = trueRecall(population, chosen);
      const { low, high } = validation.recall;
      stated += 1;
      held += low <= truth && truth <= high ? 1 : 0;
      width += high - low;
      for (const { alteration, recall } of alterations) {
        const own = trueRecall(population, chosen, alteration);
        perAlteration.stated += 1;
        perAlteration.held += recall.low <= own && own <= recall.high ? 1 : 0;
      }
    }
    console.log(
      `${name}: the interval of recall held in ${held} of ${stated} seeds, mean width ${(width / stated).toFixed(3)}; per alteration in ${((100 * perAlteration.held) / perAlteration.stated).toFixed(1)} %`,
    );
    expect(stated).toBeGreaterThanOrEqual(0.9 * SEEDS);
    expect(held / stated).toBeGreaterThanOrEqual(0.93);
    expect(perAlteration.stated).toBe(stated * ALTERATIONS.length);
    expect(perAlteration.held / perAlteration.stated).toBeGreaterThanOrEqual(0.93);
    // an interval that holds by being everything would say nothing
    expect(width / stated).toBeLessThan(0.2);
  });
});
