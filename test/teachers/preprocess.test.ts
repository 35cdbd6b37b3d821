import { describe, expect, it } from 'vitest';
import { checkYaml } from '../../src/format/checked-yaml.ts';
import type { RgbImage } from '../../src/images/rgb-image.ts';
import { FULL_VIEW, type View } from '../../src/images/view.ts';
import { viewRenderer } from '../../src/teachers/preprocess.ts';
import { type TeacherManifest, teacherManifestSchema } from '../../src/teachers/teacher-manifest.ts';
import { COORDINATE_BLUE, coordinateImage } from '../images/coordinate-image.ts';
import { tinyManifest } from '../support/tiny-teacher.ts';
import { stringify } from 'yaml';

type Rule = TeacherManifest['input']['resize']['rule'];

function manifest(rule: Rule, input: object = {}, resize: object = {}): TeacherManifest {
  const base = tinyManifest(new Uint8Array(0));
  const value = {
    ...base,
    input: {
      ...base.input,
      sizesPx: { multipleOf: 1, min: 1, max: 512 },
      resize: { rule, kernel: 'nearest', ...resize },
      ...input,
    },
  };
  return checkYaml(stringify(value), {
    schema: teacherManifestSchema,
    noun: 'teacher manifest',
    where: 'tiny',
  });
}

/** `x,y` of each pixel, `-` where it is none of the image's. */
function places(
  rule: Rule,
  image: RgbImage,
  sizePx: number,
  { view = FULL_VIEW, resize = {} }: { readonly view?: View; readonly resize?: object } = {},
): string[] {
  const renderer = viewRenderer(manifest(rule, { layout: 'NHWC', scale: 1 }, resize), sizePx);
  const seen = new Float32Array(renderer.values);
  renderer.normaliseInto(renderer.render(image, view), seen, 0);
  return Array.from({ length: sizePx }, (_, y) =>
    Array.from({ length: sizePx }, (_, x) => {
      const [r, g, b] = seen.subarray((y * sizePx + x) * 3, (y * sizePx + x) * 3 + 3);
      return b === COORDINATE_BLUE ? `${r!},${g!}` : '-';
    }).join(' '),
  );
}

