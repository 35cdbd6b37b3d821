// JPEGs as a camera's are for a decoder: 500 x 375, detail everywhere. Emoji at all sizes over a gradient, from one seed.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import sharp from 'sharp';
import { Rng } from '../../../dist/core/rng.js';

const require = createRequire(import.meta.url);
const [WIDTH, HEIGHT] = [500, 375];

export async function writePhotos({ folder, count }) {
  mkdirSync(folder, { recursive: true });
  const root = dirname(require.resolve('emoji-datasource-twitter/package.json'));
  const names = JSON.parse(readFileSync(join(root, 'emoji.json'), 'utf8')).map(({ image }) => image);
  const rng = new Rng(1, 'bench photos');
  for (let i = 0; i < count; i++) {
    const [red, green, blue] = [rng.below(256), rng.below(256), rng.below(256)];
    const noise = Buffer.from(
      Uint8Array.from({ length: WIDTH * HEIGHT * 3 }, (_, at) => {
        const base = [red, green, blue][at % 3];
        return Math.min(255, Math.max(0, base + Math.floor(at / (WIDTH * 6)) - 60 + rng.below(24)));
      }),
    );
    const composite = await Promise.all(
      Array.from({ length: 8 }, async () => {
        const side = 40 + rng.below(200);
        const name = names[rng.below(names.length)];
        const input = await sharp(join(root, 'img/twitter/64', name))
          .resize(side)
          .png()
          .toBuffer();
        return { input, left: rng.below(WIDTH - side), top: rng.below(HEIGHT - side) };
      }),
    );
    const image = sharp(noise, { raw: { width: WIDTH, height: HEIGHT, channels: 3 } }).composite(composite);
    writeFileSync(join(folder, `photo-${i}.jpg`), await image.jpeg({ quality: 90 }).toBuffer());
  }
}
