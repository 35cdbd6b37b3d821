import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, expectTypeOf, it, onTestFinished } from 'vitest';
import { openCatalogue } from '../../src/cache/catalogue.ts';
import { sha256 } from '../../src/core/digest.ts';
import { isStillhouseError } from '../../src/core/failure.ts';
import { imageId } from '../../src/core/ids.ts';
import { decodeImage } from '../../src/images/decode.ts';
import { renderView } from '../../src/images/render-view.ts';
import { FULL_VIEW, type View } from '../../src/images/view.ts';
import type { Tensor } from '../../src/loader/batch.ts';
import { openLoader } from '../../src/loader/open-loader.ts';
import type { PixelOptions, PixelsAs } from '../../src/loader/pixel-options.ts';
import { type Sample, pictureDataset } from '../../src/loader/samples.ts';
import { asFile, noise } from '../images/tiny-images.ts';

const CORNER: View = { box: [0.25, 0.1, 0.5, 0.5], flip: true };
const SIDE = 4;
const COUNT = 6;
let folder = '';
const samples: Sample[] = [];
/** By image and view, HWC. */
const wanted: Uint8Array[] = [];

beforeAll(async () => {
  folder = fs.mkdtempSync(join(tmpdir(), 'stillhouse-pixels-'));
  for (let i = 0; i < COUNT; i++) {
    const bytes = await asFile(noise(12, 10, i + 1), { width: 12, height: 10 });
    fs.writeFileSync(join(folder, `${i}.png`), bytes);
    const image = { id: imageId(sha256(bytes)), uri: `${i}.png` };
    const decoded = await decodeImage(bytes);
    for (const view of [FULL_VIEW, CORNER]) {
      samples.push({ image, view });
      wanted.push(renderView(decoded, view, { heightPx: SIDE, widthPx: SIDE }));
    }
  }
});
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

async function open<As extends PixelsAs>(
  pixels: PixelOptions<As>,
  changes: Partial<Parameters<typeof openLoader<never>>[0]> & {
    readonly buckets?: readonly string[];
    readonly root?: string;
  } = {},
) {
  const { buckets, root = folder, ...options } = changes;
  const places = { root, packagesFrom: [] };
  const loader = await openLoader<never, 'f32', As>({
    snapshot: await openCatalogue(join(folder, 'no-cache')),
    dataset: pictureDataset({ name: 'photos', samples, places, ...(buckets && { buckets }) }),
    spaces: [],
    batchSize: 3,
    seed: 4,
    ...options,
    pixels,
  });
  onTestFinished(() => loader.close());
  return loader;
}

/** Byte of a view at [channel, y, x]. */
const planar = (hwc: Uint8Array): number[] =>
  [0, 1, 2].flatMap((channel) => Array.from({ length: SIDE * SIDE }, (_, i) => hwc[i * 3 + channel]!));

