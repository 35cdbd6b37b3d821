import { describe, expect, it } from 'vitest';
import type { FillOptions } from '../../src/cache/fill.ts';
import { type SpaceDescriptor, spaceLabel } from '../../src/cache/space.ts';
import { decodeHalf, encodeHalf } from '../../src/core/half.ts';
import type { ImageRow } from '../../src/images/image-row.ts';
import type { RgbImage } from '../../src/images/rgb-image.ts';
import { FULL_VIEW } from '../../src/images/view.ts';
import { failing } from '../support/failing.ts';
import { failingFs } from '../support/failing-fs.ts';
import { quickFs } from '../support/quick-fs.ts';
import { tempFolder } from '../support/temp-folder.ts';
import {
  type EngineOptions,
  LEFT_HALF,
  answer,
  contentOf,
  engine,
  fill,
  group,
  image,
  images,
  keyOf,
  pixelsOf,
  rendered,
  openWriter,
} from './rig.ts';

const VIEWS = [FULL_VIEW, LEFT_HALF];
const ABORTED = expect.objectContaining({ name: 'AbortError' }) as object;

/** What a cache of `count` images under `VIEWS` holds when all went well. */
function wantedContent(
  count: number,
  spaces: readonly SpaceDescriptor[],
): Map<string, readonly number[] | null> {
  return new Map(
    spaces.flatMap((space) =>
      images(count).flatMap(({ image }) =>
        VIEWS.map((view) => {
          const half = decodeHalf(encodeHalf(answer(space, rendered(image, view))));
          return [`${spaceLabel(space)} ${keyOf(image, view)}`, [...half]];
        }),
      ),
    ),
  );
}

const turns = async (count: number): Promise<void> => {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
};

/** A decoder that counts what it is asked for and how much of it is under way, with some turns of the event loop per image. */
function decoder(onDecode: (row: ImageRow, nth: number) => void = () => undefined) {
  const counts = { started: 0, running: 0, most: 0 };
  const decode = async (row: ImageRow): Promise<RgbImage> => {
    const nth = ++counts.started;
    counts.running += 1;
    counts.most = Math.max(counts.most, counts.running);
    try {
      await turns(3);
      onDecode(row, nth);
      return pixelsOf(row);
    } finally {
      counts.running -= 1;
    }
  };
  return { counts, decode };
}

/** An engine whose calls take some turns of the event loop and are counted while they last. */
function slowEngine(options: EngineOptions & { readonly onRun?: (nth: number) => void } = {}) {
  const made = engine(group(), options);
  const running = { now: 0 };
  const run = made.session.run.bind(made.session);
  const session = {
    ...made.session,
    run: async (...args: Parameters<typeof run>) => {
      running.now += 1;
      try {
        await turns(2);
        options.onRun?.(made.counts.calls + 1);
        return await run(...args);
      } finally {
        running.now -= 1;
      }
    },
  };
  return { engine: { ...made, session }, running, counts: made.counts };
}

/** Fails a fill somewhere and shows that nothing of it goes on afterwards, and that the same fill then completes. */
async function expectCleanStop(options: {
  readonly decode: ReturnType<typeof decoder>;
  readonly teacher: ReturnType<typeof slowEngine>;
  readonly failure: RegExp | object;
  readonly fill?: Partial<FillOptions>;
  readonly fs?: typeof quickFs;
}): Promise<{ readonly committed: number }> {
  const { decode, teacher, failure } = options;
  const root = await tempFolder();
  const wanted = images(12, VIEWS);
  const attempt = fill({
    root,
    wanted,
    engines: [teacher.engine],
    ...(options.fs ? { fs: options.fs } : {}),
    decode: decode.decode,
    ...(options.fill ? { fill: options.fill } : {}),
  });
  await expect(attempt).rejects.toThrow(failure);
  const atEnd = { decodes: decode.counts.started, calls: teacher.counts.calls };
  expect({ decoding: decode.counts.running, asking: teacher.running.now }).toEqual({
    decoding: 0,
    asking: 0,
  });
  await turns(20);
  expect({ decodes: decode.counts.started, calls: teacher.counts.calls }).toEqual(atEnd);
  const complete = wantedContent(12, group().spaces);
  const before = await contentOf(root);
  for (const [key, values] of before) expect(values).toEqual(complete.get(key));
  // finished parts of the unit that failed are adopted, and not computed again
  await openWriter(root, 'between');
  const kept = await contentOf(root);
  const again = await fill({ root, wanted, engines: [engine(group())], writer: 'again' });
  expect(await contentOf(root)).toEqual(complete);
  const written = [...again.spaces.values()].reduce((sum, { written }) => sum + written, 0);
  expect(written).toBe(complete.size - kept.size);
  return { committed: before.size };
}

