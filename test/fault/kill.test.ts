/** A process that fills a cache is killed at seeded points, again and again, and the cache is opened after each time. */
import { access, constants, mkdtemp, rm, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { openCatalogue } from '../../src/cache/catalogue.ts';
import { targetShapeOf } from '../../src/cache/codecs/stored-tensor.ts';
import { TargetReader } from '../../src/cache/read.ts';
import { verifyCache } from '../../src/cache/verify.ts';
import { CacheWriter } from '../../src/cache/write.ts';
import { machineClock } from '../../src/core/clock.ts';
import { sha256 } from '../../src/core/digest.ts';
import { Rng } from '../../src/core/rng.ts';
import { rowValuesOf } from '../../src/format/tensor-part.ts';
import { ChildPool, type ChildRun, type Death } from './child-pool.ts';

const KILLS = 300;
/** Caches that are filled and killed side by side: one child starts while the content of another is looked at. */
const LANES = 2;
/** File-system calls of opening a cache, two commits and two snapshots, and some of the third. */
const STEPS = 110;
const TARGETS = 32 * 2 * 4;

/** Containers often have only 64 MB in memory. */
const ROOM_BYTES = 256e6;

/** Whether caches fit into a folder of this path that this user may write. */
async function hasRoom(path: string): Promise<boolean> {
  try {
    await access(path, constants.W_OK);
    const { bavail, bsize } = await statfs(path);
    return bavail * bsize >= ROOM_BYTES;
  } catch {
    return false;
  }
}

/** In memory where the system has such a folder: SIGKILL takes nothing from a page cache, so that a disk would only cost time. */
async function workFolder(): Promise<string> {
  const base = (await hasRoom('/dev/shm')) ? '/dev/shm' : tmpdir();
  const path = await mkdtemp(join(base, 'stillhouse-kill-'));
  onTestFinished(() => rm(path, { recursive: true, force: true }));
  return path;
}

interface Content {
  /** Of every target, as it is read back. */
  readonly digests: ReadonlyMap<string, string>;
  readonly files: ReadonlySet<string>;
  readonly missingParts: number;
}

async function contentOf(root: string): Promise<Content> {
  const digests = new Map<string, string>();
  const files = new Set<string>();
  const reader = new TargetReader();
  const catalogue = await openCatalogue(root);
  for (const space of catalogue.spaces.values()) {
    for (const { entry } of space.parts) files.add(entry.file);
    const out = new Float32Array(rowValuesOf(targetShapeOf(space.descriptor)));
    for (const key of space.rows.keys()) {
      expect(await reader.readInto(space, key, out)).toBe(true);
      digests.set(`${space.id} ${key}`, sha256(new Uint8Array(out.buffer)));
    }
  }
  await reader.close();
  return { digests, files, missingParts: catalogue.missingParts.length };
}

interface Killed extends ChildRun {
  readonly root: string;
  readonly truth: ReadonlyMap<string, string>;
  /** Files that this run and earlier ones promised. */
  readonly promised: ReadonlySet<string>;
  readonly label: string;
}

/** What a reader finds, what the next writer mends, and that verify then has nothing to say. Targets that are there afterwards. */
async function expectSound({ root, truth, promised, label }: Killed) {
  const found = await contentOf(root);
  const lost = [...promised].filter((file) => !found.files.has(file));
  const wrong = [...found.digests].filter(([target, digest]) => truth.get(target) !== digest);
  expect({ lost, wrong, missingParts: found.missingParts }, label).toEqual({
    lost: [],
    wrong: [],
    missingParts: 0,
  });
  const { writer, adopted, quarantined } = await CacheWriter.open({
    root,
    writer: 'after',
    clock: machineClock,
  });
  await writer.abandon();
  const { findings, rows } = await verifyCache({ root, level: 'rows', repair: null });
  expect(findings, label).toEqual([]);
  expect(rows, label).toBeGreaterThanOrEqual(found.digests.size);
  return { before: found.digests.size, after: rows, adopted, quarantined };
}

/** The content of a cache that nobody disturbed, and how much there is to disturb. */
async function undisturbed(pool: ChildPool, folder: string) {
  const root = join(folder, 'undisturbed');
  const run = await pool.run(root, null);
  const { digests } = await contentOf(root);
  expect(digests.size).toBe(TARGETS);
  return { truth: digests, steps: run.steps!, lifeMs: run.lifeMs };
}

it(`a cache whose writer is killed ${KILLS} times loses nothing that was committed and ends as if undisturbed`, async () => {
  const folder = await workFolder();
  const pool = await ChildPool.open(folder);
  const { truth, steps, lifeMs } = await undisturbed(pool, folder);
  const seen = { kills: 0, bySteps: 0, caches: 0, commits: 0, adopted: 0, quarantined: 0 };
  const lane = async (name: number): Promise<void> => {
    const rng = new Rng(20261124, 'kills', String(name));
    while (seen.kills < KILLS) {
      const root = join(folder, `cache-${seen.caches++}`);
      const promised = new Set<string>();
      let held = 0;
      for (let done = false; !done;) {
        const byStep = rng.uniform() < 0.5;
        const share = rng.uniform() / 4;
        const death: Death =
          seen.kills >= KILLS
            ? null
            : byStep
              ? { step: 1 + Math.floor(share * steps) }
              : { ms: share * lifeMs };
        const run = await pool.run(root, death);
        done = !run.killed;
        if (run.killed) seen.kills += 1;
        if (run.killed && byStep) seen.bySteps += 1;
        seen.commits += run.committed.length;
        for (const file of run.committed) promised.add(file);
        const label = `lane ${name}, ${JSON.stringify(death)}`;
        const found = await expectSound({ ...run, root, truth, promised, label });
        expect(found.before, label).toBeGreaterThanOrEqual(held);
        held = found.after;
        seen.adopted += found.adopted;
        seen.quarantined += found.quarantined;
      }
      expect((await contentOf(root)).digests).toEqual(truth);
      await rm(root, { recursive: true });
    }
  };
  await Promise.all(Array.from({ length: LANES }, (_, name) => lane(name)));
  console.log(`killed ${seen.kills} times in ${seen.caches} caches: ${JSON.stringify(seen)}`);
}, 1_200_000);

it('a process killed before every step of opening, committing and publishing loses nothing that was committed', async () => {
  const folder = await workFolder();
  const pool = await ChildPool.open(folder);
  const { truth } = await undisturbed(pool, folder);
  const seen = { steps: 0, adopted: 0, quarantined: 0 };
  let next = 1;
  const lane = async (): Promise<void> => {
    for (let step = next++; step <= STEPS; step = next++) {
      const root = join(folder, `step-${step}`);
      const run = await pool.run(root, { step });
      const label = `step ${step}`;
      expect(run.killed, label).toBe(true);
      const { adopted, quarantined } = await expectSound({
        ...run,
        root,
        truth,
        promised: new Set(run.committed),
        label,
      });
      seen.steps += 1;
      seen.adopted += adopted;
      seen.quarantined += quarantined;
      await rm(root, { recursive: true, force: true });
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  console.log(
    `killed before each of ${seen.steps} steps, the first two commits and snapshots among them: ${JSON.stringify(seen)}`,
  );
  // kills between a rename and its journal entry, or the test would show less than it says
  expect(seen.adopted).toBeGreaterThan(0);
}, 1_200_000);

it('eight processes that fill one cache at once lose nothing and disturb nobody', async () => {
  const folder = await workFolder();
  const pool = await ChildPool.open(folder, 8);
  const { truth } = await undisturbed(pool, folder);
  const root = join(folder, 'shared');
  const runs = await Promise.all(Array.from({ length: 8 }, () => pool.run(root, null)));
  const promised = runs.flatMap(({ committed }) => committed);
  const { digests, files, missingParts } = await contentOf(root);
  expect(digests).toEqual(truth);
  expect([promised.filter((file) => !files.has(file)), missingParts]).toEqual([[], 0]);
  expect((await verifyCache({ root, level: 'rows', repair: null })).findings).toEqual([]);
  console.log(`8 writers committed ${promised.length} parts, ${files.size} different ones`);
}, 300_000);
