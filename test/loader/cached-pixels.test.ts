import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { type Catalogue, openCatalogue } from '../../src/cache/catalogue.ts';
import { EXPORT_FORMATS, exportTargets } from '../../src/cache/export.ts';
import { importExport } from '../../src/cache/import-export.ts';
import { PIXELS_INPUT, pixelGroupOf, pixelSession, pixelSpaceOf } from '../../src/cache/pixel-space.ts';
import type { WantedImage } from '../../src/cache/plan.ts';
import { type SpaceDescriptor, codedLabel, spaceIdOf } from '../../src/cache/space.ts';
import { storedPart } from '../../src/cache/target-part.ts';
import { sha256 } from '../../src/core/digest.ts';
import { imageId } from '../../src/core/ids.ts';
import type { Json } from '../../src/core/canonical-json.ts';
import type { ImageRow } from '../../src/images/image-row.ts';
import { loadImage } from '../../src/images/read-image.ts';
import { type View, viewsOf } from '../../src/images/view.ts';
import { openLoader } from '../../src/loader/open-loader.ts';
import type { PixelOptions, PixelsAs } from '../../src/loader/pixel-options.ts';
import { type Sample, pictureDataset } from '../../src/loader/samples.ts';
import { viewRenderer } from '../../src/teachers/preprocess.ts';
import { type RigEngine, engine, fill, group, image, keyOf, openWriter } from '../cache/rig.ts';
import { asFile, noise } from '../images/tiny-images.ts';
import { failing } from '../support/failing.ts';
import { quickFs } from '../support/quick-fs.ts';

const COUNT = 5;
const SIDES = [4, 7] as const;
const FAMILY = { count: 3, area: [0.2, 0.9], aspect: [0.5, 2], flip: 1 } as const;
const MIRRORED: View = { box: [0, 0, 1, 1], flip: true };
let folder = '';
const wanted: WantedImage[] = [];
let samples: Sample[] = [];
let whole: Catalogue;
const nowhere = { root: '/none/such', packagesFrom: [] };

beforeAll(async () => {
  folder = fs.mkdtempSync(join(tmpdir(), 'stillhouse-cached-pixels-'));
  for (let i = 0; i < COUNT; i++) {
    const size = { width: 12 + i, height: 10 };
    const bytes = await asFile(noise(size.width, size.height, i + 1), size, 'jpeg');
    fs.writeFileSync(join(folder, `${i}.jpg`), bytes);
    const row: ImageRow = { ...image(i), ...size, id: imageId(sha256(bytes)), uri: `${i}.jpg` };
    wanted.push({ image: row, views: [...viewsOf(FAMILY, 3, row.id), MIRRORED] });
  }
  samples = wanted.flatMap(({ image, views }) => views.map((view) => ({ image, view })));
  const root = join(folder, 'cache');
  const { decodes } = await fill({ root, wanted, engines: [teacher(), ...SIDES.map(keeper)], decode });
  // one decode of each image for the teacher and for both sizes of pixels
  expect(decodes).toBe(COUNT);
  whole = await openCatalogue(root);
});
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

const decode = (row: ImageRow) => loadImage(row, { root: folder, packagesFrom: [] });

/** The rig's teacher, of the first bytes of each picture. */
function teacher(): RigEngine {
  const sums = engine(group());
  return {
    ...sums,
    renderer: { ...sums.renderer, render: (one) => ({ ...one, data: one.data.slice(0, 4) }) },
  };
}

const keeper = (sizePx: number): RigEngine => ({
  group: pixelGroupOf(sizePx),
  session: pixelSession(sizePx),
  renderer: viewRenderer(PIXELS_INPUT, sizePx),
});

interface Changes {
  readonly snapshot?: Catalogue;
  readonly root?: string;
  readonly workers?: number;
  readonly pictures?: 'skip';
}

