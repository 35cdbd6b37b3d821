import { readFile, readdir, readlink, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openCatalogue } from '../../src/cache/catalogue.ts';
import { TargetReader } from '../../src/cache/read.ts';
import { spaceIdOf } from '../../src/cache/space.ts';
import { decodeHalf, encodeHalf } from '../../src/core/half.ts';
import { Rng } from '../../src/core/rng.ts';
import { isStillhouseError } from '../../src/core/failure.ts';
import { FULL_VIEW } from '../../src/images/view.ts';
import { failing } from '../support/failing.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { answer, group, images, keyOf, openWriter, partFor, reader, rendered, spaceIn } from './rig.ts';

const summary = group().spaces[0]!;

/** Images 0..count-1 in parts of one row each. */
async function cache(count: number) {
  const root = await tempFolder();
  const { writer } = await openWriter(root);
  const parts = images(count).map((wanted) => partFor(summary, [wanted]));
  const entries = await writer.commit(parts);
  return {
    root,
    space: await spaceIn(root, summary),
    paths: entries.map(({ file }) => join(root, 'data', file)),
  };
}

const wantedValues = (i: number): Float32Array =>
  decodeHalf(encodeHalf(answer(summary, rendered(images(i + 1)[i]!.image, FULL_VIEW))));
const key = (i: number) => keyOf(images(i + 1)[i]!.image);

/** Files below a folder that this process holds open. */
async function openBelow(folder: string): Promise<number> {
  const links = (await readdir('/proc/self/fd')).map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => ''));
  return (await Promise.all(links)).filter((path) => path.startsWith(folder)).length;
}

describe('reading a target', () => {
  it('gives the half of what the teacher said, and counts rows, bytes and files', async () => {
    const { space } = await cache(3);
    const targets = reader();
    const out = new Float32Array(3);
    for (const i of [0, 1, 2, 0]) {
      expect(await targets.readInto(space, key(i), out)).toBe(true);
      expect(out).toEqual(wantedValues(i));
    }
    expect({ ...targets.counts }).toEqual({ rows: 4, bytes: 24, opens: 3 });
  });

  it('of a failed row, or one that is not there, gives zeros and false', async () => {
    const root = await tempFolder();
    const { writer } = await openWriter(root);
    const part = partFor(summary, images(2));
    part.part.ok[1] = 0;
    part.part.payload.fill(0, 3);
    await writer.commit([part]);
    const space = await spaceIn(root, summary);
    const targets = reader();
    for (const i of [1, 7]) {
      const out = Float32Array.of(1, 2, 3);
      expect(await targets.readInto(space, key(i), out)).toBe(false);
      expect([...out]).toEqual([0, 0, 0]);
    }
    expect(targets.counts.rows).toBe(0);
  });

  it('into an array of another length is a defect', async () => {
    const { space } = await cache(1);
    await expect(reader().readInto(space, key(0), new Float32Array(2))).rejects.toThrow(
      'internal: a target of 3 values is read into 2',
    );
  });

  it.each([{}, { residentBytes: 1 << 20 }])('detects every flipped bit of a row (%j)', async (options) => {
    const { space, paths } = await cache(1);
    const place = space.rows.get(key(0))!;
    const whole = await readFile(paths[0]!);
    const { rowBytes, at } = place.part.layout;
    for (let bit = 0; bit < rowBytes * 8; bit++) {
      const bytes = Uint8Array.from(whole);
      bytes[at.payload + (bit >> 3)]! ^= 1 << (bit & 7);
      await writeFile(paths[0]!, bytes);
      await expect(
        reader(options).readInto(space, key(0), new Float32Array(3)),
        `bit ${bit}`,
      ).rejects.toThrow(failing(4, { where: `${paths[0]!}, row 0` }));
    }
  });

  it.each([{}, { residentBytes: 1 << 20 }])(
    'says when a part has ended early or is gone (%j)',
    async (options) => {
      const { space, paths } = await cache(2);
      const { at } = space.rows.get(key(0))!.part.layout;
      await truncate(paths[0]!, at.payload + 3);
      await expect(reader(options).readInto(space, key(0), new Float32Array(3))).rejects.toThrow(
        failing(4, { what: 'a cache part ended early', where: paths[0], got: '3' }),
      );
      await rm(paths[1]!);
      await expect(reader(options).readInto(space, key(1), new Float32Array(3))).rejects.toThrow(
        failing(4, { what: 'a cache part was removed while it was in use', where: paths[1] }),
      );
    },
  );

  it('works again for a part that was away for a while', async () => {
    const { space, paths } = await cache(1);
    const bytes = await readFile(paths[0]!);
    await rm(paths[0]!);
    const targets = reader();
    const out = new Float32Array(3);
    await expect(targets.readInto(space, key(0), out)).rejects.toThrow();
    await writeFile(paths[0]!, bytes);
    expect(await targets.readInto(space, key(0), out)).toBe(true);
    expect(out).toEqual(wantedValues(0));
  });
});

