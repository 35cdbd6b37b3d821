import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CachedSpace } from '../../src/cache/catalogue.ts';
import { isStillhouseError } from '../../src/core/failure.ts';
import { Loader, type LoaderOptions, type SamplePixels } from '../../src/loader/batches.ts';
import { samplePixels } from '../../src/loader/sample-pixels.ts';
import { FULL_VIEW } from '../../src/images/view.ts';
import {
  LEFT_HALF,
  answer,
  image,
  images,
  openWriter,
  partFor,
  pixelsOf,
  rendered,
  space,
  spaceIn,
} from '../cache/rig.ts';

const summary = space();
const COUNT = 11;
const samples = Array.from({ length: COUNT }, (_, i) => ({ image: image(i), view: FULL_VIEW }));
let root = '';
let cached: CachedSpace;

beforeAll(async () => {
  root = fs.mkdtempSync(join(tmpdir(), 'stillhouse-loader-'));
  const { writer } = await openWriter(root);
  // the last image has no target
  await writer.commit([partFor(summary, images(COUNT - 1))]);
  cached = await spaceIn(root, summary);
});
afterAll(() => fs.rmSync(root, { recursive: true, force: true }));

const pixels: SamplePixels = {
  values: 1,
  renderInto: (sample, out, offset) => {
    out[offset] = Number(sample.image.name.slice(1));
    return Promise.resolve();
  },
};

const loader = (changes: Partial<LoaderOptions> = {}): Loader =>
  new Loader({
    samples,
    spaces: new Map([['sums@2.summary', cached]]),
    pixels,
    batchSize: 3,
    seed: 1,
    ...changes,
  });

async function sequence(of: Loader, from: number, to: number): Promise<unknown[]> {
  const seen: unknown[] = [];
  for await (const { step, pixels: shown, targets, masks } of of.batches(from, to))
    seen.push({ step, shown, targets, masks });
  await of.close();
  return seen;
}

describe('a loader', () => {
  it.each([0, 2 ** 20])(
    'gives each sample the target that was written for it, with %i resident bytes',
    async (residentBytes) => {
      const one = loader({ residentBytes });
      for (const sample of samples) {
        const { targets, masks } = await one.collect([sample], 0);
        const missing = sample === samples[COUNT - 1];
        expect(masks['sums@2.summary']).toEqual(Float32Array.of(missing ? 0 : 1));
        const wanted = missing
          ? new Float32Array(3)
          : Float32Array.from(answer(summary, rendered(sample.image, FULL_VIEW)));
        const got = targets['sums@2.summary']!;
        wanted.forEach((value, i) =>
          expect(Math.abs(got[i]! - value)).toBeLessThanOrEqual(Math.abs(value) / 1024),
        );
      }
      await one.close();
    },
  );

  it('gives the same sequence again, and the same tail when it starts at any step', async () => {
    const whole = await sequence(loader(), 0, 9);
    expect(whole).toHaveLength(9);
    for (const from of [0, 1, 3, 5, 8]) expect(await sequence(loader(), from, 9)).toEqual(whole.slice(from));
  });

  it('walks all samples in order for an evaluation, the last batch short', async () => {
    const seen: number[] = [];
    const one = loader();
    for await (const batch of one.inOrder()) seen.push(...batch.pixels);
    await one.close();
    expect(seen).toEqual(samples.map((_, i) => i));
  });

  it('reads each resident part once', async () => {
    const one = loader({ residentBytes: 2 ** 20 });
    for await (const batch of one.batches(0, 9)) expect(batch.samples).toHaveLength(3);
    expect(one.counts.opens).toBe(1);
    expect(one.counts.bytes).toBe((COUNT - 1) * 6);
    await one.close();
  });

  it('refuses fewer samples than a batch', () => {
    try {
      loader({ batchSize: COUNT + 1 });
      expect.unreachable();
    } catch (error) {
      expect(isStillhouseError(error, 'bad-input')).toBe(true);
    }
  });

  it('ends quietly when its consumer stops early, and a failing picture is thrown where its batch is due', async () => {
    const early = loader();
    for await (const { step } of early.batches(0, 9)) if (step === 1) break;
    await early.close();
    const broken = loader({
      pixels: { values: 1, renderInto: () => Promise.reject(new Error('no pixels')) },
    });
    await expect(sequence(broken, 0, 2)).rejects.toThrow('no pixels');
    await broken.close();
  });
});

describe('student pixels', () => {
  it('decode each image once for all its views, and give channels apart in [0, 1]', async () => {
    const source = samplePixels({
      sidePx: 1,
      decode: (row) => Promise.resolve(pixelsOf(row)),
      render: (picture) => Promise.resolve(picture.data.slice(0, 3)),
      memoryBytes: 1000,
    });
    const both = [FULL_VIEW, LEFT_HALF].flatMap((view) => [0, 1].map((i) => ({ image: image(i), view })));
    const byRow = both.map((sample) => ({
      ...sample,
      image: both.find(({ image: other }) => other.id === sample.image.id)!.image,
    }));
    await source.prepare(byRow, { workers: 2, signal: new AbortController().signal });
    expect(source.counts.decodes).toBe(2);
    const out = new Float32Array(3);
    await source.renderInto(byRow[0]!, out, 0);
    expect(source.counts.decodes).toBe(2);
    expect(out).toEqual(Float32Array.from(pixelsOf(image(0)).data.slice(0, 3), (byte) => byte / 255));
  });
});
