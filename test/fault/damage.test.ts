/** A cache whose bytes are changed at seeded random places: it is always seen, and never are wrong values read. */
import { readFile, readdir, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { verifyCache } from '../../src/cache/verify.ts';
import { isStillhouseError } from '../../src/core/failure.ts';
import { Rng } from '../../src/core/rng.ts';
import { contentOf, engine, fill, group, images, openWriter, partFor } from '../cache/rig.ts';
import { failingFs } from '../support/failing-fs.ts';
import { quickFs } from '../support/quick-fs.ts';
import { tempFolder } from '../support/temp-folder.ts';

const DAMAGES = 1000;
const sums = group();

async function cache(): Promise<string> {
  const root = await tempFolder();
  await fill({ root, wanted: images(24), engines: [engine(sums)], unitRows: 8 });
  const { writer } = await openWriter(root, 'w2');
  await writer.commit(sums.spaces.map((space) => partFor(space, images(30).slice(24))));
  await writer.close();
  const later = await openWriter(root, 'w3');
  await later.writer.commit(sums.spaces.map((space) => partFor(space, images(34).slice(30))));
  await later.writer.abandon();
  return root;
}

it(`each of ${DAMAGES} random bit flips and truncations is seen by verify, and no wrong value is read`, async () => {
  const root = await cache();
  const truth = await contentOf(root);
  const files: string[] = [];
  for (const name of await readdir(root, { recursive: true }))
    if (!name.startsWith('leases') && (await stat(join(root, name))).isFile()) files.push(name);
  const rng = new Rng(20261125, 'damage');
  const seen = { flips: 0, truncations: 0, refused: 0, unread: 0, files: files.length };
  for (let i = 0; i < DAMAGES; i++) {
    const file = files[rng.below(files.length)]!;
    const path = join(root, file);
    const whole = await readFile(path);
    if (rng.uniform() < 0.75) {
      seen.flips += 1;
      const bytes = Uint8Array.from(whole);
      const at = rng.below(bytes.length);
      bytes[at]! ^= 1 << rng.below(8);
      await writeFile(path, bytes);
    } else {
      seen.truncations += 1;
      await truncate(path, rng.below(whole.length));
    }
    const findings = await verifyCache({ root, level: 'digests', repair: null }).then(
      (result) => result.findings.length,
      (error: unknown) => (isStillhouseError(error, 'integrity') ? 1 : Promise.reject(error as Error)),
    );
    expect(findings, `damage ${i} of ${file}`).toBeGreaterThan(0);
    try {
      for (const [key, values] of await contentOf(root)) expect(values).toEqual(truth.get(key));
      seen.unread += 1;
    } catch (error) {
      if (!isStillhouseError(error, 'integrity')) throw error;
      seen.refused += 1;
    }
    await writeFile(path, whole);
  }
  expect(await contentOf(root)).toEqual(truth);
  console.log(`damaged ${DAMAGES} times, seen ${DAMAGES} times: ${JSON.stringify(seen)}`);
});

it('with every nth call failing once, the same work done again ends as if undisturbed', async () => {
  const work = async (root: string, name: string, fs = quickFs): Promise<void> => {
    const { writer } = await openWriter(root, name, fs);
    for (const from of [0, 3])
      await writer.commit(sums.spaces.map((space) => partFor(space, images(from + 3).slice(from))));
    await writer.close();
  };
  const truthRoot = await tempFolder();
  const probe = failingFs({ inner: quickFs });
  await work(truthRoot, 'w', probe);
  const truth = await contentOf(truthRoot);
  let thrown = 0;
  for (let failAt = 1; failAt <= probe.calls.length; failAt++)
    for (const code of ['EIO', 'ENOSPC']) {
      const root = await tempFolder();
      await work(root, 'w', failingFs({ failAt, code, inner: quickFs })).catch((error: unknown) => {
        expect(isStillhouseError(error), `call ${failAt}: ${String(error)}`).toBe(true);
        thrown += 1;
      });
      await work(root, 'again');
      expect(await contentOf(root), `call ${failAt}`).toEqual(truth);
      const { findings } = await verifyCache({ root, level: 'rows', repair: null });
      expect(findings, `call ${failAt}`).toEqual([]);
    }
  console.log(
    `${probe.calls.length} calls, each failing once in two ways: ${thrown} failures, 0 lost targets`,
  );
});
