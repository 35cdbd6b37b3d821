import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { sha256 } from '../../src/core/digest.ts';
import { probeBytes, probeFile } from '../../src/images/probe.ts';
import { asFile, noise, noisePng, png, tempFolder } from './tiny-images.ts';

const limits = { maxPixels: 1e8, maxBytes: 1e9 };
const FORMATS = ['png', 'jpeg', 'webp', 'gif', 'tiff', 'avif'] as const;

describe('a probed image', () => {
  it.each(FORMATS)('has id, bytes, sides and format (%s)', async (format) => {
    const bytes = await asFile(noise(40, 30), { width: 40, height: 30 }, format);
    expect(await probeBytes(bytes, limits)).toEqual({
      ok: true,
      image: {
        id: sha256(bytes),
        sizeBytes: bytes.length,
        width: 40,
        height: 30,
        format: format === 'avif' ? 'heif' : format,
      },
    });
  });

  it('has the sides of the upright image', async () => {
    const jpeg = await sharp(noise(40, 30), { raw: { width: 40, height: 30, channels: 3 } })
      .withMetadata({ orientation: 6 })
      .jpeg()
      .toBuffer();
    expect(await probeBytes(jpeg, limits)).toMatchObject({ ok: true, image: { width: 30, height: 40 } });
  });
});

describe('a probe refuses', () => {
  it('an empty file', async () => {
    expect(await probeBytes(new Uint8Array(), limits)).toMatchObject({
      ok: false,
      id: null,
      reason: 'empty-file',
    });
  });

  it.each([
    ['text', 'not an image at all'],
    ['a drawing', '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'],
    ['a page', '<!doctype html><script>1</script>'],
    ['one byte', '\x89'],
  ])('%s as no image, with the id of its bytes', async (_, text) => {
    expect(await probeBytes(Buffer.from(text), limits)).toMatchObject({
      ok: false,
      reason: 'not-an-image',
      id: sha256(text),
    });
  });

  it.each(FORMATS)('a truncated %s as corrupt, wherever it was cut', async (format) => {
    const bytes = await asFile(noise(40, 30), { width: 40, height: 30 }, format);
    for (const share of [0.05, 0.2, 0.5, 0.8, 0.97]) {
      const cut = bytes.subarray(0, Math.max(20, Math.floor(bytes.length * share)));
      expect(await probeBytes(cut, limits), `${share}`).toMatchObject({ ok: false, reason: 'corrupt' });
    }
  });

  it.each(['png', 'jpeg', 'webp'] as const)(
    'a truncated %s that is too large to be decoded at once',
    async (format) => {
      const bytes = await asFile(noise(1100, 1000), { width: 1100, height: 1000 }, format);
      expect(await probeBytes(bytes, limits)).toMatchObject({ ok: true });
      for (const share of [0.3, 0.99]) {
        const cut = bytes.subarray(0, Math.floor(bytes.length * share));
        expect(await probeBytes(cut, limits), `${share}`).toMatchObject({ ok: false, reason: 'corrupt' });
      }
    },
  );

  it('a PNG whose pixels fail their checksum', async () => {
    const bytes = await noisePng(1, 40, 30);
    bytes[bytes.length - 40]! ^= 0x55;
    expect(await probeBytes(bytes, limits)).toMatchObject({ ok: false, reason: 'corrupt' });
  });

  it('a JPEG with a broken scan, which a lenient decoder fills with grey', async () => {
    const bytes = await asFile(noise(200, 200), { width: 200, height: 200 }, 'jpeg');
    bytes.fill(0xff, bytes.length - 4000, bytes.length - 3000);
    expect(await probeBytes(bytes, limits)).toMatchObject({ ok: false, reason: 'corrupt' });
  });

  it('a bomb of 30,000 x 30,000 px by its header alone', async () => {
    const bomb = png({ width: 30_000, height: 30_000 }, Buffer.alloc(1000));
    const before = process.memoryUsage().rss;
    expect(await probeBytes(bomb, limits)).toMatchObject({
      ok: false,
      reason: 'too-many-pixels',
      detail: '30000 x 30000 px, at most 100000000 in all',
    });
    expect(process.memoryUsage().rss - before).toBeLessThan(200e6);
  });

  it('an image one pixel over the limit, and takes one at the limit', async () => {
    const bytes = await noisePng(1, 10, 10);
    expect(await probeBytes(bytes, { maxPixels: 100 })).toMatchObject({ ok: true });
    expect(await probeBytes(bytes, { maxPixels: 99 })).toMatchObject({ reason: 'too-many-pixels' });
  });

  it('a file that is missing, a folder, one over the size limit', async () => {
    const folder = await tempFolder({ 'a.png': await noisePng() });
    const probe = (name: string, maxBytes = 1e9) =>
      probeFile(Buffer.from(join(folder, name)), { ...limits, maxBytes });
    expect(await probe('none.png')).toMatchObject({ reason: 'missing', detail: 'ENOENT' });
    expect(await probe('a.png/b.png')).toMatchObject({ reason: 'missing' });
    expect(await probe('.')).toMatchObject({ reason: 'unreadable', detail: 'not a regular file' });
    expect(await probe('a.png', 10)).toMatchObject({ reason: 'unreadable' });
    expect(await probe('a.png')).toMatchObject({ ok: true });
  });

  it('a named pipe, without waiting for a writer', async () => {
    const folder = await tempFolder();
    execFileSync('mkfifo', [join(folder, 'pipe.png')]);
    expect(await probeFile(Buffer.from(join(folder, 'pipe.png')), limits)).toMatchObject({
      reason: 'unreadable',
    });
  });
});
