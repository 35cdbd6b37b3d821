import { describe, expect, it } from 'vitest';
import { ALTERATIONS, CANARY_ALTERATIONS } from '../../../src/audit/calibration/alterations.ts';
import { type DetectorScores, calibrateLevel } from '../../../src/audit/calibration/threshold-choice.ts';
import { Rng } from '../../../src/core/rng.ts';
import { blobs } from '../sample-images.ts';

describe('alterations', () => {
  it('are ladders with unique names, each giving a whole picture, the same one for the same seed', async () => {
    expect(new Set(ALTERATIONS.map(({ name }) => name)).size).toBe(ALTERATIONS.length);
    expect(CANARY_ALTERATIONS).toHaveLength(5);
    const image = blobs(1, 48);
    for (const { name, apply } of ALTERATIONS) {
      const [a, b] = [await apply(image, new Rng(1, name)), await apply(image, new Rng(1, name))];
      expect(a.data.length, name).toBe(a.widthPx * a.heightPx * 3);
      expect(a, name).toEqual(b);
      expect(
        a.data.some((value) => value !== a.data[0]),
        name,
      ).toBe(true);
    }
  });

  it('change the picture, more with each rung', async () => {
    const image = blobs(2, 64);
    const error = async (name: string): Promise<number> => {
      const { data } = await ALTERATIONS.find((one) => one.name === name)!.apply(image, new Rng(1));
      return data.reduce((sum, value, i) => sum + (value - image.data[i]!) ** 2, 0);
    };
    expect(await error('jpeg-95')).toBeGreaterThan(0);
    expect(await error('jpeg-30')).toBeGreaterThan(await error('jpeg-95'));
    expect(await error('blur-2')).toBeGreaterThan(await error('blur-1'));
    expect(await error('caption-0.2')).toBeGreaterThan(await error('caption-0.1'));
  });

  it('resize with a kernel of chance, crop at a place of chance', async () => {
    const image = blobs(3, 64);
    const resize = ALTERATIONS.find(({ name }) => name === 'resize-0.5')!;
    const crop = ALTERATIONS.find(({ name }) => name === 'crop-0.5')!;
    for (const one of [resize, crop]) {
      const seen = new Set<string>();
      for (let seed = 0; seed < 12; seed++)
        seen.add(Buffer.from((await one.apply(image, new Rng(seed))).data).toString('base64'));
      expect(seen.size).toBeGreaterThan(2);
    }
  });
});

describe('the choice of a cut', () => {
  const queries = Array.from({ length: 200 }, (_, i) => `q${i}`);
  const scores = (over: Partial<DetectorScores> = {}): DetectorScores => ({
    level: 'x',
    // copies score 10, of alteration `hard` 4; strangers 0 to 5
    positives: queries.flatMap((query) => [
      { query, alteration: 'easy', score: 10 },
      { query, alteration: 'hard', score: 4 },
    ]),
    negatives: queries.map((query) => ({
      query,
      scores: Float64Array.from({ length: 500 }, (_, i) => (i === 0 ? 5 : i % 4)),
    })),
    thresholds: [0, 2, 4, 6, 8, 10, 12],
    ...over,
  });
  const policy = {
    minPrecision: 0.9,
    prior: { pairs: 100_000, copies: 2000 },
    chooses: (query: string) => Number(query.slice(1)) % 2 === 0,
  };

  it('takes the most recall that is precise enough, the strictest cut of equals', () => {
    const { chosen, validation, alterations, reason } = calibrateLevel(scores(), policy);
    // 4 would find all but with one false match in 500
    expect(chosen).toBe(10);
    expect(reason).toBeNull();
    expect(validation).toMatchObject({ planted: 200, found: 100, falseMatches: 0, comparisons: 50_000 });
    expect(alterations.map(({ alteration, found, planted }) => [alteration, found, planted])).toEqual([
      ['easy', 100, 100],
      ['hard', 0, 100],
    ]);
  });

  it('depends on the prior: where copies are common, a looser cut is precise enough', () => {
    const common = { ...policy, prior: { pairs: 100_000, copies: 50_000 } };
    expect(calibrateLevel(scores(), common).chosen).toBe(4);
  });

  it('judges on the half that did not choose', () => {
    const biased = scores({
      positives: queries.map((query) => ({
        query,
        alteration: 'easy',
        score: policy.chooses(query) ? 10 : 6,
      })),
    });
    const { chosen, validation, curve } = calibrateLevel(biased, policy);
    expect(chosen).toBe(10);
    expect(curve.find(({ threshold }) => threshold === 10)!.recall.value).toBe(1);
    expect(validation!.recall.value).toBe(0);
  });

  it('chooses nothing, and says why, when no cut is precise', () => {
    const hopeless = scores({
      negatives: queries.map((query) => ({ query, scores: new Float64Array(500).fill(11) })),
    });
    const { chosen, validation, reason } = calibrateLevel(hopeless, policy);
    expect([chosen, validation]).toEqual([null, null]);
    expect(reason).toContain('no cut reaches a precision of 0.9');
  });
});
