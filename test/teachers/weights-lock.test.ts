import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Digest } from '../../src/core/ids.ts';
import { type WeightsPin, lockText, readPins, writePin } from '../../src/teachers/weights-lock.ts';
import { failing } from '../support/failing.ts';
import { tempFolder } from '../support/temp-folder.ts';

const A = 'a'.repeat(64) as Digest;
const B = 'b'.repeat(64) as Digest;
const COMMIT = 'c'.repeat(40);
const pin = (sha256: Digest, commit?: string): WeightsPin => ({
  sha256,
  sizeBytes: 12,
  ...(commit === undefined ? {} : { commit }),
});

describe('a lock file', () => {
  it('reads back what was pinned, and is the same text in whatever order that happened', async () => {
    const folder = await tempFolder();
    const pins = [
      { uri: 'hf:o/r@main/m.onnx', pin: pin(A, COMMIT), replace: false },
      { uri: 'https://example.org/"odd": name.onnx', pin: pin(B), replace: false },
    ];
    const texts: string[] = [];
    for (const [name, order] of [
      ['one', pins],
      ['two', [...pins].reverse()],
    ] as const) {
      const path = join(folder, name);
      for (const one of order) await writePin(path, one);
      expect(await readPins(path)).toEqual(new Map(pins.map(({ uri, pin }) => [uri, pin])));
      texts.push(await readFile(path, 'utf8'));
    }
    expect(texts[0]).toBe(texts[1]);
    expect(texts[0]).toMatchInlineSnapshot(`
      "# The bytes that teachers are, pinned by \`stillhouse teachers pull\`. Commit this file.
      version: 1
      weights:
        "hf:o/r@main/m.onnx":
          sha256: "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
          sizeBytes: 12
          commit: "cccccccccccccccccccccccccccccccccccccccc"
        "https://example.org/\\"odd\\": name.onnx":
          sha256: "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
          sizeBytes: 12
      "
    `);
  });

  it('that is not there pins nothing; so does one without weights', async () => {
    const path = join(await tempFolder(), 'teachers.lock');
    expect(await readPins(path)).toEqual(new Map());
    await writeFile(path, lockText(new Map()));
    expect(await readPins(path)).toEqual(new Map());
  });

  it('is not written when nothing changes', async () => {
    const path = join(await tempFolder(), 'teachers.lock');
    await writePin(path, { uri: 'u', pin: pin(A), replace: false });
    const before = await stat(path, { bigint: true });
    await writePin(path, { uri: 'u', pin: pin(A), replace: false });
    expect((await stat(path, { bigint: true })).ino).toBe(before.ino);
  });

  it('keeps a pin against other bytes unless it is told to replace it', async () => {
    const path = join(await tempFolder(), 'teachers.lock');
    await writePin(path, { uri: 'u', pin: pin(A), replace: false });
    await expect(writePin(path, { uri: 'u', pin: pin(B), replace: false })).rejects.toThrow(
      failing(4, { where: `${path}, u`, wanted: `sha256 ${A}`, got: `sha256 ${B}` }),
    );
    expect((await readPins(path)).get('u')).toEqual(pin(A));
    await writePin(path, { uri: 'u', pin: pin(B), replace: true });
    expect((await readPins(path)).get('u')).toEqual(pin(B));
  });

  it.each([
    ['conflict markers', '<<<<<<< mine\nversion: 1\n=======\n', /line|Implicit|map/i],
    ['a key nobody knows', 'version: 1\nweights:\n  "u": { sha: x }\n', /sha256/],
    [
      'a digest that is none',
      'version: 1\nweights:\n  "u": { sha256: abc, sizeBytes: 1 }\n',
      /64 lower-case hex/,
    ],
    ['another version', 'version: 2\nweights:\n', /version/],
  ])('with %s is refused with its path', async (_, text, message) => {
    const path = join(await tempFolder(), 'teachers.lock');
    await writeFile(path, text);
    await expect(readPins(path)).rejects.toThrow(
      failing(3, { where: path, got: expect.stringMatching(message) }),
    );
  });
});
