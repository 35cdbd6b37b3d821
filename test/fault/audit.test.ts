/** An audit that is killed, given other workers, or given sets that nothing can be said of: the command as users run it. */
import { once } from 'node:events';
import { copyFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { sha256 } from '../../src/core/digest.ts';
import { Rng } from '../../src/core/rng.ts';
import { encodeNpy } from '../../src/format/npy-file.ts';
import { copyEmoji, emojiNames } from '../support/emoji-folder.ts';
import { cli, startCli } from '../support/run-cli.ts';
import { tempFolder } from '../support/temp-folder.ts';

async function sides(train: number, evaluation: number): Promise<string> {
  const folder = await tempFolder();
  const names = await emojiNames(Math.max(train, evaluation));
  for (const [side, vendor, count] of [
    ['train', 'twitter', train],
    ['eval', 'google', evaluation],
  ] as const) {
    await mkdir(join(folder, side));
    await copyEmoji(join(folder, side), { vendor, names: names.slice(0, count) });
  }
  return folder;
}

const AUDIT = ['audit', '--train', 'train', '--eval', 'eval', '--seed', '5'];
const TABLES = ['items', 'pairs', 'overlap', 'classes', 'agreement', 'transfer', 'distances', 'hashes'];

async function tablesOf(folder: string, name = 'audit'): Promise<string[]> {
  return Promise.all(
    TABLES.map(async (table) =>
      sha256(await readFile(join(folder, 'out', name, 'audit', `${table}.parquet`))),
    ),
  );
}

async function embeddings(folder: string, side: string, rows: number, dim: number): Promise<Float32Array> {
  const rng = new Rng(rows * dim, 'rows', side);
  const values = Float32Array.from({ length: rows * dim }, () => rng.normal());
  await writeNpy(folder, side, values, dim);
  return values;
}

const writeNpy = (folder: string, side: string, values: Float32Array, dim: number): Promise<void> =>
  writeFile(
    join(folder, `${side}.npy`),
    encodeNpy({
      shape: [values.length / dim, dim],
      dtype: 'float32',
      bytes: new Uint8Array(values.buffer),
    }),
  );

const EMBEDDED = [...AUDIT, '--embeddings', 'x=train.npy,eval.npy'];
const summaryOf = (stdout: string) =>
  JSON.parse(stdout) as {
    audit: {
      levels: Record<
        string,
        Record<string, { images: number; matched: number; degenerate: { images: number } }>
      >;
      distances: Record<string, { leftOut: Record<string, string>; images: number }>;
      degenerate: number;
      canaries: { planted: number };
    };
  };

describe('an audit', () => {
  it('killed at random points and started again leaves the same bytes, with any number of workers', async () => {
    const folder = await sides(160, 60);
    await embeddings(folder, 'train', 160, 16);
    await embeddings(folder, 'eval', 60, 16);
    expect((await cli([...EMBEDDED, '--name', 'whole', '--workers', '1'], { cwd: folder })).code).toBe(0);
    const wanted = await tablesOf(folder, 'whole');
    const rng = new Rng(11, 'kills');
    let killed = 0;
    for (let round = 0; round < 6; round++) {
      const { child, done } = startCli([...EMBEDDED, '--name', 'killed', '--workers', '3'], { cwd: folder });
      const timer = setTimeout(() => child.kill('SIGKILL'), 300 + rng.below(3000));
      await once(child, 'exit');
      clearTimeout(timer);
      killed += (await done).code === null ? 1 : 0;
    }
    expect(killed).toBeGreaterThan(0);
    expect((await cli([...EMBEDDED, '--name', 'killed', '--workers', '3'], { cwd: folder })).code).toBe(0);
    expect(await tablesOf(folder, 'killed')).toEqual(wanted);
  });

  it('decodes the added training images only, and the rest from what it kept', async () => {
    const folder = await sides(30, 10);
    expect((await cli(AUDIT, { cwd: folder })).stderr).toContain('40 of 40 images hashed');
    const [extra] = (await emojiNames(31)).slice(30);
    await copyEmoji(join(folder, 'train'), { vendor: 'twitter', names: [extra!] });
    expect((await cli(AUDIT, { cwd: folder })).stderr).toContain('1 of 41 images hashed');
  });

  it('of one folder with itself finds every image, and of nothing, one, or equal images says what it left out', async () => {
    const folder = await sides(6, 6);
    const same = await cli(['audit', '--train', 'train', '--eval', 'train', '--json'], { cwd: folder });
    expect(same.code).toBe(0);
    expect(summaryOf(same.stdout).audit.levels['byte']!['train-eval']).toMatchObject({
      images: 6,
      matched: 6,
    });

    await mkdir(join(folder, 'empty'));
    const empty = await cli(['audit', '--train', 'train', '--eval', 'empty', '--json'], { cwd: folder });
    expect([empty.code, empty.stderr]).toEqual([3, expect.stringContaining('the dataset is empty')]);

    await mkdir(join(folder, 'one'));
    await copyFile(join(folder, 'eval', (await emojiNames(1))[0]!), join(folder, 'one', 'only.png'));
    await embeddings(folder, 'train', 6, 4);
    await embeddings(folder, 'one', 1, 4);
    const one = await cli(
      ['audit', '--train', 'train', '--eval', 'one', '--embeddings', 'x=train.npy,one.npy', '--json'],
      { cwd: folder },
    );
    expect(one.code, one.stderr).toBe(0);
    const { leftOut } = summaryOf(one.stdout).audit.distances['teacher:x']!;
    expect(leftOut['mmd@1']).toBe('needs more than one image a side');

    // pictures of one colour: different bytes, nothing to compare
    await mkdir(join(folder, 'flat'));
    for (let i = 0; i < 3; i++)
      await sharp({ create: { width: 20 + i, height: 20, channels: 3, background: '#336699' } })
        .png()
        .toFile(join(folder, 'flat', `${i}.png`));
    const flat = await cli(['audit', '--train', 'flat', '--eval', 'flat', '--json'], { cwd: folder });
    expect(flat.code, flat.stderr).toBe(0);
    expect(summaryOf(flat.stdout).audit).toMatchObject({ degenerate: 3, canaries: { planted: 0 } });
    expect(summaryOf(flat.stdout).audit.levels['phash']!['train-eval']).toMatchObject({ matched: 0 });
  });

  it('of embeddings counts rows that are not finite, and refuses other dimensions, other counts and absent files', async () => {
    const folder = await sides(12, 8);
    await embeddings(folder, 'train', 12, 4);
    const values = await embeddings(folder, 'eval', 8, 4);
    values.set([NaN, 1, 2, 3, Infinity], 0);
    await writeNpy(folder, 'eval', values, 4);
    const odd = await cli([...EMBEDDED, '--json'], { cwd: folder });
    expect(odd.code, odd.stderr).toBe(0);
    // 8 less the two rows with NaN and infinity
    expect(summaryOf(odd.stdout).audit.distances['teacher:x']!.images).toBe(6);
    for (const [rows, dim] of [
      [8, 5],
      [7, 4],
    ] as const) {
      await embeddings(folder, 'eval', rows, dim);
      expect((await cli(EMBEDDED, { cwd: folder })).code).toBe(3);
    }
    await rm(join(folder, 'eval.npy'));
    expect((await cli(EMBEDDED, { cwd: folder })).code).toBe(3);
    expect((await cli([...AUDIT, '--embeddings', 'x=train.npy'], { cwd: folder })).code).toBe(2);
  });

  it('refuses waivers for other content and a policy with an unknown key, and has no class rates where one side lacks labels', async () => {
    const folder = await sides(6, 6);
    await writeFile(join(folder, 'policy.yaml'), 'version: 1\npairs: { train-eval: { maxExact: 0 } }\n');
    const waiver = {
      type: 'train-eval',
      a: 'a'.repeat(64),
      b: 'b'.repeat(64),
      judgement: 'different',
      reviewer: 'Ada',
      date: '2026-11-25',
      reason: 'r',
    };
    await writeFile(join(folder, 'waivers.json'), JSON.stringify({ version: 1, waivers: [waiver] }));
    const gated = [...AUDIT, '--policy', 'policy.yaml'];
    const stale = await cli([...gated, '--waivers', 'waivers.json'], { cwd: folder });
    expect([stale.code, stale.stderr]).toEqual([1, expect.stringContaining('waivers/stale')]);
    await writeFile(join(folder, 'policy.yaml'), 'version: 1\nmaxLeaks: 0\n');
    const unknown = await cli(gated, { cwd: folder });
    expect([unknown.code, unknown.stderr]).toEqual([3, expect.stringContaining('maxLeaks')]);
    await writeFile(join(folder, 'policy.yaml'), 'version: 1\nclasses: { maxRate: 0.1, minImages: 1 }\n');
    const unlabelled = await cli(gated, { cwd: folder });
    expect(unlabelled.code).toBe(4);
  });
});