describe('a changed bit anywhere outside the payload', () => {
  it('is refused, or does not matter: no reader gets wrong bytes', async () => {
    const { root, paths } = await cache(1);
    const whole = await readFile(paths[0]!);
    const out = new Float32Array(3);
    let refused = 0;
    // every bit of a part's header and footer: test/format/tensor-part.test.ts
    for (let at = 0; at < whole.length; at += 3) {
      const bytes = Uint8Array.from(whole);
      bytes[at]! ^= 1 << ((at * 5) & 7);
      await writeFile(paths[0]!, bytes);
      const targets = new TargetReader();
      try {
        const space = (await openCatalogue(root)).spaces.get(spaceIdOf(summary))!;
        expect(await targets.readInto(space, key(0), out), `byte ${at}`).toBe(true);
        expect(out, `byte ${at}`).toEqual(wantedValues(0));
      } catch (error) {
        if (!isStillhouseError(error, 'integrity')) throw error;
        refused += 1;
      } finally {
        await targets.close();
      }
    }
    expect(refused).toBeGreaterThan(100);
  });
});

describe('files of a reader', () => {
  it('are at most as many as allowed while nothing is read', async () => {
    const { root, space } = await cache(9);
    const targets = reader({ openFiles: 3 });
    for (let i = 0; i < 9; i++) await targets.readInto(space, key(i), new Float32Array(3));
    expect(await openBelow(root)).toBe(3);
    expect(targets.counts.opens).toBe(9);
    // the longest unused go first
    for (const i of [8, 7, 6]) await targets.readInto(space, key(i), new Float32Array(3));
    expect(targets.counts.opens).toBe(9);
    await targets.close();
    expect(await openBelow(root)).toBe(0);
  });

  it('are never closed under a reader: many reads at once through one file get their own bytes', async () => {
    const { root, space } = await cache(8);
    const targets = reader({ openFiles: 1 });
    const rng = new Rng(1, 'reads');
    const reads = Array.from({ length: 800 }, async () => {
      const i = rng.below(8);
      const out = new Float32Array(3);
      await new Promise((resolve) => setTimeout(resolve, rng.below(20)));
      expect(await targets.readInto(space, key(i), out)).toBe(true);
      expect(out).toEqual(wantedValues(i));
    });
    await Promise.all(reads);
    expect(targets.counts.rows).toBe(800);
    expect(await openBelow(root)).toBeLessThanOrEqual(1);
  });

  it('are closed after the reads under way, and reading afterwards is a defect', async () => {
    const { root, space } = await cache(5);
    const targets = new TargetReader({ openFiles: 2 });
    const reads = [0, 1, 2, 3, 4].map((i) => targets.readInto(space, key(i), new Float32Array(3)));
    const closing = targets.close();
    expect(await Promise.all(reads)).toEqual([true, true, true, true, true]);
    await closing;
    expect(await openBelow(root)).toBe(0);
    await expect(targets.readInto(space, key(0), new Float32Array(3))).rejects.toThrow(
      'is read after its reader was closed',
    );
  });
});

describe('resident parts', () => {
  it('are read once each, up to the room given; the others row by row', async () => {
    const { space } = await cache(4);
    const targets = reader({ residentBytes: 12 });
    const out = new Float32Array(3);
    for (const i of [0, 1, 2, 3, 0, 1, 2, 3]) {
      await targets.readInto(space, key(i), out);
      expect(out).toEqual(wantedValues(i));
    }
    // two parts of 6 bytes fit and are read once; the rows of the other two are read both times
    expect(targets.counts).toMatchObject({ rows: 8, bytes: 2 * 6 + 2 * 2 * 6 });
  });
});
