import { appendFile, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openCatalogue } from '../../src/cache/catalogue.ts';
import { spaceIdOf } from '../../src/cache/space.ts';
import type { PartToWrite } from '../../src/cache/write.ts';
import { VERIFY_LEVELS, type VerifyLevel, type VerifyOptions, verifyCache } from '../../src/cache/verify.ts';
import { failing } from '../support/failing.ts';
import { failingFs } from '../support/failing-fs.ts';
import { quickFs } from '../support/quick-fs.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { contentOf, engine, fill, fixedClock, group, images, openWriter, partFor, spaceIn } from './rig.ts';

const [summary, spatial] = group().spaces as [PartToWrite['space'], PartToWrite['space']];

/** Two spaces of five rows, one part each. */
async function cache() {
  const root = await tempFolder();
  const { writer } = await openWriter(root);
  const [first, second] = await writer.commit([partFor(summary, images(5)), partFor(spatial, images(5))]);
  return {
    root,
    file: first!.file,
    part: join(root, 'data', first!.file),
    other: join(root, 'data', second!.file),
    bytes: first!.sizeBytes + second!.sizeBytes,
    content: await contentOf(root),
  };
}

type Cache = Awaited<ReturnType<typeof cache>>;

const look = (root: string, level: VerifyLevel = 'rows') => verifyCache({ root, level, repair: null });
const mend = (root: string, options: Partial<VerifyOptions> = {}) =>
  verifyCache({
    root,
    level: 'rows',
    repair: { writer: 'mender', clock: fixedClock },
    fs: quickFs,
    ...options,
  });
const refill = (root: string, unitRows = 5) =>
  fill({ root, wanted: images(5), engines: [engine(group())], unitRows, writer: 'later' });

async function flipBit(path: string, at: number): Promise<void> {
  const bytes = await readFile(path);
  bytes[at]! ^= 1;
  await writeFile(path, bytes);
}

async function payloadAt(root: string, row: number): Promise<number> {
  const { layout } = (await spaceIn(root, summary)).parts[0]!;
  return layout.at.payload + row * layout.rowBytes;
}

/** What can happen to a cache, the cheapest level that sees it, and what is said there and at the levels above. */
const DAMAGES: readonly {
  readonly what: string;
  readonly harm: (cache: Cache) => Promise<void>;
  readonly seenFrom: VerifyLevel;
  readonly problem: string | Partial<Record<VerifyLevel, string>>;
  readonly detail?: RegExp;
}[] = [
  {
    what: 'a removed part',
    harm: ({ part }) => rm(part),
    seenFrom: 'names',
    problem: 'missing',
    detail: /^5 rows$/,
  },
  {
    what: 'a part that grew',
    harm: ({ part }) => appendFile(part, 'x'),
    seenFrom: 'names',
    problem: 'size',
    detail: /^\d+ bytes instead of \d+$/,
  },
  {
    what: 'a changed footer',
    harm: async ({ part }) => flipBit(part, (await readFile(part)).length - 12),
    seenFrom: 'footers',
    problem: 'damaged',
  },
  {
    what: 'a changed key of a row',
    harm: async ({ root, part }) => flipBit(part, (await spaceIn(root, summary)).parts[0]!.layout.at.key),
    seenFrom: 'footers',
    problem: 'damaged',
    detail: /keys, views, flags and checksums/,
  },
  {
    what: 'a changed bit of a target',
    harm: async ({ root, part }) => flipBit(part, await payloadAt(root, 3)),
    seenFrom: 'digests',
    problem: { digests: 'digest', rows: 'row-crc' },
  },
  {
    what: 'a changed byte that no reader looks at',
    harm: async ({ part }) => flipBit(part, 6),
    seenFrom: 'digests',
    problem: 'digest',
  },
];

