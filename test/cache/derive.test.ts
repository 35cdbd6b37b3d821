import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openCatalogue } from '../../src/cache/catalogue.ts';
import type { CodecDescriptor } from '../../src/cache/codecs/codec.ts';
import { openSpaceCodec } from '../../src/cache/codecs/open-space-codec.ts';
import { planDerivation } from '../../src/cache/derivation.ts';
import { deriveTargets } from '../../src/cache/derive.ts';
import { wantedRows } from '../../src/cache/plan.ts';
import { RowIndex } from '../../src/cache/row-index.ts';
import { type SpaceDescriptor, spaceFolderName, spaceIdOf } from '../../src/cache/space.ts';
import { measureStatistics } from '../../src/cache/statistics/choose-statistics.ts';
import { partOf } from '../../src/cache/target-part.ts';
import type { CommitFs } from '../../src/store/commit-fs.ts';
import { failing } from '../support/failing.ts';
import { failingFs } from '../support/failing-fs.ts';
import { quickFs } from '../support/quick-fs.ts';
import { tempFolder } from '../support/temp-folder.ts';
import {
  answer,
  fixedClock,
  images,
  keyOf,
  openWriter,
  partFor,
  reader,
  rendered,
  space,
  spaceIn,
} from './rig.ts';

const maps = (codec: CodecDescriptor): SpaceDescriptor =>
  space({ tap: { kind: 'spatial', rule: { tensor: 'y' } }, shape: [4, 2, 6], codec });
const F16 = maps({ id: 'f16' });
const WANTED = images(9);

/** A cache with nine f16 maps in three parts, one row of them failed. */
async function cacheOf(source = F16): Promise<string> {
  const root = await tempFolder();
  const { writer } = await openWriter(root);
  for (const start of [0, 3, 6]) {
    const part = partFor(source, WANTED.slice(start, start + 3));
    if (start === 3) {
      const values = Float32Array.from(
        wantedRows(WANTED.slice(3, 6)).flatMap(({ image, view }) => [
          ...answer(source, rendered(image, view)),
        ]),
      );
      values[0] = 70_000;
      const rows = wantedRows(WANTED.slice(3, 6));
      await writer.commit([partOf(source, rows, values)]);
    } else await writer.commit([part]);
  }
  await writer.close();
  return root;
}

async function withStatistics(root: string, codec: CodecDescriptor): Promise<SpaceDescriptor> {
  if (!['i8c', 'i8p', 'i4p'].includes(codec.id)) return maps(codec);
  const source = await spaceIn(root, F16);
  const keys = [...source.rows.keys()];
  return measureStatistics({ root, fs: quickFs, clock: fixedClock, space: maps(codec), source, keys });
}

async function derive(root: string, target: SpaceDescriptor, fs: CommitFs = quickFs) {
  const catalogue = await openCatalogue(root);
  const derivation = planDerivation({
    space: target,
    source: catalogue.spaces.get(spaceIdOf(F16))!,
    present: catalogue.spaces.get(spaceIdOf(target))?.rows,
    unitRows: 4,
  });
  const { writer } = await openWriter(root, 'derive', fs);
  try {
    const derived = await deriveTargets({ root, derivation, writer });
    await writer.close();
    return { ...derived, planned: derivation.rows };
  } finally {
    await writer.abandon();
  }
}

const CODECS: CodecDescriptor[] = [
  { id: 'i8c' },
  { id: 'i8p' },
  { id: 'i4p' },
  { id: 'f16', pool: 2 },
  { id: 'i8p', pool: 2 },
  { id: 'i4p', channels: 3 },
];

describe('a space derived from f16', () => {
  it.each(CODECS)('has the bytes that the teacher itself would have left: %j', async (codec) => {
    const root = await cacheOf();
    const target = await withStatistics(root, codec);
    expect(await derive(root, target)).toEqual({ written: 9, failed: 1, planned: 9 });
    const cached = await spaceIn(root, target);
    const rows = wantedRows(WANTED);
    const values = Float32Array.from(
      rows.flatMap(({ image, view }) => [...answer(F16, rendered(image, view))]),
    );
    const direct = partOf(target, rows, values, await openSpaceCodec(root, target, quickFs));
    const payload = new Uint8Array(direct.part.payload.buffer);
    const width = payload.length / rows.length;
    const targets = reader();
    for (const [i, { key }] of rows.entries()) {
      const stored = await targets.readStored(cached, key);
      if (i === 3) expect(stored).toBeNull();
      else expect(stored).toEqual(payload.slice(i * width, (i + 1) * width));
    }
  });

  it('keeps the reason of a target that failed', async () => {
    const root = await cacheOf();
    const target = await withStatistics(root, { id: 'i8p' });
    await derive(root, target);
    const { part } = (await spaceIn(root, target)).rows.get(keyOf(WANTED[3]!.image))!;
    expect(JSON.parse(part.layout.metadata.get('stillhouse.failures')!)).toMatchObject([
      { reason: 'beyond-f16' },
    ]);
  });

  it('is derived once: a second time finds nothing to do and writes nothing', async () => {
    const root = await cacheOf();
    const target = await withStatistics(root, { id: 'i8p' });
    await derive(root, target);
    const before = await readdir(join(root, 'data', spaceFolderName(target)));
    expect(await derive(root, target)).toEqual({ written: 0, failed: 0, planned: 0 });
    expect(await readdir(join(root, 'data', spaceFolderName(target)))).toEqual(before);
  });

  it('goes on where it was cut off, at whichever file-system call that was', async () => {
    const root = await cacheOf();
    const target = await withStatistics(root, { id: 'i8c' });
    const left = new Set<number>();
    for (let failAt = 1; ; failAt += 7) {
      const fs = failingFs({ failAt, andAfter: true, inner: quickFs });
      try {
        left.add((await derive(root, target, fs)).planned);
        break;
      } catch (error) {
        expect(error).toMatchObject({ failure: { kind: 'environment' } });
        left.add(9 - ((await openCatalogue(root)).spaces.get(spaceIdOf(target))?.rows.size ?? 0));
      }
    }
    expect(left.size).toBeGreaterThan(2);
    expect((await spaceIn(root, target)).rows.size).toBe(9);
  });
});

describe('a poorer space', () => {
  it.each([
    [{ id: 'f16' }, { id: 'f32' }],
    [
      { id: 'f16', pool: 2 },
      { id: 'i8p', pool: 2 },
    ],
    [{ id: 'i8c' }, { id: 'i4p' }],
    [{ id: 'i8p' }, { id: 'f16' }],
    [
      { id: 'i8p', channels: 3 },
      { id: 'i8p', channels: 2 },
    ],
  ] as [CodecDescriptor, CodecDescriptor][])('%j is refused as the source of %j', (from, to) => {
    const [root, descriptor] = ['cache', maps(from)];
    const id = spaceIdOf(descriptor);
    const source = { root, fs: quickFs, id, descriptor, parts: [], rows: new RowIndex([]) };
    expect(() => planDerivation({ space: maps(to), source, present: undefined })).toThrow(
      failing(3, { what: expect.stringContaining('poorer'), got: expect.stringContaining(from.id) }),
    );
  });
});
