// What a loader delivers from a derived space, against what it delivers from the f16 space that was derived: within the recorded error.
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, expectTypeOf, it } from 'vitest';
import { type Catalogue, openCatalogue } from '../../src/cache/catalogue.ts';
import { type CodecDescriptor, codecName } from '../../src/cache/codecs/codec.ts';
import { phiS } from '../../src/cache/codecs/phi-s.ts';
import { codecStatistics } from '../../src/cache/codecs/open-space-codec.ts';
import { planDerivation } from '../../src/cache/derivation.ts';
import { deriveTargets } from '../../src/cache/derive.ts';
import { wantedRows } from '../../src/cache/plan.ts';
import { type SpaceDescriptor, spaceIdOf } from '../../src/cache/space.ts';
import { spaceError } from '../../src/cache/space-error.ts';
import { measureStatistics } from '../../src/cache/statistics/choose-statistics.ts';
import { partOf } from '../../src/cache/target-part.ts';
import { openLoader } from '../../src/loader/open-loader.ts';
import { madeUpTokens } from '../cache/codecs/rig.ts';
import { fixedClock, images, openWriter, space } from '../cache/rig.ts';
import { quickFs } from '../support/quick-fs.ts';
import { failing } from '../support/failing.ts';

const CHANNELS = 12;
const IMAGES = 24;
const TOKENS = 9;
const FLOAT_ROUNDING = 2 ** -24;
const F16 = space({
  tap: { kind: 'spatial', rule: { tensor: 'y' } },
  shape: [3, 3, CHANNELS],
  codec: { id: 'f16' },
});
const ROWS = wantedRows(images(IMAGES));
const KEYS = ROWS.map(({ key }) => key);
const CODECS: CodecDescriptor[] = [{ id: 'i8c' }, { id: 'i8p' }, { id: 'i4p' }, { id: 'i8p', channels: 7 }];
let root = '';
let snapshot: Catalogue;
const derived = new Map<CodecDescriptor, SpaceDescriptor>();

beforeAll(async () => {
  root = fs.mkdtempSync(join(tmpdir(), 'stillhouse-coded-'));
  const { writer } = await openWriter(root);
  const values = madeUpTokens({ channels: CHANNELS, tokens: IMAGES * TOKENS, seed: 1, outlier: 40 });
  for (let from = 0; from < IMAGES; from += 8)
    await writer.commit([
      partOf(
        F16,
        ROWS.slice(from, from + 8),
        values.subarray(from * TOKENS * CHANNELS, (from + 8) * TOKENS * CHANNELS),
      ),
    ]);
  const source = (await openCatalogue(root)).spaces.get(spaceIdOf(F16))!;
  for (const codec of CODECS) {
    const target = await measureStatistics({
      root,
      fs: quickFs,
      clock: fixedClock,
      space: { ...F16, codec },
      source,
      keys: KEYS,
    });
    const derivation = planDerivation({ space: target, source, present: undefined });
    await deriveTargets({ root, derivation, writer });
    derived.set(codec, target);
  }
  await writer.close();
  snapshot = await openCatalogue(root);
});
afterAll(() => fs.rmSync(root, { recursive: true, force: true }));

const open = (codec: CodecDescriptor, options: { batchSize: number; seed: number; workers?: number }) =>
  openLoader({
    snapshot: onlyOf(codec),
    dataset: { name: 'photos', keys: KEYS },
    spaces: ['sums@2.spatial'],
    workers: 0,
    shuffle: { kind: 'none' },
    ...options,
  });

const recordedError = (codec: CodecDescriptor) =>
  spaceError(snapshot.spaces.get(spaceIdOf(derived.get(codec)!))!)!.mse;

interface TokenError {
  readonly mse: number;
  /** Mean square of what is stored. What lies in dropped directions is a small difference of float32 sums of this size. */
  readonly energy: number;
}

/** How far each token of one epoch, in whole batches, is from that of f16. */
async function tokenErrors(
  codec: CodecDescriptor,
  options: { batchSize: number; seed: number },
): Promise<TokenError[]> {
  const [exact, coded] = [await open({ id: 'f16' }, options), await open(codec, options)];
  const other = coded.batches(0, exact.batchesPerEpoch);
  const errors: TokenError[] = [];
  for await (const batch of exact.batches(0, exact.batchesPerEpoch)) {
    const wanted = batch.teachers['sums@2'].spatial;
    const { value: next } = await other.next();
    const got = next!.teachers['sums@2'].spatial;
    expect([got.shape, next!.ids]).toEqual([wanted.shape, batch.ids]);
    for (let at = 0; at < wanted.data.length; at += CHANNELS)
      errors.push({
        mse: squaredError(wanted.data, got.data, at),
        energy: squaredError(wanted.data, new Float32Array(wanted.data.length), at),
      });
  }
  await Promise.all([exact.close(), coded.close()]);
  return errors;
}

/** A snapshot of f16, or of one derived space: the label is the same. */
function onlyOf(codec: CodecDescriptor): Catalogue {
  const id = spaceIdOf(derived.get(codec) ?? F16);
  return { ...snapshot, spaces: new Map([[id, snapshot.spaces.get(id)!]]) };
}