describe('verify', () => {
  it.each(VERIFY_LEVELS)('of a sound cache finds nothing at level %s', async (level) => {
    const { root, bytes } = await cache();
    expect(await look(root, level)).toEqual({
      level,
      parts: 2,
      rows: 10,
      bytesRead: level === 'digests' || level === 'rows' ? bytes : 0,
      findings: [],
      repaired: 0,
      dropped: 0,
      left: [],
    });
  });

  it.each(DAMAGES)('sees $what from level $seenFrom on', async ({ harm, seenFrom, problem, detail }) => {
    const made = await cache();
    await harm(made);
    for (const [i, level] of VERIFY_LEVELS.entries()) {
      const { findings } = await look(made.root, level);
      if (i < VERIFY_LEVELS.indexOf(seenFrom)) expect(findings, level).toEqual([]);
      else
        expect(findings, level).toEqual([
          {
            file: made.file,
            problem: typeof problem === 'string' ? problem : problem[level],
            detail: expect.stringMatching(detail ?? /./) as string,
          },
        ]);
    }
  });

  it('names each damaged row', async () => {
    const { root, file, part } = await cache();
    for (const row of [1, 4]) await flipBit(part, await payloadAt(root, row));
    expect((await look(root)).findings).toEqual([
      { file, problem: 'row-crc', detail: 'row 1' },
      { file, problem: 'row-crc', detail: 'row 4' },
    ]);
  });

  it('names rows that are not finite though their checksum is right, and no row that is recorded as failed', async () => {
    const root = await tempFolder();
    const { writer } = await openWriter(root);
    const part = partFor(summary, images(3));
    part.part.payload[4] = 0x7e00;
    part.part.ok[2] = 0;
    part.part.payload.fill(0, 6);
    await writer.commit([part]);
    expect((await look(root)).findings).toMatchObject([{ problem: 'row-non-finite', detail: 'row 1' }]);
    expect((await look(root, 'digests')).findings).toEqual([]);
  });

  it('says of an edited description that nothing below it can be trusted', async () => {
    const { root, file } = await cache();
    const described = `spaces/${spaceIdOf(summary)}.json`;
    await writeFile(join(root, described), '{}');
    expect((await look(root, 'names')).findings).toMatchObject([
      { file: described, problem: 'space' },
      { file, problem: 'space' },
    ]);
  });

  it('tells what no journal lists', async () => {
    const { root, file, part } = await cache();
    const stray = `${file.split('/')[0]!}/5.${'0'.repeat(32)}.arrow`;
    await writeFile(join(root, 'data', stray), await readFile(part));
    expect((await look(root, 'names')).findings).toMatchObject([{ file: stray, problem: 'unlisted' }]);
  });

  it('of a folder that is no cache is bad input', async () => {
    const root = await tempFolder();
    await expect(look(root)).rejects.toThrow(failing(3, { where: root }));
  });
});

describe('verify --repair', () => {
  it.each(DAMAGES)('mends $what: nothing is left to find, and the next run computes it', async ({ harm }) => {
    const { root, file, content, ...made } = await cache();
    await harm({ root, file, content, ...made });
    const isThere = await readFile(made.part).then(
      () => true,
      () => false,
    );
    expect(await mend(root)).toMatchObject({ repaired: isThere ? 1 : 0, dropped: 1 });
    expect((await look(root)).findings).toEqual([]);
    expect((await openCatalogue(root)).missingParts).toEqual([]);
    expect((await contentOf(root)).size).toBe(5);
    // in units of another size the same rows come to lie in parts of other names
    const { spaces } = await refill(root, 2);
    expect([...spaces]).toEqual([['sums@2.summary', { written: 5, failed: 0 }]]);
    expect(await contentOf(root)).toEqual(content);
    expect((await look(root)).findings).toEqual([]);
  });

  it('lists a part again that is computed anew under its old name', async () => {
    const { root, file, part, content } = await cache();
    await rm(part);
    await mend(root);
    await refill(root);
    expect((await spaceIn(root, summary)).parts.map(({ entry }) => entry.file)).toEqual([file]);
    expect(await contentOf(root)).toEqual(content);
    // and a later loss of it is seen again
    await rm(part);
    expect((await look(root)).findings).toMatchObject([{ file, problem: 'missing' }]);
    expect(await mend(root)).toMatchObject({ dropped: 1 });
    expect((await look(root)).findings).toEqual([]);
  });

  it('sets an edited description aside and keeps the parts, which count again once it is written anew', async () => {
    const { root, content } = await cache();
    await writeFile(join(root, 'spaces', `${spaceIdOf(summary)}.json`), '{}');
    expect(await mend(root)).toMatchObject({ repaired: 1, dropped: 0 });
    expect((await contentOf(root)).size).toBe(5);
    const { writer } = await openWriter(root, 'later');
    await writer.commit([partFor(summary, images(1))]);
    expect(await contentOf(root)).toEqual(content);
    expect((await look(root)).findings).toEqual([]);
  });

  it('of a sound cache changes nothing', async () => {
    const { root } = await cache();
    const before = await readdir(root, { recursive: true });
    expect(await mend(root)).toMatchObject({ repaired: 0, dropped: 0 });
    expect(await readdir(root, { recursive: true })).toEqual(before);
  });

  it('that fails at any call can be made again, and loses nothing that is good', async () => {
    const harm = async ({ root, part, other }: Cache): Promise<void> => {
      await flipBit(part, await payloadAt(root, 0));
      await rm(other);
    };
    const probe = failingFs({ inner: quickFs });
    const spare = await cache();
    await harm(spare);
    await mend(spare.root, { fs: probe });
    expect(probe.calls.length).toBeGreaterThan(8);
    for (let failAt = 1; failAt <= probe.calls.length; failAt++) {
      const { root, content, ...made } = await cache();
      await harm({ root, content, ...made });
      const attempt = mend(root, { fs: failingFs({ failAt, code: 'EIO', inner: quickFs }) });
      const failed = await attempt.then(
        () => false,
        () => true,
      );
      expect(failed || probe.calls[failAt - 1] === 'remove', `call ${failAt}`).toBe(true);
      await mend(root);
      expect((await look(root)).findings, `call ${failAt}`).toEqual([]);
      await refill(root);
      expect(await contentOf(root), `call ${failAt}`).toEqual(content);
      expect((await look(root)).findings, `call ${failAt}`).toEqual([]);
    }
  });
});
