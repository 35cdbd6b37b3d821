import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, expectTypeOf, it, onTestFinished } from 'vitest';
import { type Catalogue, openCatalogue } from '../../src/cache/catalogue.ts';
import { isStillhouseError } from '../../src/core/failure.ts';
import { floatFromHalf } from '../../src/core/half.ts';
import type { Tensor } from '../../src/loader/batch.ts';
import { type LoaderOptions, openLoader } from '../../src/loader/open-loader.ts';
import { failing } from '../support/failing.ts';
import { systemError } from '../support/failing-fs.ts';
import { quickFs } from '../support/quick-fs.ts';
import { answer, group, image, images, keyOf, openWriter, partFor, rendered } from '../cache/rig.ts';
import { FULL_VIEW } from '../../src/images/view.ts';

const [summary, spatial] = group().spaces as [never, never];
const LABELS = ['sums@2.summary', 'sums@2.spatial'] as const;
type Label = (typeof LABELS)[number];
const COUNT = 26;
const PART = 6;
/** The last image has no target. */
const PRESENT = COUNT - 1;
const keys = Array.from({ length: COUNT }, (_, i) => keyOf(image(i)));
let pristine = '';

beforeAll(async () => {
  pristine = fs.mkdtempSync(join(tmpdir(), 'stillhouse-loader-'));
  const { writer } = await openWriter(pristine);
  for (let from = 0; from < PRESENT; from += PART) {
    const rows = images(COUNT).slice(from, Math.min(PRESENT, from + PART));
    await writer.commit([partFor(summary, rows), partFor(spatial, rows)]);
  }
});
afterAll(() => fs.rmSync(pristine, { recursive: true, force: true }));

/** A cache of the test's own, so that it may be damaged. */
async function snapshot(): Promise<Catalogue> {
  const root = fs.mkdtempSync(join(tmpdir(), 'stillhouse-loader-'));
  onTestFinished(() => fs.rmSync(root, { recursive: true, force: true }));
  fs.cpSync(pristine, root, { recursive: true });
  return openCatalogue(root);
}

async function open(changes: Partial<LoaderOptions<Label, 'f32', null>> = {}) {
  const loader = await openLoader<Label>({
    snapshot: changes.snapshot ?? (await snapshot()),
    dataset: { name: 'photos', keys },
    spaces: LABELS,
    batchSize: 4,
    seed: 5,
    workers: 0,
    shuffle: { kind: 'blocks', spread: 2 },
    ...changes,
  });
  onTestFinished(() => loader.close());
  return loader;
}
type Opened = Awaited<ReturnType<typeof open>>;

async function sequence(loader: Opened, from?: number, to?: number): Promise<unknown[]> {
  const seen: unknown[] = [];
  for await (const { step, epoch, ids, samples, teachers } of loader.batches(from, to)) {
    const { mask, summary: s, spatial: p } = teachers['sums@2'];
    seen.push({ step, epoch, ids, samples, mask: [...mask], s: [...s.data], p: [...p.data], shape: p.shape });
  }
  return seen;
}

const failure = async (work: () => Promise<unknown>): Promise<{ kind: string; message: string }> => {
  try {
    await work();
  } catch (error) {
    if (isStillhouseError(error)) return { kind: error.failure.kind, message: error.message };
    throw error;
  }
  return { kind: 'none', message: '' };
};

/** Flips one bit of a stored row. */
function damage(catalogue: Catalogue, label: string, sample: number): string {
  const space = [...catalogue.spaces.values()].find(
    ({ descriptor }) => label.endsWith(descriptor.tap.kind) && descriptor.teacher.name === 'sums',
  )!;
  const { part, row } = space.rows.get(keys[sample]!)!;
  const bytes = fs.readFileSync(part.path);
  bytes[part.layout.at.payload + row * part.layout.rowBytes]! ^= 1;
  fs.chmodSync(part.path, 0o644);
  fs.writeFileSync(part.path, bytes);
  return part.path;
}