describe('a fill', () => {
  it('leaves every target of every teacher, size, tap and view, as half floats', async () => {
    const root = await tempFolder();
    const groups = [group('a'), group('bb', 4)];
    const { spaces, failed } = await fill({
      root,
      wanted: images(5, VIEWS),
      engines: groups.map((each) => engine(each)),
    });
    const all = groups.flatMap((each) => each.spaces);
    expect(await contentOf(root)).toEqual(wantedContent(5, all));
    expect(Object.fromEntries(spaces)).toEqual(
      Object.fromEntries(all.map((space) => [spaceLabel(space), { written: 10, failed: 0 }])),
    );
    expect(failed).toEqual([]);
  });

  it('decodes each image once, however many teachers, sizes and views there are, and wherever units end', async () => {
    const { counts, decode } = decoder();
    const engines = [group('a'), group('a', 4), group('bb')].map((each) => engine(each));
    const world = { wanted: images(8, VIEWS), engines, decode };
    // units of four rows hold two images with two views each
    expect(await fill({ ...world, root: await tempFolder() })).toMatchObject({ decodes: 8 });
    expect(counts.started).toBe(8);
    expect(engines.map((each) => each.counts.renders)).toEqual([16, 16, 16]);
    for (const unitRows of [1, 3, 5])
      expect(await fill({ ...world, unitRows, root: await tempFolder() })).toMatchObject({ decodes: 8 });
  });

  it('decodes an image that two datasets hold once', async () => {
    const { counts, decode } = decoder();
    const twice = [
      ...images(9),
      ...images(9, VIEWS).map((each) => ({ ...each, image: { ...each.image, uri: 'else' } })),
    ];
    const { spaces } = await fill({
      root: await tempFolder(),
      wanted: twice,
      engines: [engine(group())],
      decode,
    });
    expect(counts.started).toBe(9);
    expect(spaces.get('sums@2.summary')).toEqual({ written: 18, failed: 0 });
  });

  it('decodes as many images at once as there are workers, and no more', async () => {
    for (const workers of [1, 3]) {
      const { counts, decode } = decoder();
      await fill({
        root: await tempFolder(),
        wanted: images(24),
        engines: [engine(group())],
        unitRows: 12,
        decode,
        workers,
      });
      expect(counts.most, `${workers} workers`).toBe(workers);
    }
  });

  it('asks each teacher for every row once, in batches no larger than it takes', async () => {
    const teacher = engine(group(), { batch: 3 });
    const sizes: number[] = [];
    const run = teacher.session.run.bind(teacher.session);
    const session = {
      ...teacher.session,
      run: (pixels: Float32Array, rows: number) => {
        sizes.push(rows);
        expect(pixels.length).toBe(rows * 4);
        return run(pixels, rows);
      },
    };
    await fill({
      root: await tempFolder(),
      wanted: images(16),
      engines: [{ ...teacher, session }],
      unitRows: 8,
    });
    expect(Math.max(...sizes)).toBe(3);
    expect(sizes.reduce((sum, rows) => sum + rows, 0)).toBe(16);
  });

  it('decodes the next unit while a teacher works on this one', async () => {
    const { counts, decode } = decoder();
    const teacher = engine(group());
    const run = teacher.session.run.bind(teacher.session);
    const session = {
      ...teacher.session,
      run: async (pixels: Float32Array, rows: number) => {
        // the first answer is held back until an image of the second unit is being decoded
        while (counts.started <= 4) await turns(1);
        return run(pixels, rows);
      },
    };
    const { spaces } = await fill({
      root: await tempFolder(),
      wanted: images(8),
      engines: [{ ...teacher, session }],
      decode,
    });
    expect(spaces.get('sums@2.summary')).toEqual({ written: 8, failed: 0 });
  }, 10_000);

  it('tells its progress in rows, up to the total', async () => {
    const calls: [done: number, total: number][] = [];
    await fill({
      root: await tempFolder(),
      wanted: images(6, VIEWS),
      engines: [engine(group('a')), engine(group('bb'))],
      fill: { onProgress: (done, total) => calls.push([done, total]) },
    });
    expect(new Set(calls.map(([, total]) => total))).toEqual(new Set([24]));
    const done = calls.map(([rows]) => rows);
    expect(done).toEqual([...done].sort((a, b) => a - b));
    expect(done.at(-1)).toBe(24);
  });

  it('of a full cache decodes nothing, asks nobody and writes nothing', async () => {
    const root = await tempFolder();
    const world = { root, wanted: images(6, VIEWS) };
    await fill({ ...world, engines: [engine(group())] });
    const content = await contentOf(root);
    const idle = engine(group());
    expect(await fill({ ...world, engines: [idle], writer: 'again' })).toMatchObject({
      decodes: 0,
      spaces: new Map(),
    });
    expect(idle.counts).toEqual({ calls: 0, rows: 0, renders: 0 });
    expect(await contentOf(root)).toEqual(content);
  });

  it('of a grown dataset computes the new rows only', async () => {
    const root = await tempFolder();
    await fill({ root, wanted: images(5), engines: [engine(group())] });
    const teacher = engine(group());
    const grown = await fill({ root, wanted: images(9), engines: [teacher], writer: 'again' });
    expect(grown).toMatchObject({ decodes: 4 });
    expect(teacher.counts.rows).toBe(4);
    expect((await contentOf(root)).size).toBe(18);
  });
});

