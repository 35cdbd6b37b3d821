// `node test/bench/mosaic.mjs [teacher] [tile px] [k] [images]`: how far a tile's map moves on a mosaic, and what it costs. Cosines of
// the full view's map, mean and worst cell, over images: against the same picture alone, and when its neighbours change from views
// of the same image (the rule, decision 0013) to other images or to padding. Needs `make build`; times mean something on a quiet machine.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { meanCosine } from '../../dist/cache/statistics/interpolation.js';
import { sha256 } from '../../dist/core/digest.js';
import { decodeImage } from '../../dist/images/decode.js';
import { FULL_VIEW } from '../../dist/images/view.js';
import { mosaicLayout } from '../../dist/teachers/mosaic/layout.js';
import { mosaicSession } from '../../dist/teachers/mosaic/mosaic-session.js';
import { canvasesOf } from '../../dist/teachers/mosaic/neighbours.js';
import { openTeacher } from '../../dist/teachers/open-teacher.js';
import { tileRenderer } from '../../dist/teachers/preprocess.js';
import { loadTeacher } from '../../dist/teachers/registry.js';
import { acceptsSize } from '../../dist/teachers/teacher-manifest.js';

const [name = 'ppocr-det', tilePx = 128, k = 2, count = 20] = process.argv
  .slice(2)
  .map((arg, i) => (i === 0 ? arg : Number(arg)));
const folder = join('node_modules', 'emoji-datasource-google', 'img', 'google', '64');
const files = readdirSync(folder)
  .filter((_, i) => i % 37 === 0)
  .slice(0, count + k * k);
const teacher = await loadTeacher(name, { baseFolder: '.' });
const layout = mosaicLayout(teacher.manifest, { tilesPerSide: k, tilePx });
const mosaic = {
  ...layout,
  neighbours: { of: 'image', seed: 0, area: [0.4, 1], aspect: [3 / 4, 4 / 3], flip: 0.5 },
};
const run = { device: 'cpu', threads: 0 };
const canvases = mosaicSession(
  await openTeacher(teacher, { sizePx: layout.canvasPx, batch: 1 }, run),
  layout,
  teacher.manifest,
);
const alone = acceptsSize(teacher.manifest, tilePx)
  ? await openTeacher(teacher, { sizePx: tilePx, batch: 1 }, run)
  : null;
const renderer = tileRenderer(teacher.manifest, tilePx);
const pictures = [];
for (const file of files) {
  const bytes = readFileSync(join(folder, file));
  pictures.push({ id: sha256(bytes), pixels: await decodeImage(bytes) });
}
const rendered = (pixels, view) => {
  const out = new Float32Array(renderer.values);
  renderer.normaliseInto(renderer.render(pixels, view), out, 0);
  return out;
};
const [rows, columns, channels] = canvases.spatial.shape;
const times = { canvas: [], alone: [] };
async function firstTile(tiles) {
  const { spatial, engineMs } = await canvases.run(
    Float32Array.from(tiles.flatMap((tile) => [...tile])),
    tiles.length,
  );
  times.canvas.push(engineMs);
  return spatial.subarray(0, rows * columns * channels);
}
const cellsOf = (a, b) =>
  Array.from({ length: rows * columns }, (_, cell) => {
    const at = [cell * channels, (cell + 1) * channels];
    return meanCosine(a.subarray(...at), b.subarray(...at), channels);
  });
const isBorder = (cell) =>
  [Math.floor(cell / columns), cell % columns].some((at) => at === 0 || at === rows - 1);

const cosines = { alone: [], otherImages: [], padding: [] };
for (const [i, { id, pixels }] of pictures.slice(0, count).entries()) {
  const { views } = canvasesOf(mosaic, id, [FULL_VIEW])[0];
  const own = (await firstTile(views.map((view) => rendered(pixels, view)))).slice();
  const full = rendered(pixels, FULL_VIEW);
  const others = Array.from({ length: k * k - 1 }, (_, n) =>
    rendered(pictures[(i + n + 1) % pictures.length].pixels, FULL_VIEW),
  );
  cosines.otherImages.push(
    ...cellsOf(own, await firstTile([full, ...others])).map((cosine, cell) => ({ cosine, cell })),
  );
  cosines.padding.push(...cellsOf(own, await firstTile([full])).map((cosine, cell) => ({ cosine, cell })));
  if (alone === null) continue;
  const { spatial, engineMs } = await alone.run(full, 1);
  times.alone.push(engineMs);
  cosines.alone.push(...cellsOf(own, spatial).map((cosine, cell) => ({ cosine, cell })));
}
await canvases.close();
await alone?.close();

const mean = (values) =>
  values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length;
const median = (values) => values.sort((a, b) => a - b)[values.length >> 1] ?? null;
const figuresOf = (cells) => ({
  mean: mean(cells.map(({ cosine }) => cosine)),
  border: mean(cells.filter(({ cell }) => isBorder(cell)).map(({ cosine }) => cosine)),
  interior: mean(cells.filter(({ cell }) => !isBorder(cell)).map(({ cosine }) => cosine)),
  worst: cells.length === 0 ? null : Math.min(...cells.map(({ cosine }) => cosine)),
});
console.log(
  JSON.stringify({
    teacher: name,
    ...layout,
    images: count,
    cosineToAlone: figuresOf(cosines.alone),
    cosineWhenNeighboursAreOtherImages: figuresOf(cosines.otherImages),
    cosineWhenNeighboursArePadding: figuresOf(cosines.padding),
    engineMsPerTile: median(times.canvas) / (k * k),
    engineMsAlone: median(times.alone),
  }),
);