describe('a loader', () => {
  it('gives every sample the targets that were written for it, shaped, and masks the one that has none', async () => {
    const loader = await open({ last: 'keep' });
    let seen = 0;
    for await (const batch of loader) {
      const { mask, summary: s, spatial: p } = batch.teachers['sums@2'];
      expect([s.shape, p.shape]).toEqual([
        [batch.size, 3],
        [batch.size, 2, 1, 2],
      ]);
      batch.samples.forEach((sample, i) => {
        seen += 1;
        expect(batch.ids[i]).toBe(image(sample).id);
        expect(mask[i]).toBe(sample < PRESENT ? 1 : 0);
        for (const [space, { data }, width] of [
          [summary, s, 3],
          [spatial, p, 4],
        ] as const) {
          const wanted =
            sample < PRESENT ? answer(space, rendered(image(sample), FULL_VIEW)) : new Float32Array(width);
          wanted.forEach((value, at) =>
            expect(Math.abs(data[i * width + at]! - value)).toBeLessThanOrEqual(Math.abs(value) / 1024),
          );
        }
      });
    }
    expect(seen).toBe(COUNT);
    expect(loader.counts.masked).toEqual({ absent: 1 });
  });

  it('is typed by the spaces asked for', async () => {
    const one = await openLoader({
      snapshot: await snapshot(),
      dataset: { name: 'photos', keys },
      spaces: ['sums@2.summary'],
      batchSize: 4,
      seed: 1,
      as: 'f16',
    });
    onTestFinished(() => one.close());
    for await (const { teachers } of one.batches(0, 1)) {
      expectTypeOf(teachers['sums@2'].summary).toEqualTypeOf<Tensor<Uint16Array>>();
      expectTypeOf(teachers['sums@2'].mask).toEqualTypeOf<Uint8Array>();
      expectTypeOf(teachers['sums@2']).not.toHaveProperty('spatial');
      expectTypeOf(teachers).not.toHaveProperty('other@2');
    }
  });

  it('reads only the spaces asked for, each byte once, and tensors lie at multiples of 64 bytes', async () => {
    const loader = await openLoader({
      snapshot: await snapshot(),
      dataset: { name: 'photos', keys: keys.slice(0, 24) },
      spaces: ['sums@2.summary'],
      batchSize: 4,
      seed: 1,
      as: 'f16',
      workers: 0,
      shuffle: { kind: 'none' },
    });
    onTestFinished(() => loader.close());
    for await (const { teachers } of loader) expect(teachers['sums@2'].summary.data.byteOffset % 64).toBe(0);
    expect(loader.counts).toMatchObject({ bytesDelivered: 24 * 6, bytesRead: 24 * 6, bytesDecoded: 0 });
    // neighbours in one part are read together: 24 rows of parts of 6 in batches of 4
    expect(loader.counts.reads).toBe(8);
  });

  it.each([0, 2])('resumes at every batch with the same sequence, with %i threads', async (workers) => {
    const catalogue = await snapshot();
    const whole = await sequence(await open({ snapshot: catalogue, workers }), 0, 12);
    const steps = workers === 0 ? Array.from({ length: 12 }, (_, i) => i) : [5];
    for (const stop of steps) {
      const first = await open({ snapshot: catalogue, workers });
      await sequence(first, 0, stop);
      const state = JSON.parse(JSON.stringify(first.state()));
      const second = await open({ snapshot: catalogue, workers, state });
      expect(await sequence(second, undefined, 12)).toEqual(whole.slice(stop));
    }
  });

  it('gives ranks the shares of the same global batches, and a state moves between world sizes', async () => {
    const catalogue = await snapshot();
    const ids = async (loader: Opened, from: number, to: number): Promise<string[][]> => {
      const batches: string[][] = [];
      for await (const batch of loader.batches(from, to)) batches.push([...batch.ids]);
      return batches;
    };
    const single = await open({ snapshot: catalogue });
    const whole = await ids(single, 0, 9);
    const state = single.state();
    for (const worldSize of [2, 4]) {
      const ranks = await Promise.all(
        Array.from({ length: worldSize }, (_, rank) => open({ snapshot: catalogue, rank, worldSize, state })),
      );
      for (const rank of ranks) expect(rank.state().step).toBe(9);
      const shares = await Promise.all(ranks.map((rank) => ids(rank, 0, 9)));
      expect(whole.map((_, step) => shares.flatMap((share) => share[step]!))).toEqual(whole);
    }
  });

  it('refuses the state of another snapshot', async () => {
    const { state } = await open().then((loader) => ({ state: loader.state() }));
    const other = await snapshot();
    const { writer } = await openWriter(other.root, 'late');
    await writer.commit([
      partFor(summary, images(COUNT).slice(PRESENT)),
      partFor(spatial, images(COUNT).slice(PRESENT)),
    ]);
    const grown = await openCatalogue(other.root);
    const { kind, message } = await failure(() => open({ snapshot: grown, state }));
    expect(kind).toBe('bad-input');
    expect(message).toContain('another snapshot');
    expect(message).toContain(state.snapshot);
  });
});

