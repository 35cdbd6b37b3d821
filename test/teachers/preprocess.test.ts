import { describe, expect, it } from 'vitest';
import { checkYaml } from '../../src/format/checked-yaml.ts';
import type { RgbImage } from '../../src/images/rgb-image.ts';
import { FULL_VIEW, type View } from '../../src/images/view.ts';
import { viewRenderer } from '../../src/teachers/preprocess.ts';
import { type TeacherManifest, teacherManifestSchema } from '../../src/teachers/teacher-manifest.ts';
import { tinyManifest } from '../support/tiny-teacher.ts';
import { stringify } from 'yaml';

type Rule = TeacherManifest['input']['resize']['rule'];

function manifest(rule: Rule, input: object = {}): TeacherManifest {
  const base = tinyManifest(new Uint8Array(0));
  const value = {
    ...base,
    input: {
      ...base.input,
      sizesPx: { multipleOf: 1, min: 1, max: 512 },
      resize: { rule, kernel: 'nearest' },
      ...input,
    },
  };
  return checkYaml(stringify(value), {
    schema: teacherManifestSchema,
    noun: 'teacher manifest',
    where: 'tiny',
  });
}

/** Red counts columns, green counts rows, blue is 99: a pixel tells where it came from. */
function coordinates(widthPx: number, heightPx: number): RgbImage {
  const data = new Uint8Array(widthPx * heightPx * 3);
  for (let y = 0; y < heightPx; y++)
    for (let x = 0; x < widthPx; x++) data.set([x, y, 99], (y * widthPx + x) * 3);
  return { widthPx, heightPx, data };
}

/** `x,y` of each pixel, `-` where it is none of the image's. */
async function places(
  rule: Rule,
  image: RgbImage,
  sizePx: number,
  view: View = FULL_VIEW,
): Promise<string[]> {
  const bytes = await viewRenderer(manifest(rule), sizePx).render(image, view);
  return Array.from({ length: sizePx }, (_, y) =>
    Array.from({ length: sizePx }, (_, x) => {
      const [r, g, b] = bytes.subarray((y * sizePx + x) * 3, (y * sizePx + x) * 3 + 3);
      return b === 99 ? `${r!},${g!}` : '-';
    }).join(' '),
  );
}

describe('resize rules', () => {
  it('squash shows the whole view, stretched', async () => {
    const rows = await places('squash', coordinates(8, 4), 4);
    expect(rows).toHaveLength(4);
    // 8 columns become 4: each shown pixel comes from its own pair of columns, and rows are kept
    rows.forEach((row, y) =>
      row.split(' ').forEach((place, x) => {
        const [px, py] = place.split(',').map(Number);
        expect(Math.floor(px! / 2), `column of ${place}`).toBe(x);
        expect(py).toBe(y);
      }),
    );
  });

  it('shortest-side-crop shows the middle square, of wide and of tall images', async () => {
    expect(await places('shortest-side-crop', coordinates(8, 4), 4)).toEqual(
      [0, 1, 2, 3].map((y) => [2, 3, 4, 5].map((x) => `${x},${y}`).join(' ')),
    );
    expect(await places('shortest-side-crop', coordinates(4, 8), 4)).toEqual(
      [2, 3, 4, 5].map((y) => [0, 1, 2, 3].map((x) => `${x},${y}`).join(' ')),
    );
  });

  it('shortest-side-crop takes the middle of the view, not of the image', async () => {
    const view: View = { box: [0.5, 0, 0.5, 1], flip: false };
    expect(await places('shortest-side-crop', coordinates(16, 4), 4, view)).toEqual(
      [0, 1, 2, 3].map((y) => [10, 11, 12, 13].map((x) => `${x},${y}`).join(' ')),
    );
  });

  it('longest-side-pad keeps everything at the top left and pads right or below', async () => {
    expect(await places('longest-side-pad', coordinates(4, 2), 4)).toEqual([
      '0,0 1,0 2,0 3,0',
      '0,1 1,1 2,1 3,1',
      '- - - -',
      '- - - -',
    ]);
    expect(await places('longest-side-pad', coordinates(2, 4), 4)).toEqual(
      [0, 1, 2, 3].map((y) => `0,${y} 1,${y} - -`),
    );
  });

  it('longest-side-pad keeps at least one pixel of a very thin image', async () => {
    expect(await places('longest-side-pad', coordinates(200, 1), 4)).toEqual([
      expect.stringMatching(/^\d+,0 \d+,0 \d+,0 \d+,0$/),
      '- - - -',
      '- - - -',
      '- - - -',
    ]);
  });

  it('every rule mirrors a flipped view', async () => {
    const view: View = { box: [0, 0, 1, 1], flip: true };
    for (const rule of ['squash', 'shortest-side-crop', 'longest-side-pad'] as const)
      expect((await places(rule, coordinates(4, 4), 4, view))[1], rule).toBe('3,1 2,1 1,1 0,1');
  });
});

describe('what the network sees', () => {
  it('is (byte * scale - mean) / std per channel, in the manifest’s colour order and layout', async () => {
    const figures = { scale: 1 / 255, mean: [0.1, 0.2, 0.3], std: [0.5, 0.25, 0.125] };
    const image: RgbImage = { widthPx: 1, heightPx: 1, data: Uint8Array.of(51, 102, 255) };
    const see = async (layout: 'NCHW' | 'NHWC', colour: 'RGB' | 'BGR'): Promise<number[]> => {
      const renderer = viewRenderer(manifest('squash', { ...figures, layout, colour }), 1);
      const out = new Float32Array(renderer.values + 2);
      renderer.normaliseInto(await renderer.render(image, FULL_VIEW), out, 2);
      expect([...out.subarray(0, 2)], 'nothing before the offset').toEqual([0, 0]);
      return [...out.subarray(2)];
    };
    const wanted = (bytes: readonly number[]): number[] =>
      bytes.map((byte, c) => Math.fround((byte * figures.scale - figures.mean[c]!) / figures.std[c]!));
    expect(await see('NCHW', 'RGB')).toEqual(wanted([51, 102, 255]));
    expect(await see('NHWC', 'BGR')).toEqual(wanted([255, 102, 51]));
  });

  it('is nearest to zero where the image was padded, in RGB and BGR order', async () => {
    for (const colour of ['RGB', 'BGR'] as const) {
      const given = manifest('longest-side-pad', {
        mean: [0.485, 0.456, 0.406],
        std: [0.229, 0.224, 0.225],
        colour,
      });
      const renderer = viewRenderer(given, 4);
      const out = new Float32Array(renderer.values);
      renderer.normaliseInto(await renderer.render(coordinates(4, 2), FULL_VIEW), out, 0);
      for (let channel = 0; channel < 3; channel++)
        for (const value of out.subarray(channel * 16 + 8, channel * 16 + 16))
          expect(Math.abs(value)).toBeLessThan(0.5 / 255 / 0.22);
    }
  });

  it('is refused at a size the teacher does not take, with the sizes it takes', () => {
    expect(() => viewRenderer(manifest('squash', { sizesPx: [224, 336] }), 300)).toThrow(
      /wanted: 224 or 336 px[\s\S]*got: +300 px/,
    );
    expect(() =>
      viewRenderer(manifest('squash', { sizesPx: { multipleOf: 14, min: 28, max: 56 } }), 30),
    ).toThrow('a multiple of 14 from 28 to 56 px');
  });
});
