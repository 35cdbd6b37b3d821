import { appendFile, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openCatalogue } from '../../src/cache/catalogue.ts';
import { spaceIdOf } from '../../src/cache/space.ts';
import { canonicalJson, type Json } from '../../src/core/canonical-json.ts';
import { sealJson } from '../../src/core/sealed-json.ts';
import { failing } from '../support/failing.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { contentOf, group, images, openWriter, partFor, space } from './rig.ts';

const summary = group().spaces[0]!;
const id = spaceIdOf(summary);

async function cache() {
  const root = await tempFolder();
  const { writer } = await openWriter(root);
  const [entry] = await writer.commit([partFor(summary, images(3))]);
  return {
    root,
    part: join(root, 'data', entry!.file),
    journal: join(root, 'log', 'w', '000000000000.json'),
  };
}

/** A sealed file with other members, sealed again as whoever edits it on purpose could. */
function resealed(text: string, changes: Readonly<Record<string, Json>> = {}): string {
  const body = JSON.parse(text) as Record<string, Json | undefined>;
  delete body['sha256'];
  return sealJson({ ...body, ...changes });
}

describe('a catalogue', () => {
  it('of a folder that is not there, or empty, is empty', async () => {
    const root = await tempFolder();
    expect((await openCatalogue(join(root, 'none'))).spaces.size).toBe(0);
    expect((await openCatalogue(root)).spaces.size).toBe(0);
  });

  it('can be limited to some spaces', async () => {
    const { root } = await cache();
    expect((await openCatalogue(root, { only: new Set() })).spaces.size).toBe(0);
    expect((await openCatalogue(root, { only: new Set([id]) })).spaces.get(id)?.rows.size).toBe(3);
  });

  it('counts a row that two parts hold once, and all readers take it from the same part', async () => {
    const { root } = await cache();
    const { writer } = await openWriter(root, 'w2');
    await writer.commit([partFor(summary, images(2))]);
    const cached = (await openCatalogue(root)).spaces.get(id)!;
    expect([cached.parts.length, cached.rows.size]).toEqual([2, 3]);
    const lowest = cached.parts.map(({ entry }) => entry.sha256).sort()[0];
    const place = cached.rows.get(cached.rows.keys().next().value)!;
    expect(place.part.entry.sha256).toBe(lowest);
  });
});

describe('integrity', () => {
  it.each([
    ['{"format":"stillhouse-cache","major":3}\n', '"major":3'],
    ['something else', 'something else'],
    ['', ''],
  ])('is refused to a cache of another format (%j)', async (text, got) => {
    const { root } = await cache();
    await writeFile(join(root, 'FORMAT'), text);
    const failure = failing(4, {
      what: 'the cache has another format version, or is no cache',
      where: join(root, 'FORMAT'),
      got: expect.stringContaining(got) as string,
    });
    await expect(openCatalogue(root)).rejects.toThrow(failure);
    await expect(openWriter(root, 'w2')).rejects.toThrow(failure);
  });

  it('is refused to an edited description of a space', async () => {
    const { root } = await cache();
    const file = join(root, 'spaces', `${id}.json`);
    for (const text of [
      canonicalJson(space({ sizePx: 3 }) as unknown as Json),
      '{"v":1}',
      'no json',
      'null',
      '',
    ]) {
      await writeFile(file, text);
      await expect(openCatalogue(root), text).rejects.toThrow(
        failing(4, { what: 'the description of a space was changed', where: file }),
      );
    }
  });

  it('is refused to a damaged journal, which names the file and what is wrong', async () => {
    const { root, journal } = await cache();
    const whole = await readFile(journal, 'utf8');
    const outside = whole.replace(/"file":"[^/]+/, '"file":"..');
    expect(outside).not.toBe(whole);
    const later = resealed(whole, { v: 3 });
    for (const text of ['', whole.slice(0, 40), later, outside, resealed(outside), whole.trimEnd(), '[]']) {
      await writeFile(journal, text);
      await expect(openCatalogue(root), text).rejects.toThrow(
        failing(4, {
          what: 'a cache journal entry is damaged',
          where: journal,
          got: expect.any(String) as string,
        }),
      );
    }
    // the advice that the message gives
    await rm(journal);
    expect((await openWriter(root, 'w2')).adopted).toBe(1);
    expect((await contentOf(root)).size).toBe(3);
  });

  it('is refused to a part that is not the one its journal lists', async () => {
    const { root, part, journal } = await cache();
    const text = await readFile(journal, 'utf8');
    await writeFile(journal, resealed(text.replace('"rows":3', '"rows":4')));
    await expect(openCatalogue(root)).rejects.toThrow(
      failing(4, { what: 'a cache part is not the one its journal lists', where: part }),
    );
    await writeFile(journal, text);
    await appendFile(part, 'x');
    await expect(openCatalogue(root)).rejects.toThrow(failing(4, { where: part }));
  });
});