describe('bad targets', () => {
  it('damaged: by default the batch they are due in fails, naming part and row', async () => {
    const catalogue = await snapshot();
    const path = damage(catalogue, 'summary', 7);
    const { kind, message } = await failure(async () => sequence(await open({ snapshot: catalogue }), 0, 6));
    expect(kind).toBe('integrity');
    expect(message).toContain(path);
    expect(message).toContain('row 1');
  });

  it('damaged: masked with zeros, or left out, and counted; every other sample is untouched', async () => {
    const catalogue = await snapshot();
    const good = (await sequence(await open({ snapshot: catalogue, last: 'keep' }), 0, 7)) as {
      samples: number[];
      s: number[];
    }[];
    damage(catalogue, 'summary', 7);
    const masked = await open({ snapshot: catalogue, last: 'keep', policy: { damaged: 'mask-teacher' } });
    const skipped = await open({ snapshot: catalogue, last: 'keep', policy: { damaged: 'skip' } });
    const rowsOf = (batches: unknown[], drop: number): Map<number, number[]> =>
      new Map(
        (batches as { samples: number[]; s: number[] }[])
          .flatMap(({ samples, s }) =>
            samples.map((sample, i): [number, number[]] => [sample, s.slice(i * 3, i * 3 + 3)]),
          )
          .filter(([sample]) => sample !== drop),
      );
    const withMask = await sequence(masked, 0, 7);
    expect(rowsOf(withMask, 7)).toEqual(rowsOf(good, 7));
    expect(rowsOf(withMask, -1).get(7)).toEqual([0, 0, 0]);
    expect(masked.counts.masked).toEqual({ absent: 1, damaged: 1 });
    const without = await sequence(skipped, 0, 7);
    expect(rowsOf(without, -1)).toEqual(rowsOf(good, 7));
    expect(skipped.counts.skipped).toBe(1);
  });

  it('of a part that was deleted: a typed failure, or by policy masked', async () => {
    const catalogue = await snapshot();
    const loader = await open({ snapshot: catalogue });
    const [space] = catalogue.spaces.values();
    fs.rmSync(space!.parts[0]!.path);
    const { kind, message } = await failure(() => sequence(loader, 0, 6));
    expect([kind, message.includes('removed while it was in use')]).toEqual(['integrity', true]);
    const masking = await open({ snapshot: catalogue, policy: 'mask-teacher', last: 'keep' });
    await sequence(masking, 0, 7);
    expect(masking.counts.masked['gone']).toBe(space!.parts[0]!.layout.rows);
  });

  it('absent: refused under `error`, left out of the order under `skip`', async () => {
    expect((await failure(() => open({ policy: 'error' }))).message).toContain('1 without');
    const skipping = await open({ policy: 'skip', last: 'keep' });
    const batches = (await sequence(skipping, 0, skipping.batchesPerEpoch)) as { samples: number[] }[];
    expect(batches.flatMap(({ samples }) => samples).sort((a, b) => a - b)).toEqual(
      Array.from({ length: PRESENT }, (_, i) => i),
    );
    expect(skipping.counts.excluded).toBe(1);
  });

  it('none usable, a batch beyond the dataset, an unknown space, too little memory: refused when opened', async () => {
    const lost = { name: 'lost', keys: keys.slice(PRESENT) };
    for (const changes of [
      { dataset: lost, batchSize: 1 },
      { batchSize: COUNT + 1 },
      { spaces: ['sums@9.summary'] as never },
      { memoryBytes: 10 },
      { worldSize: 3 },
    ])
      expect((await failure(() => open(changes))).kind).toBe('bad-input');
  });
});

