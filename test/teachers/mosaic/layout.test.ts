import { describe, expect, it } from 'vitest';
import { mosaicLayout } from '../../../src/teachers/mosaic/layout.ts';
import { type TeacherManifest, teacherManifestSchema } from '../../../src/teachers/teacher-manifest.ts';
import { failing } from '../../support/failing.ts';
import { tinyManifest } from '../../support/tiny-teacher.ts';

const manifest = (sizesPx: unknown, cell: object = { stridePx: 16 }): TeacherManifest => {
  const tiny = tinyManifest(new Uint8Array(0));
  return teacherManifestSchema.parse({
    ...tiny,
    input: { ...tiny.input, sizesPx },
    spatial: { tensor: 'map', layout: 'NCHW', ...cell },
  });
};
const sam = manifest([1024]);

describe('a mosaic', () => {
  it.each([
    [4, 256, 256],
    [2, 432, 512],
    [3, 320, 336],
    [1, 256, 1024],
  ])(
    'of %i x %i px on the only canvas of SAM has its slots on whole cells',
    (tilesPerSide, tilePx, slotPx) => {
      expect(mosaicLayout(sam, { tilesPerSide, tilePx })).toEqual({
        tilesPerSide,
        tilePx,
        slotPx,
        canvasPx: 1024,
      });
    },
  );

  it('takes the smallest canvas on which the tiles fit', () => {
    const range = manifest({ multipleOf: 32, min: 32, max: 512 });
    expect(mosaicLayout(range, { tilesPerSide: 2, tilePx: 48 })).toMatchObject({ canvasPx: 96, slotPx: 48 });
    expect(mosaicLayout(range, { tilesPerSide: 3, tilePx: 48 })).toMatchObject({ canvasPx: 160, slotPx: 48 });
    expect(mosaicLayout(manifest([1024, 512]), { tilesPerSide: 2, tilePx: 208 })).toMatchObject({
      canvasPx: 512,
    });
    // 140 px are ten patches, and 15 would be needed for three tiles of five
    const vit = manifest([140, 210], { patchPx: 14 });
    expect(mosaicLayout(vit, { tilesPerSide: 3, tilePx: 70 })).toMatchObject({ canvasPx: 210, slotPx: 70 });
  });

  it('that does not fit is refused with what would', () => {
    expect(() => mosaicLayout(sam, { tilesPerSide: 4, tilePx: 272 })).toThrow(
      failing(3, { wanted: 'an input of at least 1088 px', got: '1024 px' }),
    );
    expect(() => mosaicLayout(sam, { tilesPerSide: 4, tilePx: 250 })).toThrow(
      failing(3, { wanted: 'tiles of whole cells of 16 px' }),
    );
    const blind = { ...sam, spatial: null };
    expect(() => mosaicLayout(blind, { tilesPerSide: 2, tilePx: 256 })).toThrow(
      failing(3, { got: 'a summary only' }),
    );
  });
});