async function open<As extends PixelsAs>(pixels: PixelOptions<As>, changes: Changes = {}) {
  const { snapshot = whole, root = folder, workers = 0, pictures = 'error' } = changes;
  const loader = await openLoader<'sums@2.summary', 'f32', As>({
    snapshot,
    dataset: pictureDataset({ name: 'photos', samples, places: { ...nowhere, root } }),
    spaces: ['sums@2.summary'],
    batchSize: 4,
    seed: 4,
    workers,
    policy: { pictures },
    pixels,
  });
  onTestFinished(() => loader.close());
  return loader;
}

/** Two epochs. */
async function shown(loader: Awaited<ReturnType<typeof open>>): Promise<unknown[]> {
  const batches: unknown[] = [];
  for await (const { pixels, samples, epoch, teachers } of loader.batches(0, 10))
    batches.push({
      epoch,
      samples,
      pixels: [...pixels.data],
      shape: pixels.shape,
      s: [...teachers['sums@2'].summary.data],
    });
  return batches;
}

describe('pixels of the cache', () => {
  const scaled = { as: 'f32', mean: [0.5, 0.4, 0.3], std: [0.1, 0.2, 0.4] } as const;
  it.each([
    { size: 4, workers: 0, pixels: { as: 'u8' } as const },
    { size: 7, workers: 0, pixels: { as: 'f32' } as const },
    { size: 7, workers: 1, pixels: scaled },
  ])(
    'are bit for bit those of decoding at once, of crops and mirrored views, with no image at hand: %o',
    async ({ size, workers, pixels }) => {
      const decoded = await open({ ...pixels, size, from: 'images' });
      const images = await shown(decoded);
      expect(decoded.counts).toMatchObject({ pixelsRead: 0 });
      expect(decoded.counts.imagesDecoded).toBeGreaterThan(0);
      for (const from of ['auto', 'cache'] as const) {
        const cached = await open({ ...pixels, size, from }, { root: nowhere.root, workers });
        expect(await shown(cached)).toEqual(images);
        expect(cached.counts).toMatchObject({ imagesDecoded: 0, pixelsRead: 40 });
        // a state does not depend on where pixels come from
        expect(cached.state()).toEqual(decoded.state());
      }
    },
  );

  it('pass through a transform like decoded ones', async () => {
    const path = join(folder, 'transform.mjs');
    fs.writeFileSync(
      path,
      `export function transform(pixels, { seed, epoch }) { pixels[0] = seed & 255; pixels[5] += epoch; }`,
    );
    const pixels = { ...scaled, size: 4, transform: pathToFileURL(path).href };
    const images = await shown(await open({ ...pixels, from: 'images' }));
    const cached = await open(pixels, { root: nowhere.root });
    expect(await shown(cached)).toEqual(images);
    expect(cached.counts).toMatchObject({ imagesDecoded: 0, pixelsRead: 40 });
  });

  it('stand beside decoded ones where the cache has only some, in the same batch', async () => {
    const root = join(folder, 'some');
    await fill({ root, wanted, engines: [teacher()], decode });
    await fill({ root, wanted: wanted.slice(0, 2), engines: [keeper(4)], decode, writer: 'later' });
    const snapshot = await openCatalogue(root);
    const images = await shown(await open({ as: 'u8', size: 4, from: 'images' }));
    const some = await open({ as: 'u8', size: 4 }, { snapshot });
    expect(await shown(some)).toEqual(images);
    expect(some.counts.pixelsRead).toBe(16);
    expect(some.counts.imagesDecoded).toBeGreaterThanOrEqual(3);
    await expect(open({ as: 'u8', size: 4, from: 'cache' }, { snapshot })).rejects.toThrow(
      failing(3, { got: '12 without', next: expect.stringContaining('cache --pixels') }),
    );
    await expect(open({ as: 'u8', size: 5, from: 'cache' })).rejects.toThrow(
      failing(3, { got: '20 without' }),
    );
  });

  it('of another decoder are not taken for those of this one, unless they are asked for and alone', async () => {
    const root = join(folder, 'other');
    await fill({ root, wanted, engines: [teacher()], decode });
    const other: SpaceDescriptor = { ...pixelSpaceOf(4), preprocess: { version: 0 } satisfies Json };
    const { writer } = await openWriter(root, 'other');
    const rows = samples.map(({ image, view }) => ({ key: keyOf(image as ImageRow, view) }));
    await writer.commit([storedPart(other, rows, new Uint8Array(rows.length * 48).fill(9))]);
    const snapshot = await openCatalogue(root);
    const auto = await open({ as: 'u8', size: 4 }, { snapshot });
    expect(await shown(auto)).toEqual(await shown(await open({ as: 'u8', size: 4, from: 'images' })));
    expect(auto.counts.pixelsRead).toBe(0);
    const asked = await open({ as: 'u8', size: 4, from: 'cache' }, { snapshot, root: nowhere.root });
    for await (const { pixels } of asked.batches(0, 5)) expect(new Set(pixels.data)).toEqual(new Set([9]));
    await fill({ root, wanted, engines: [keeper(4)], decode, writer: 'both' });
    await expect(
      open({ as: 'u8', size: 4, from: 'cache' }, { snapshot: await openCatalogue(root) }),
    ).rejects.toThrow(failing(3, { got: expect.stringContaining(spaceIdOf(other)) }));
  });

  it('that are damaged are never shown: the batch fails, or by policy the sample is left out', async () => {
    const root = join(folder, 'damaged');
    fs.cpSync(whole.root, root, { recursive: true });
    const snapshot = await openCatalogue(root);
    const space = snapshot.spaces.get(spaceIdOf(pixelSpaceOf(4)))!;
    const bad = keyOf(samples[6]!.image as ImageRow, samples[6]!.view);
    const { part, row } = space.rows.get(bad)!;
    const bytes = fs.readFileSync(part.path);
    bytes[part.layout.at.payload + row * part.layout.rowBytes + 5]! ^= 4;
    fs.chmodSync(part.path, 0o644);
    fs.writeFileSync(part.path, bytes);
    await expect(shown(await open({ as: 'u8', size: 4 }, { snapshot }))).rejects.toThrow(
      failing(4, { where: `${part.path}, row ${row}` }),
    );
    const lenient = await open({ as: 'u8', size: 4 }, { snapshot, pictures: 'skip' });
    const batches = (await shown(lenient)) as { samples: number[] }[];
    expect(batches.flatMap(({ samples }) => samples).filter((sample) => sample === 6)).toEqual([]);
    expect(lenient.counts).toMatchObject({ skipped: 2, pixelsRead: 38 });
  });

  it('are no target: a label of theirs means no space of a teacher', async () => {
    const { keys } = pictureDataset({ name: '', samples, places: nowhere });
    await expect(
      openLoader({
        snapshot: whole,
        dataset: { name: 'keys', keys },
        spaces: ['pixels@4'],
        batchSize: 1,
        seed: 1,
      }),
    ).rejects.toThrow(failing(3, { what: 'there is no such space' }));
  });

  it.each(EXPORT_FORMATS)('survive an export to %s and its import, byte for byte', async (format) => {
    const space = whole.spaces.get(spaceIdOf(pixelSpaceOf(7)))!;
    expect(codedLabel(space.descriptor)).toBe('pixels@7.u8');
    for (const values of ['stored', 'decoded'] as const) {
      const out = join(folder, `${format}-${values}`);
      await exportTargets({ spaces: [space], folder: out, format, values, shardRows: 8, fs: quickFs });
      const root = join(out, 'again');
      const { writer } = await openWriter(root);
      await importExport({ folder: out, fs: quickFs, writer, into: { root, fs: quickFs } });
      await writer.close();
      const again = (await openCatalogue(root)).spaces.get(space.id)!;
      for (const key of space.rows.keys()) {
        const [was, is] = [space.rows.get(key)!, again.rows.get(key)!];
        expect(is.part.index.crc32[is.row]).toBe(was.part.index.crc32[was.row]);
      }
      expect(again.rows.size).toBe(space.rows.size);
    }
  });
});