describe('consumers', () => {
  it('that end early, throw or never read leave no thread and no descriptor', async () => {
    const catalogue = await snapshot();
    const descriptors = (): number => fs.readdirSync('/proc/self/fd').length;
    const before = descriptors();
    const opened: Opened[] = [];
    const early = await open({ snapshot: catalogue, workers: 2 });
    for await (const { step } of early.batches(0, 9)) if (step === 1) break;
    const throwing = await open({ snapshot: catalogue, workers: 2 });
    await expect(
      (async () => {
        for await (const { step } of throwing.batches(0, 9)) if (step === 1) throw new Error('consumer');
      })(),
    ).rejects.toThrow('consumer');
    const never = await open({ snapshot: catalogue, workers: 2 });
    expect(never.threads).toBe(0);
    const abandoned = await open({ snapshot: catalogue, workers: 2 });
    const iterator = abandoned.batches(0, 9);
    await iterator.next();
    expect(abandoned.threads).toBeGreaterThan(0);
    opened.push(early, throwing, never, abandoned);
    for (const loader of opened) await loader.close();
    expect(opened.map(({ threads }) => threads)).toEqual([0, 0, 0, 0]);
    expect(await iterator.next()).toEqual({ value: undefined, done: true });
    expect(descriptors()).toBeLessThanOrEqual(before);
  });

  it('that are slow find a bounded number of buffers, used again; one that is kept stays as it was', async () => {
    const catalogue = await snapshot();
    const loader = await open({ snapshot: catalogue, last: 'keep' });
    const buffers = new Set<unknown>();
    let held: { data: Float32Array; copy: number[] } | null = null;
    for await (const batch of loader.batches(0, 40)) {
      const { data } = batch.teachers['sums@2'].summary;
      buffers.add(data.buffer);
      if (batch.step === 3) {
        batch.keep();
        held = { data, copy: [...data] };
      }
    }
    expect(buffers.size).toBeLessThanOrEqual(10);
    expect([...held!.data]).toEqual(held!.copy);
  });

  it.each([0, 2])(
    'that come after the loader was closed, having read %i batches, are told so and pin nothing',
    async (read) => {
      const catalogue = await snapshot();
      const readers = (): string[] =>
        fs.readdirSync(join(catalogue.root, 'leases')).filter((name) => name.startsWith('reader'));
      const loader = await open({ snapshot: catalogue });
      if (read > 0) await sequence(loader, 0, read);
      expect(readers()).toHaveLength(read === 0 ? 0 : 1);
      await loader.close();
      const { kind, message } = await failure(() => sequence(loader, 2, 4));
      expect([kind, message]).toEqual(['usage', expect.stringContaining('a loader that was closed')]);
      expect(readers()).toEqual([]);
    },
  );

  it('are told when nothing can be pinned, may try again, and close the loader all the same', async () => {
    const { root } = await snapshot();
    const full = { isFull: true };
    const snapshotOn = await openCatalogue(root, {
      fs: {
        ...quickFs,
        writeNew: (path, bytes) =>
          full.isFull ? Promise.reject(systemError('ENOSPC')) : quickFs.writeNew(path, bytes),
      },
    });
    const [once, twice] = [await open({ snapshot: snapshotOn }), await open({ snapshot: snapshotOn })];
    for (const loader of [once, twice])
      expect((await failure(() => sequence(loader, 0, 2))).kind).toBe('environment');
    await once.close();
    full.isFull = false;
    expect(await sequence(twice, 0, 2)).toHaveLength(2);
  });

  it('that keep a batch when its buffer may be filled anew are told so', async () => {
    const batches = (await open()).batches(0, 4);
    const { value: first } = await batches.next();
    await batches.next();
    expect(() => first!.keep()).toThrow(failing(2, { where: 'batch 0' }));
    await batches.return();
  });

  it('that iterate twice at once are refused', async () => {
    const loader = await open();
    const first = loader.batches(0, 3);
    await first.next();
    expect((await failure(async () => loader.batches(0, 3).next())).kind).toBe('usage');
    await first.return();
    expect(await sequence(loader, 0, 3)).toHaveLength(3);
  });
});

it('half floats on request are the bits that were stored', async () => {
  const catalogue = await snapshot();
  const options = {
    snapshot: catalogue,
    dataset: { name: 'photos', keys },
    spaces: LABELS,
    batchSize: 4,
    seed: 5,
    workers: 0,
  } as const;
  const [floats, halves] = [await openLoader(options), await openLoader({ ...options, as: 'f16' })];
  onTestFinished(async () => {
    await Promise.all([floats.close(), halves.close()]);
  });
  const bits = halves.batches(0, 6);
  for await (const { teachers } of floats.batches(0, 6)) {
    const next = await bits.next();
    const got = next.value!.teachers['sums@2'].spatial.data;
    expect(Array.from(got, floatFromHalf)).toEqual([...teachers['sums@2'].spatial.data]);
  }
  await bits.return();
});
