/** A process that fills a cache is killed at seeded random moments, again and again, and the cache is opened after each time. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import ts from 'typescript';
import { expect, it } from 'vitest';
import { openCatalogue } from '../../src/cache/catalogue.ts';
import { targetShapeOf } from '../../src/cache/codecs/stored-tensor.ts';
import { TargetReader } from '../../src/cache/read.ts';
import { verifyCache } from '../../src/cache/verify.ts';
import { CacheWriter } from '../../src/cache/write.ts';
import { machineClock } from '../../src/core/clock.ts';
import { sha256 } from '../../src/core/digest.ts';
import { Rng } from '../../src/core/rng.ts';
import { rowValuesOf } from '../../src/format/tensor-part.ts';
import { tempFolder } from '../support/temp-folder.ts';

const KILLS = 300;

/** File-system calls of opening a cache, two commits and two snapshots, and some of the third. */
const STEPS = 110;

const DIST = join(import.meta.dirname, '..', '..', 'dist');

/** The child as JavaScript, beside the built rooms that it imports. @returns the path of the script. */
async function compileChild(folder: string): Promise<string> {
  if (!existsSync(DIST)) throw new Error(`${DIST} is missing: npm run build`);
  await mkdir(join(folder, 'test', 'fault'), { recursive: true });
  await symlink(DIST, join(folder, 'src'));
  const source = await readFile(join(import.meta.dirname, 'fill-child.ts'), 'utf8');
  const { outputText } = ts.transpileModule(source, {
    compilerOptions: {
      module: ts.ModuleKind.ESNext,
      target: ts.ScriptTarget.ES2023,
      verbatimModuleSyntax: true,
      rewriteRelativeImportExtensions: true,
    },
  });
  const path = join(folder, 'test', 'fault', 'fill-child.mjs');
  await writeFile(path, outputText);
  return path;
}

interface ChildRun {
  /** Whether it was killed before it was done. */
  readonly killed: boolean;
  /** Files whose commit had resolved. */
  readonly committed: readonly string[];
  /** Time from its first sign of life to its end. */
  readonly lifeMs: number;
}