describe('resize rules', () => {
  it('squash shows the whole view, stretched', () => {
    const rows = places('squash', coordinateImage(8, 4), 4);
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

  it('shortest-side-crop shows the middle square, of wide and of tall images', () => {
    expect(places('shortest-side-crop', coordinateImage(8, 4), 4)).toEqual(
      [0, 1, 2, 3].map((y) => [2, 3, 4, 5].map((x) => `${x},${y}`).join(' ')),
    );
    expect(places('shortest-side-crop', coordinateImage(4, 8), 4)).toEqual(
      [2, 3, 4, 5].map((y) => [0, 1, 2, 3].map((x) => `${x},${y}`).join(' ')),
    );
  });

  it('shortest-side-crop takes the middle of the view, not of the image', () => {
    const view: View = { box: [0.5, 0, 0.5, 1], flip: false };
    expect(places('shortest-side-crop', coordinateImage(16, 4), 4, { view })).toEqual(
      [0, 1, 2, 3].map((y) => [10, 11, 12, 13].map((x) => `${x},${y}`).join(' ')),
    );
  });

  it('shortest-side-crop with a larger shortest side keeps the middle of it, in proportion at other sizes', () => {
    const resize = { shortestSidePx: 8, cropPx: 4 };
    // 8 x 16 at 4 px: nothing is resized, and the middle 4 x 4 is kept; at 2 px: halved, then the middle 2 x 2
    expect(places('shortest-side-crop', coordinateImage(8, 16), 4, { resize })).toEqual(
      [6, 7, 8, 9].map((y) => [2, 3, 4, 5].map((x) => `${x},${y}`).join(' ')),
    );
    expect(places('shortest-side-crop', coordinateImage(8, 16), 2, { resize })).toEqual(
      ['7', '9'].map((y) => ['3', '5'].map((x) => `${x},${y}`).join(' ')),
    );
  });

  it('longest-side-pad keeps everything at the top left and pads right or below', () => {
    expect(places('longest-side-pad', coordinateImage(4, 2), 4)).toEqual([
      '0,0 1,0 2,0 3,0',
      '0,1 1,1 2,1 3,1',
      '- - - -',
      '- - - -',
    ]);
    expect(places('longest-side-pad', coordinateImage(2, 4), 4)).toEqual(
      [0, 1, 2, 3].map((y) => `0,${y} 1,${y} - -`),
    );
  });

  it('longest-side-pad keeps at least one pixel of a very thin image', () => {
    expect(places('longest-side-pad', coordinateImage(200, 1), 4)).toEqual([
      expect.stringMatching(/^\d+,0 \d+,0 \d+,0 \d+,0$/),
      '- - - -',
      '- - - -',
      '- - - -',
    ]);
  });

  it('every rule mirrors a flipped view', () => {
    const view: View = { box: [0, 0, 1, 1], flip: true };
    for (const rule of ['squash', 'shortest-side-crop', 'longest-side-pad'] as const)
      expect(places(rule, coordinateImage(4, 4), 4, { view })[1], rule).toBe('3,1 2,1 1,1 0,1');
  });
});

describe('what the network sees', () => {
  it('is (byte * scale - mean) / std per channel, in the manifest’s colour order and layout', () => {
    const figures = { scale: 1 / 255, mean: [0.1, 0.2, 0.3], std: [0.5, 0.25, 0.125] };
    const image: RgbImage = { widthPx: 1, heightPx: 1, data: Uint8Array.of(51, 102, 255) };
    const see = (layout: 'NCHW' | 'NHWC', colour: 'RGB' | 'BGR'): number[] => {
      const renderer = viewRenderer(manifest('squash', { ...figures, layout, colour }), 1);
      const out = new Float32Array(renderer.values + 2);
      renderer.normaliseInto(renderer.render(image, FULL_VIEW), out, 2);
      expect([...out.subarray(0, 2)], 'nothing before the offset').toEqual([0, 0]);
      return [...out.subarray(2)];
    };
    const wanted = (bytes: readonly number[]): number[] =>
      bytes.map((byte, c) => Math.fround((byte * figures.scale - figures.mean[c]!) / figures.std[c]!));
    expect(see('NCHW', 'RGB')).toEqual(wanted([51, 102, 255]));
    expect(see('NHWC', 'BGR')).toEqual(wanted([255, 102, 51]));
  });

  it('is exactly zero where the image was padded, or what the manifest says the network sees there', () => {
    const figures = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };
    for (const [resize, pad] of [
      [{}, [0, 0, 0]],
      [{ pad: [1, -2, 3.5] }, [1, -2, 3.5]],
    ] as const)
      for (const colour of ['RGB', 'BGR'] as const) {
        const renderer = viewRenderer(manifest('longest-side-pad', { ...figures, colour }, resize), 4);
        const rendered = renderer.render(coordinateImage(4, 2), FULL_VIEW);
        expect(rendered).toMatchObject({ widthPx: 4, heightPx: 2 });
        const out = new Float32Array(renderer.values).fill(NaN);
        renderer.normaliseInto(rendered, out, 0);
        for (let channel = 0; channel < 3; channel++)
          expect([...out.subarray(channel * 16 + 8, channel * 16 + 16)]).toEqual(
            Array.from({ length: 8 }, () => pad[channel]),
          );
      }
  });

  it('is the same when a view is rendered into memory of the caller, which may be larger', () => {
    const renderer = viewRenderer(manifest('longest-side-pad'), 4);
    const image = coordinateImage(9, 5);
    const memory = new Uint8Array(renderer.maxBytes + 10).fill(123);
    const rendered = renderer.render(image, FULL_VIEW, memory);
    expect(rendered.data.buffer).toBe(memory.buffer);
    expect(rendered).toEqual(renderer.render(image, FULL_VIEW));
    expect([...memory.subarray(rendered.data.length)]).toEqual(
      Array.from({ length: memory.length - rendered.data.length }, () => 123),
    );
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