describe('targets of a derived space', () => {
  it('are those of the f16 space within the worst error that the space records, in batches of any size', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...CODECS),
        fc.integer({ min: 1, max: IMAGES }),
        fc.nat(),
        async (codec, batchSize, seed) => {
          const { worst } = recordedError(codec);
          for (const { mse, energy } of await tokenErrors(codec, { batchSize, seed }))
            expect(mse).toBeLessThanOrEqual(worst * 1.001 + 1e-6 * energy);
        },
      ),
      { numRuns: 20 },
    );
  });

  it.each(CODECS.map((codec) => [codecName(codec), codec] as const))(
    'of %s are on the whole as far from it as the mean that the space records',
    async (_, codec) => {
      const errors = await tokenErrors(codec, { batchSize: IMAGES, seed: 1 });
      expect(errors).toHaveLength(IMAGES * TOKENS);
      const { mean } = recordedError(codec);
      const [mse, energy] = (['mse', 'energy'] as const).map(
        (kind) => errors.reduce((sum, one) => sum + one[kind], 0) / errors.length,
      );
      expect(Math.abs(mse! - mean)).toBeLessThan(mean * 1e-3 + FLOAT_ROUNDING * energy!);
    },
  );

  it('are the same from worker threads', async () => {
    for (const codec of [CODECS[1]!, CODECS[2]!]) {
      const all: number[][] = [];
      for (const workers of [0, 1]) {
        const loader = await open(codec, { batchSize: 8, seed: 1, workers });
        const values: number[] = [];
        for await (const { teachers } of loader) values.push(...teachers['sums@2'].spatial.data);
        await loader.close();
        all.push(values);
      }
      expect(all[1]).toEqual(all[0]);
    }
  });

  it('come in normalised form on request: the PHI-S of the teacher, one variance for every channel', async () => {
    const coded = { batchSize: IMAGES, seed: 1, workers: 0, shuffle: { kind: 'none' } } as const;
    const loader = await openLoader({
      snapshot,
      dataset: { name: 'photos', keys: KEYS },
      spaces: ['sums@2.spatial.i8p'],
      form: 'normalised',
      ...coded,
    });
    const exact = await open({ id: 'f16' }, coded);
    const [{ value: normal }, { value: plain }] = [
      await loader.batches(0, 1).next(),
      await exact.batches(0, 1).next(),
    ];
    const got = normal!.teachers['sums@2'].spatial;
    expect(got.shape).toEqual([IMAGES, 3, 3, CHANNELS]);
    const { data } = plain!.teachers['sums@2'].spatial;
    const { mean, phi, rotation } = phiS((await codecStatistics(root, derived.get(CODECS[1]!)!, quickFs))!);
    for (let token = 0; token < IMAGES * TOKENS; token++)
      for (let i = 0; i < CHANNELS; i++) {
        let x = 0;
        for (let c = 0; c < CHANNELS; c++)
          x += (rotation[i * CHANNELS + c]! * (data[token * CHANNELS + c]! - mean[c]!)) / phi;
        expect(Math.abs(got.data[token * CHANNELS + i]! - x)).toBeLessThan(0.05);
      }
    await Promise.all([loader.close(), exact.close()]);
  });
});

describe('a label', () => {
  const options = { dataset: { name: 'photos', keys: KEYS }, batchSize: 4, seed: 1, workers: 0 } as const;

  it('without a codec means the richest space that has all samples; with one, that space', async () => {
    const rich = await openLoader({ snapshot, ...options, spaces: ['sums@2.spatial'] });
    expect(rich.spaces).toEqual([{ label: 'sums@2.spatial.f16', id: spaceIdOf(F16) }]);
    const coded = await openLoader({ snapshot, ...options, spaces: ['sums@2.spatial.i8p-c7'] });
    expect(coded.spaces[0]!.label).toBe('sums@2.spatial.i8p-c7');
    for await (const { teachers } of coded.batches(0, 1))
      expectTypeOf(teachers['sums@2'].spatial.data).toEqualTypeOf<Float32Array>();
    await Promise.all([rich.close(), coded.close()]);
  });

  it('means the space with most of the samples, not one with the sample of a first pass', async () => {
    const half = snapshot.spaces.get(spaceIdOf(F16))!;
    const few = { ...half, rows: new Map(KEYS.slice(0, 8).map((key) => [key, half.rows.get(key)!])) };
    const partly = { ...snapshot, spaces: new Map([...snapshot.spaces, [half.id, few]]) };
    const loader = await openLoader({ snapshot: partly, ...options, spaces: ['sums@2.spatial'] });
    expect(loader.spaces[0]!.label).toBe('sums@2.spatial.i8p');
    await loader.close();
  });

  it('of two teachers, or a form that the codec does not have, is refused', async () => {
    const other = { ...F16, runtime: { ...F16.runtime, version: '2' } };
    const source = snapshot.spaces.get(spaceIdOf(F16))!;
    const two = new Map(snapshot.spaces).set(spaceIdOf(other), { ...source, descriptor: other });
    await expect(
      openLoader({ snapshot: { ...snapshot, spaces: two }, ...options, spaces: ['sums@2.spatial'] }),
    ).rejects.toThrow(failing(3, { what: expect.stringContaining('several teachers') }));
    await expect(
      openLoader({ snapshot, ...options, spaces: ['sums@2.spatial.f16'], form: 'normalised' }),
    ).rejects.toThrow(failing(3, { what: expect.stringContaining('no normalised form') }));
  });
});

function squaredError(a: Float32Array, b: Float32Array, at: number): number {
  let sum = 0;
  for (let c = 0; c < CHANNELS; c++) sum += (a[at + c]! - b[at + c]!) ** 2;
  return sum / CHANNELS;
}