describe('a row that cannot be a target', () => {
  it.each([
    ['NaN', Number.NaN, 'non-finite'],
    ['infinity', Number.POSITIVE_INFINITY, 'non-finite'],
    ['a number beyond f16', 65_520, 'beyond-f16'],
  ])(
    'because of %s is recorded with its reason, the others are kept, and it is not tried again',
    async (_, value, reason) => {
      const root = await tempFolder();
      const bad = image(2);
      const badBytes = [...rendered(bad, FULL_VIEW)];
      const spoil: EngineOptions['spoil'] = (bytes, summary) => {
        if (badBytes.every((byte, i) => byte === bytes[i])) summary[1] = value;
      };
      const world = { root, wanted: images(6, VIEWS) };
      const { spaces, failed } = await fill({ ...world, engines: [engine(group(), { spoil })] });
      expect(Object.fromEntries(spaces)).toEqual({
        'sums@2.summary': { written: 12, failed: 1 },
        'sums@2.spatial': { written: 12, failed: 0 },
      });
      expect(failed).toEqual([{ image: bad, label: 'sums@2.summary', reason }]);
      const wanted = wantedContent(6, group().spaces);
      wanted.set(`sums@2.summary ${keyOf(bad)}`, null);
      expect(await contentOf(root)).toEqual(wanted);
      const again = engine(group());
      await fill({ ...world, engines: [again], writer: 'again' });
      expect(again.counts.rows).toBe(0);
    },
  );
});

describe('a fill that stops', () => {
  it('before it began, because it was aborted, decodes nothing', async () => {
    const decode = decoder();
    const teacher = slowEngine();
    const { committed } = await expectCleanStop({
      decode,
      teacher,
      failure: ABORTED,
      fill: { signal: AbortSignal.abort() },
    });
    expect([committed, teacher.counts.calls]).toEqual([0, 0]);
  });

  it('because it was aborted while a teacher worked leaves nothing running and keeps what was committed', async () => {
    const abort = new AbortController();
    const { committed } = await expectCleanStop({
      decode: decoder(),
      // units of four rows, one call each: the fourth is the first of the fourth unit
      teacher: slowEngine({ onRun: (nth) => nth === 4 && abort.abort() }),
      failure: ABORTED,
      fill: { signal: abort.signal },
    });
    expect(committed).toBeGreaterThanOrEqual(2 * 4 * 2);
  });

  it('because it was aborted while images were decoded leaves nothing running', async () => {
    const abort = new AbortController();
    await expectCleanStop({
      decode: decoder((_, nth) => {
        if (nth === 7) abort.abort();
      }),
      teacher: slowEngine(),
      failure: ABORTED,
      fill: { signal: abort.signal },
    });
  });

  it.each([1, 5, 12])(
    'because image %i could not be decoded says why and keeps what was committed',
    async (bad) => {
      const { committed } = await expectCleanStop({
        decode: decoder((row) => {
          if (row.id === image(bad - 1).id) throw new Error(`image ${bad} is gone`);
        }),
        teacher: slowEngine(),
        failure: new RegExp(`image ${bad} is gone`),
      });
      // units of four rows are two images with two views and two taps
      if (bad > 4) expect(committed).toBeGreaterThan(0);
    },
  );

  it('because a teacher failed says why and keeps what was committed', async () => {
    const { committed } = await expectCleanStop({
      decode: decoder(),
      teacher: slowEngine({
        onRun: (nth) => {
          if (nth === 3) throw new Error('the engine is out of memory');
        },
      }),
      failure: /the engine is out of memory/,
    });
    expect(committed).toBe(2 * 4 * 2);
  });

  it('because the disk is full says so and keeps what was committed', async () => {
    const probe = failingFs({ inner: quickFs });
    await fill({
      root: await tempFolder(),
      wanted: images(12, VIEWS),
      engines: [engine(group())],
      fs: probe,
    });
    const { committed } = await expectCleanStop({
      decode: decoder(),
      teacher: slowEngine(),
      failure: failing(5, { what: 'the disk is full' }),
      fs: failingFs({ inner: quickFs, failAt: Math.round(probe.calls.length * 0.7), andAfter: true }),
    });
    expect(committed).toBeGreaterThan(0);
    expect(committed).toBeLessThan(48);
  });
});