describe('student pixels', () => {
  it.each([
    { workers: 0, keepBytes: 0 },
    { workers: 0, keepBytes: 2 ** 20 },
    { workers: 2, keepBytes: 2 ** 20 },
  ])(
    'are cropped by the views of the targets, in [0, 1], in every epoch: %o',
    async ({ workers, keepBytes }) => {
      const loader = await open({ as: 'f32', size: SIDE, keepBytes }, { workers });
      let seen = 0;
      for await (const { pixels, samples: shown, ids, step } of loader.batches(0, 8)) {
        expectTypeOf(pixels).toEqualTypeOf<Tensor>();
        expect([step, pixels.shape]).toEqual([step, [3, 3, SIDE, SIDE]]);
        shown.forEach((sample, i) => {
          seen += 1;
          expect(ids[i]).toBe(samples[sample]!.image.id);
          const got = pixels.data.subarray(i * 3 * SIDE ** 2, (i + 1) * 3 * SIDE ** 2);
          expect([...got]).toEqual(planar(wanted[sample]!).map((byte) => Math.fround(byte / 255)));
        });
      }
      expect(seen).toBe(24);
      const once = loader.counts.imagesDecoded;
      for await (const { size } of loader.batches(8, 16)) expect(size).toBe(3);
      if (keepBytes === 0) expect(loader.counts.imagesDecoded).toBeGreaterThan(once);
      else {
        // both views of an image are kept by one decode; batches that are read at the same time may each decode
        expect(once).toBeLessThanOrEqual(2 * COUNT);
        expect(loader.counts.imagesDecoded).toBe(once);
      }
    },
  );

  it('are bytes on request, or normalised', async () => {
    const bytes = await open({ as: 'u8', size: SIDE });
    for await (const { pixels, samples: shown } of bytes.batches(0, 1)) {
      expectTypeOf(pixels).toEqualTypeOf<Tensor<Uint8Array>>();
      expect([...pixels.data]).toEqual(shown.flatMap((sample) => planar(wanted[sample]!)));
    }
    const floats = await open({ as: 'f32', size: SIDE, mean: [0.5, 0.4, 0.3], std: [0.1, 0.2, 0.4] });
    for await (const { pixels, samples: shown } of floats.batches(0, 1)) {
      const first = planar(wanted[shown[0]!]!);
      expect(pixels.data[0]).toBeCloseTo((first[0]! / 255 - 0.5) / 0.1, 5);
      expect(pixels.data[2 * SIDE ** 2]).toBeCloseTo((first[2 * SIDE ** 2]! / 255 - 0.3) / 0.4, 5);
    }
  });

  it('keep what fits and go on decoding the rest', async () => {
    const loader = await open({ as: 'u8', size: SIDE, keepBytes: 5 * 3 * SIDE ** 2 });
    for await (const { pixels, samples: shown } of loader.batches(0, 12))
      expect([...pixels.data]).toEqual(shown.flatMap((sample) => planar(wanted[sample]!)));
    expect(loader.counts.imagesDecoded).toBeGreaterThan(COUNT);
  });

  it('are of one shape per batch: by bucket, and by resolution in exact shares', async () => {
    const buckets = samples.map((_, i) => (i % 2 === 0 ? 'wide' : 'tall'));
    const loader = await open(
      {
        as: 'u8',
        size: (bucket, resolution) =>
          bucket === 'wide'
            ? { heightPx: 2 << resolution, widthPx: 4 << resolution }
            : { heightPx: 4, widthPx: 2 },
      },
      { buckets, resolutions: [3, 1] },
    );
    const resolutions: number[] = [];
    for await (const { bucket, resolution, pixels, samples: shown } of loader.batches(0, 8)) {
      resolutions.push(resolution);
      expect(new Set(shown.map((sample) => buckets[sample]))).toEqual(new Set([bucket]));
      expect(pixels.shape).toEqual(
        bucket === 'wide' ? [3, 3, 2 << resolution, 4 << resolution] : [3, 3, 4, 2],
      );
    }
    expect(resolutions.filter((one) => one === 1)).toHaveLength(2);
  });

  it.each([0, 1])(
    'pass through a transform that is told a seed of its own per epoch, with %i threads',
    async (workers) => {
      const path = join(folder, 'transform.mjs');
      fs.writeFileSync(
        path,
        `export function transform(pixels, { seed, epoch }) { pixels[0] = seed & 255; pixels[1] = epoch; }`,
      );
      const seen = new Map<number, number[]>();
      const run = async (): Promise<number[]> => {
        const loader = await open({ as: 'u8', size: SIDE, transform: pathToFileURL(path).href }, { workers });
        const all: number[] = [];
        for await (const { pixels, epoch, samples: shown } of loader.batches(0, 8))
          shown.forEach((sample, i) => {
            const at = i * 3 * SIDE ** 2;
            expect(pixels.data[at + SIDE ** 2]).toBe(epoch);
            expect(pixels.data[at + 1]).toBe(planar(wanted[sample]!)[1]);
            seen.set(sample, [...(seen.get(sample) ?? []), pixels.data[at]!]);
            all.push(pixels.data[at]!);
          });
        return all;
      };
      const first = await run();
      expect([...seen.values()].filter(([a, b]) => a !== b).length).toBeGreaterThan(8);
      expect(await run()).toEqual(first);
    },
  );

  it('of an image that changed: refused where it is due, or by policy left out and counted', async () => {
    const other = fs.mkdtempSync(join(tmpdir(), 'stillhouse-pixels-'));
    onTestFinished(() => fs.rmSync(other, { recursive: true, force: true }));
    for (let i = 0; i < COUNT; i++) fs.copyFileSync(join(folder, `${i}.png`), join(other, `${i}.png`));
    fs.writeFileSync(join(other, '2.png'), 'changed');
    const strict = await open({ as: 'u8', size: SIDE }, { root: other });
    await expect(
      (async () => {
        for await (const { size } of strict) expect(size).toBe(3);
      })(),
    ).rejects.toThrow('changed or vanished');
    const lenient = await open({ as: 'u8', size: SIDE }, { root: other, policy: { pictures: 'skip' } });
    const shown: number[] = [];
    for await (const batch of lenient.batches(0, 8)) {
      expect([...batch.pixels.data]).toEqual(batch.samples.flatMap((sample) => planar(wanted[sample]!)));
      shown.push(...batch.samples);
    }
    expect(shown.filter((sample) => sample >> 1 === 2)).toEqual([]);
    expect(lenient.counts.skipped).toBe(4);
  });

  it('are refused without pictures, without a size, or through a module that has no transform', async () => {
    const kindOf = async (work: () => Promise<unknown>): Promise<string> => {
      try {
        await work();
      } catch (error) {
        if (isStillhouseError(error)) return error.failure.kind;
        throw error;
      }
      return 'none';
    };
    const { dataset } = {
      dataset: {
        name: 'keys',
        keys: pictureDataset({ name: '', samples, places: { root: '', packagesFrom: [] } }).keys,
      },
    };
    expect(await kindOf(() => open({ as: 'u8', size: SIDE }, { dataset }))).toBe('usage');
    expect(await kindOf(() => open({ as: 'u8', size: 0 }))).toBe('usage');
    const nowhere = await open({
      as: 'u8',
      size: SIDE,
      transform: pathToFileURL(join(folder, 'none.mjs')).href,
    });
    expect(await kindOf(() => nowhere.batches(0, 1).next())).toBe('usage');
  });
});
