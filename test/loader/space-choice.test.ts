import { describe, expect, it, onTestFinished } from 'vitest';
import { openCatalogue } from '../../src/cache/catalogue.ts';
import { type SpaceDescriptor, spaceIdOf } from '../../src/cache/space.ts';
import { openLoader } from '../../src/loader/open-loader.ts';
import { failing } from '../support/failing.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { images, keyOf, openWriter, partFor, space } from '../cache/rig.ts';

const tap = { kind: 'spatial', rule: { tensor: 'y' } } as const;
const plain = space({ tap, shape: [1, 1, 3] });
const mosaic = {
  tilesPerSide: 4,
  tilePx: 2,
  slotPx: 2,
  canvasPx: 8,
  neighbours: { of: 'image', seed: 1, area: [0.4, 1], aspect: [0.75, 1.33], flip: 0.5 },
} as const;
const tiled = space({ tap, shape: [1, 1, 3], mosaic });
const tiledF32 = { ...tiled, codec: { id: 'f32' } } as const;
const world = images(4);

/** What a loader reads from a cache of these spaces: the id behind each label. */
async function chosen(spaces: readonly SpaceDescriptor[], ...labels: string[]): Promise<string[]> {
  const root = await tempFolder();
  const { writer } = await openWriter(root);
  await writer.commit(spaces.map((one) => partFor(one, world)));
  await writer.close();
  const loader = await openLoader({
    snapshot: await openCatalogue(root),
    dataset: { name: 'photos', keys: world.map(({ image }) => keyOf(image)) },
    spaces: labels,
    batchSize: 4,
    seed: 1,
    workers: 0,
  });
  onTestFinished(() => loader.close());
  for await (const { teachers } of loader) {
    expect(Object.keys(teachers)).toEqual(['sums@2']);
    expect(teachers['sums@2']!.spatial!.shape).toEqual([4, 1, 1, 3]);
  }
  return loader.spaces.map(({ id }) => id);
}

describe('a label', () => {
  it.each([
    ['sums@2.spatial', plain],
    ['sums@2.spatial.f16', plain],
    ['sums@2.spatial.mosaic4.f16', tiled],
    ['sums@2.spatial.mosaic4.f32', tiledF32],
    // the richer of its two codecs
    ['sums@2.spatial.mosaic4', tiledF32],
  ] as const)('%s reaches its space though pictures were shown alone and on mosaics', async (label, one) => {
    expect(await chosen([plain, tiled, tiledF32], label)).toEqual([spaceIdOf(one)]);
  });

  it('without its mosaic means the only one', async () => {
    expect(await chosen([tiled], 'sums@2.spatial')).toEqual([spaceIdOf(tiled)]);
  });

  it.each([
    ['sums@2.spatial.f16', 'sums@2.spatial'],
    ['sums@2.spatial.mosaic4.f16', 'sums@2.spatial.f16'],
  ])('%s beside %s is refused: a batch has one place for both', async (...labels) => {
    await expect(chosen([plain, tiled], ...labels)).rejects.toThrow(
      failing(3, { wanted: 'one label for sums@2.spatial', got: labels.join(', ') }),
    );
  });
});