/** Runs the child; kills it `killAfterMs` after it said that it is ready, or lets it finish. */
async function runChild(
  script: string,
  root: string,
  killAfterMs: number | null,
  killAtStep = 0,
): Promise<ChildRun> {
  const child = spawn(process.execPath, [script, root, String(killAtStep)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'exit');
  const lines: string[] = [];
  const output = createInterface({ input: child.stdout });
  const closed = once(output, 'close');
  const ready = new Promise<void>((resolve) => {
    output.on('line', (line) => {
      lines.push(line);
      resolve();
    });
    output.on('close', resolve);
  });
  await ready;
  const started = performance.now();
  if (killAfterMs !== null) {
    await Promise.race([sleep(killAfterMs), ended]);
    child.kill('SIGKILL');
  }
  const [code, signal] = (await ended) as [number | null, string | null];
  const lifeMs = performance.now() - started;
  await closed;
  if (signal === null) expect(code, 'exit code of an undisturbed child').toBe(0);
  return {
    killed: signal === 'SIGKILL',
    committed: lines.slice(1).flatMap((line) => JSON.parse(line) as string[]),
    lifeMs,
  };
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

it(`a cache whose writer is killed ${KILLS} times loses nothing that was committed and ends as if undisturbed`, async () => {
  const folder = await tempFolder();
  const script = await compileChild(folder);
  const truthRoot = join(folder, 'undisturbed');
  const undisturbed = await runChild(script, truthRoot, null);
  const truth = (await contentOf(truthRoot)).digests;
  expect(truth.size).toBe(60 * 2 * 4);

  const rng = new Rng(20261124, 'kills');
  const seen = { kills: 0, caches: 0, commits: 0, adopted: 0, quarantined: 0 };
  while (seen.kills < KILLS) {
    const root = join(folder, `cache-${seen.caches}`);
    const promised = new Set<string>();
    let held = 0;
    for (let done = false; !done;) {
      const killAfterMs = seen.kills < KILLS ? rng.between(0, undisturbed.lifeMs / 4) : null;
      const run = await runChild(script, root, killAfterMs);
      done = !run.killed;
      if (run.killed) seen.kills += 1;
      seen.commits += run.committed.length;
      for (const file of run.committed) promised.add(file);

      const found = await contentOf(root);
      const lost = [...promised].filter((file) => !found.files.has(file));
      const wrong = [...found.digests].filter(([target, digest]) => truth.get(target) !== digest);
      expect({ lost, wrong, missingParts: found.missingParts }).toEqual({
        lost: [],
        wrong: [],
        missingParts: 0,
      });
      expect(found.digests.size).toBeGreaterThanOrEqual(held);

      const opened = await CacheWriter.open({ root, writer: `test-${seen.kills}`, clock: machineClock });
      seen.adopted += opened.adopted;
      seen.quarantined += opened.quarantined;
      await opened.writer.abandon();
      const { findings } = await verifyCache({ root, level: 'rows', repair: null });
      expect(findings).toEqual([]);
      held = (await contentOf(root)).digests.size;
      expect(held).toBeGreaterThanOrEqual(found.digests.size);
    }
    expect((await contentOf(root)).digests).toEqual(truth);
    seen.caches += 1;
  }
  console.log(`killed ${seen.kills} times in ${seen.caches} caches: ${JSON.stringify(seen)}`);
  // kills between a rename and its journal entry, or the test would show less than it says
  expect(seen.commits).toBeGreaterThan(0);
  expect(seen.adopted).toBeGreaterThan(0);
}, 600_000);

it('a process killed before every step of opening, committing and publishing loses nothing that was committed', async () => {
  const folder = await tempFolder();
  const script = await compileChild(folder);
  await runChild(script, join(folder, 'truth'), null);
  const truth = (await contentOf(join(folder, 'truth'))).digests;
  let steps = 0;
  for (let step = 1; step <= STEPS; step++) {
    const root = join(folder, `step-${step}`);
    const run = await runChild(script, root, null, step);
    expect(run.killed, `step ${step}`).toBe(true);
    steps += 1;
    const found = await contentOf(root);
    expect(
      run.committed.filter((file) => !found.files.has(file)),
      `step ${step}`,
    ).toEqual([]);
    const wrong = [...found.digests].filter(([target, digest]) => truth.get(target) !== digest);
    expect([wrong, found.missingParts], `step ${step}`).toEqual([[], 0]);
    const { writer } = await CacheWriter.open({ root, writer: 'after', clock: machineClock });
    await writer.close();
    const { findings } = await verifyCache({ root, level: 'rows', repair: null });
    expect(findings, `step ${step}`).toEqual([]);
    expect((await contentOf(root)).digests.size).toBeGreaterThanOrEqual(found.digests.size);
  }
  console.log(`killed before each of ${steps} steps, the first two commits and snapshots among them`);
}, 600_000);

it('eight processes that fill one cache at once lose nothing and disturb nobody', async () => {
  const folder = await tempFolder();
  const script = await compileChild(folder);
  await runChild(script, join(folder, 'truth'), null);
  const root = join(folder, 'shared');
  const runs = await Promise.all(Array.from({ length: 8 }, () => runChild(script, root, null)));
  const { digests, files, missingParts } = await contentOf(root);
  expect(digests).toEqual((await contentOf(join(folder, 'truth'))).digests);
  expect([
    runs.flatMap(({ committed }) => committed).filter((file) => !files.has(file)),
    missingParts,
  ]).toEqual([[], 0]);
  expect((await verifyCache({ root, level: 'rows', repair: null })).findings).toEqual([]);
  console.log(
    `8 writers committed ${runs.flatMap(({ committed }) => committed).length} parts, ${files.size} different ones`,
  );
}, 300_000);
