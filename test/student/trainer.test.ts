import { describe, expect, it } from 'vitest';
import { isStillhouseError } from '../../src/core/failure.ts';
import { decodeCheckpoint, encodeCheckpoint } from '../../src/student/checkpoint.ts';
import { ChannelMoments } from '../../src/student/channel-moments.ts';
import { Embedder } from '../../src/student/embed.ts';
import { evaluateFidelity } from '../../src/student/evaluate.ts';
import type { StudentConfig } from '../../src/student/student-config.ts';
import {
  type StepRecord,
  type TrainOptions,
  type TrainState,
  initialState,
  train,
} from '../../src/student/trainer.ts';
import { eagerStep } from './eager-step.ts';
import { syntheticStream } from './synthetic.ts';
import { tinyConfig } from './tiny.ts';

const config = tinyConfig();

function options(from: TrainState, changes: Partial<TrainOptions> = {}): TrainOptions {
  return {
    from,
    batches: syntheticStream({ batchSize: from.config.batchSize, seed: 'train', from: from.step }),
    onStep: () => undefined,
    checkpointEverySteps: 1000,
    save: () => Promise.resolve(),
    signal: new AbortController().signal,
    ...changes,
  };
}

describe('train', () => {
  it('goes on from a checkpoint to the same bits as an undisturbed run', async () => {
    const saved: Uint8Array[] = [];
    const save = (state: TrainState): Promise<void> => {
      saved.push(encodeCheckpoint(state));
      return Promise.resolve();
    };
    const records: StepRecord[] = [];
    const whole = await train(
      options(initialState(config), {
        untilStep: 7,
        checkpointEverySteps: 3,
        save,
        onStep: (record) => records.push(record),
      }),
    );
    expect(saved.length).toBe(2);
    expect(records.map(({ step }) => step)).toEqual([0, 1, 2, 3, 4, 5, 6]);

    const resumedRecords: StepRecord[] = [];
    const resumed = await train(
      options(decodeCheckpoint(saved[0]!, 'checkpoint'), {
        untilStep: 7,
        onStep: (record) => resumedRecords.push(record),
      }),
    );
    expect(Buffer.from(encodeCheckpoint(resumed)).equals(encodeCheckpoint(whole))).toBe(true);
    expect(resumedRecords).toEqual(records.slice(3));
    expect(Buffer.from(saved[1]!).equals(saved[0]!)).toBe(false);
  });

  it('saves and says so when it is aborted', async () => {
    const controller = new AbortController();
    const saved: TrainState[] = [];
    const run = train(
      options(initialState(config), {
        onStep: ({ step }) => {
          if (step === 1) controller.abort();
        },
        save: (state) => {
          saved.push(state);
          return Promise.resolve();
        },
        signal: controller.signal,
      }),
    );
    await expect(run).rejects.toSatisfy((error) => isStillhouseError(error, 'interrupted'));
    expect(saved.map(({ step }) => step)).toEqual([2]);
  });

  it('runs on another engine that is given to it, to the same losses', async () => {
    const losses = async (changes: Partial<TrainOptions>): Promise<number[]> => {
      const seen: number[] = [];
      const onStep = ({ values }: StepRecord): void => void seen.push(values['loss']!);
      await train(options(initialState(config), { ...changes, untilStep: 3, onStep }));
      return seen;
    };
    const compiled = await losses({});
    const eager = await losses({ compile: (_, initial) => Promise.resolve(eagerStep(config, initial)) });
    expect(compiled.length).toBe(3);
    eager.forEach((loss, i) => expect(loss).toBeCloseTo(compiled[i]!, 5));
  });

  it('stops with a clear message when targets are not finite', async () => {
    async function* poisoned(): ReturnType<typeof syntheticStream> {
      for await (const batch of syntheticStream({ batchSize: 4, seed: 'nan', count: 1 })) {
        batch.targets['sem@16.spatial']![3] = NaN;
        yield batch;
      }
    }
    await expect(train(options(initialState(config), { batches: poisoned() }))).rejects.toSatisfy((error) =>
      isStillhouseError(error, 'bad-input'),
    );
  });

  it('ends with the batches when they run out first', async () => {
    const batches = syntheticStream({ batchSize: 4, seed: 'few', count: 2 });
    expect((await train(options(initialState(config), { batches }))).step).toBe(2);
  });
});

describe('a trained student', () => {
  /** Statistics over the first training batches, as a caller computes them over its training set. */
  async function standardisation(): Promise<StudentConfig['standardisation']> {
    const moments: Record<string, ChannelMoments> = {};
    for await (const { targets } of syntheticStream({ batchSize: 32, seed: 'train', count: 8 }))
      for (const [name, values] of Object.entries(targets))
        (moments[name] ??= new ChannelMoments(name.startsWith('sem') ? 6 : 5)).add(values);
    return Object.fromEntries(Object.entries(moments).map(([name, of]) => [name, of.standardisation()]));
  }

  const heldOut = (
    state: TrainState,
    scales: Record<string, number> = {},
  ): ReturnType<typeof evaluateFidelity> =>
    evaluateFidelity({
      ...state,
      batches: syntheticStream({ batchSize: 16, seed: 'held out', count: 16 }),
      scales,
    });

  it('predicts both teachers on images it has not seen, which one taught wrong targets cannot', async () => {
    const untrained = initialState(
      tinyConfig({
        batchSize: 16,
        standardisation: await standardisation(),
        optimiser: { ...config.optimiser, learningRate: 6e-3, warmupSteps: 10, totalSteps: 200 },
      }),
    );
    const trained = await train(options(untrained));
    const wrongly = syntheticStream({ batchSize: 16, seed: 'train', shuffled: true });
    const shuffled = await train(options(untrained, { batches: wrongly }));
    const [before, after, wrong] = [
      await heldOut(untrained),
      await heldOut(trained),
      await heldOut(shuffled),
    ];
    expect(Object.keys(after).length).toBe(5);
    for (const [name, { fidelity, bestScale }] of Object.entries(after)) {
      // a cosine loss leaves the norm of a summary head free
      const scaled = name.endsWith('.summary')
        ? (await heldOut(trained, { [name]: bestScale }))[name]!.fidelity
        : fidelity;
      expect([name, scaled > 2, before[name]!.fidelity < 1.1]).toEqual([name, true, true]);
      expect([name, wrong[name]!.fidelity < 1.1]).toEqual([name, true]);
    }
  });

  it('embeds images the same in any batch, with CLS tokens of teachers that have a summary', async () => {
    const embedder = await Embedder.create({ ...initialState(config), heads: true });
    try {
      const batches = [];
      for await (const batch of syntheticStream({ batchSize: 4, seed: 'embed', count: 2 }))
        batches.push(batch.pixels);
      const all = await embedder.embedAll(
        (async function* () {
          for (const pixels of batches) yield await Promise.resolve(pixels);
        })(),
      );
      expect(all['summary']!.length).toBe(8 * 16);
      expect(all['mean']!.length).toBe(8 * 16);
      expect(all['edge.spatial']!.length).toBe(8 * 2 * 2 * 5);
      const last = await embedder.embed(batches[1]!.slice(3 * 192));
      expect(last['summary']!.length).toBe(16);
      for (let i = 0; i < 16; i++) expect(last['summary']![i]).toBeCloseTo(all['summary']![7 * 16 + i]!, 5);
    } finally {
      await embedder.close();
    }
  });
});
