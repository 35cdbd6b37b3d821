import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import type { FileDigests } from '../../src/core/file-digests.ts';
import { planPipeline, runPipeline } from '../../src/run/execute.ts';
import { readMarker } from '../../src/run/marker.ts';
import { failing } from '../support/failing.ts';
import { listing, tempFolder } from '../support/temp-folder.ts';
import { type FakeNode, type Script, fakeOptions, fakePipeline, newScript, runFakes } from './fake-stages.ts';

const CHAIN: readonly FakeNode[] = [
  { id: 'a', text: 'x' },
  { id: 'b', from: ['a'], text: 'y' },
  { id: 'c', from: ['b'], text: 'z' },
  { id: 'side', text: 's' },
];
const chain = (change: Readonly<Record<string, Partial<FakeNode>>>): FakeNode[] =>
  CHAIN.map((node) => ({ ...node, ...change[node.id] }));

let out: string;
let script: Script;
beforeEach(async () => {
  out = await tempFolder();
  script = newScript();
});

const run = (nodes = CHAIN, more: { seed?: number; signal?: AbortSignal } = {}) =>
  runFakes({ out, script, nodes, ...more });
const eventsOnDisk = async (): Promise<(Record<string, unknown> & { stage?: string })[]> =>
  (await readFile(join(out, 'fake', 'events.ndjson'), 'utf8'))
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown> & { stage?: string });

describe('an unchanged stage', () => {
  it('is skipped, keeps its outcome, and says so', async () => {
    const first = await run();
    expect(first.ran).toEqual(['a', 'b', 'c', 'side']);
    const again = await run();
    expect(again.ran).toEqual([]);
    expect(again.result.results.map(({ reused, seconds }) => [reused, seconds])).toEqual(
      CHAIN.map(() => [true, 0]),
    );
    expect(again.result.results.map(({ outcome }) => outcome)).toEqual(
      first.result.results.map(({ outcome }) => outcome),
    );
    expect(again.events.filter(({ kind }) => kind === 'stage-reused')).toHaveLength(4);
  });

  it('runs again when a file of its outputs is gone or has another size', async () => {
    await run();
    await rm(join(out, 'fake', 'b', 'out.txt'));
    expect((await run()).ran).toEqual(['b']);
    await writeFile(join(out, 'fake', 'a', 'out.txt'), 'longer');
    expect((await run()).ran).toEqual(['a']);
  });

  it('runs again when its code version or a source changes', async () => {
    await run();
    script.source = 'other weights';
    expect((await run()).ran).toEqual(['a', 'b', 'c', 'side']);
    script.version = 2;
    expect((await run()).ran).toEqual(['a', 'b', 'c', 'side']);
    expect((await run()).ran).toEqual([]);
  });

  it('runs again when the seed changes', async () => {
    await run();
    expect((await run(CHAIN, { seed: 1 })).ran).toEqual(['a', 'b', 'c', 'side']);
  });
});

describe('a changed parameter', () => {
  it('re-runs its stage and, when the output differs, those after it, and no other', async () => {
    await run();
    expect((await run(chain({ b: { text: 'Y' } }))).ran).toEqual(['b', 'c']);
    expect(await readFile(join(out, 'fake', 'c', 'out.txt'), 'utf8')).toBe('xYz');
  });

  it('re-runs only its stage when the output is the same', async () => {
    await run();
    expect((await run(chain({ a: { comment: 'no effect' } }))).ran).toEqual(['a']);
  });
});

describe('digests of files outside the run', () => {
  it('are shared by its stages, so that each file is hashed once, and not by two runs', async () => {
    const file = join(out, 'weights');
    await writeFile(file, 'w');
    const given: FileDigests[] = [];
    script.beforeDone = async (_, { digests }) => {
      given.push(digests);
      await digests.of(file);
    };
    await run();
    expect(new Set(given).size).toBe(1);
    expect([given.length, given[0]!.hashed]).toEqual([4, 1]);
    script.version = 2;
    await run();
    expect(new Set(given).size).toBe(2);
  });
});

describe('a stage that fails', () => {
  it('leaves no marker, and the next run starts at it', async () => {
    await run();
    script.beforeDone = (id) => {
      if (id === 'b') throw new Error('cable pulled');
    };
    await expect(run(chain({ b: { text: 'Y' } }))).rejects.toThrow('cable pulled');
    expect(await readMarker(join(out, 'fake', 'b'))).toBeNull();
    expect(await readMarker(join(out, 'fake', 'a'))).not.toBeNull();
    expect(await eventsOnDisk()).toContainEqual(
      expect.objectContaining({ kind: 'run-failed', stage: 'b', message: 'cable pulled' }),
    );
    script.beforeDone = () => undefined;
    expect((await run(chain({ b: { text: 'Y' } }))).ran).toEqual(['b', 'c']);
  });

  it('has no marker while it works: the marker of an earlier run is removed first', async () => {
    await run();
    const seen: boolean[] = [];
    script.beforeDone = (_, { folder }) => void seen.push(existsSync(join(folder, 'stage.json')));
    await run(chain({ a: { text: 'X' } }));
    expect(seen).toEqual([false, false, false]);
  });

  it('is refused as a defect when it loses count', async () => {
    script.unbalanced = true;
    await expect(run()).rejects.toThrow('internal: stage a saw 3, kept 3 and rejected 1');
    expect(await readMarker(join(out, 'fake', 'a'))).toBeNull();
  });
});

describe('the work folder', () => {
  it('survives a failure for the same fingerprint, and is gone once the stage is done', async () => {
    const found: boolean[] = [];
    script.beforeDone = async (id, { workFolder }) => {
      if (id !== 'b') return;
      found.push(existsSync(join(workFolder, 'checkpoint')));
      await mkdir(workFolder, { recursive: true });
      await writeFile(join(workFolder, 'checkpoint'), '');
      if (found.length === 1) throw new Error('cable pulled');
    };
    await expect(run()).rejects.toThrow('cable pulled');
    await run();
    expect(found).toEqual([false, true]);
    expect(await listing(join(out, 'fake', 'b'))).not.toContainEqual(expect.stringContaining('work-'));
  });

  it('of another fingerprint is not used and is removed', async () => {
    const found: boolean[] = [];
    script.beforeDone = async (id, { workFolder }) => {
      if (id !== 'b') return;
      found.push(existsSync(join(workFolder, 'checkpoint')));
      await mkdir(workFolder, { recursive: true });
      await writeFile(join(workFolder, 'checkpoint'), '');
      throw new Error('cable pulled');
    };
    await expect(run()).rejects.toThrow();
    await expect(run(chain({ b: { text: 'Y' } }))).rejects.toThrow();
    expect(found).toEqual([false, false]);
    const works = (await listing(join(out, 'fake', 'b'))).filter((line) => /^work-\w+ /.test(line));
    expect(works).toHaveLength(1);
  });
});

describe('an interruption', () => {
  it('becomes a failure with exit code 130 that names the stage, whatever the stage threw', async () => {
    const controller = new AbortController();
    script.beforeDone = (id, { signal }) => {
      if (id !== 'b') return;
      controller.abort();
      signal.throwIfAborted();
    };
    await expect(run(CHAIN, { signal: controller.signal })).rejects.toThrow(
      failing(130, { what: 'interrupted', where: 'stage b' }),
    );
    script.beforeDone = () => undefined;
    expect((await run()).ran).toEqual(['b', 'c', 'side']);
  });

  it('between two stages keeps the finished one', async () => {
    const controller = new AbortController();
    script.beforeDone = (id) => {
      if (id === 'a') controller.abort();
    };
    await expect(run(CHAIN, { signal: controller.signal })).rejects.toThrow(
      failing(130, { where: 'stage b' }),
    );
    expect(await readMarker(join(out, 'fake', 'a'))).not.toBeNull();
  });
});

describe('the folder of a run', () => {
  it('is refused while a living process works in it, and taken over from a dead one', async () => {
    const other = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
    onTestFinished(() => void other.kill('SIGKILL'));
    await run();
    await writeFile(
      join(out, 'fake', '.lease'),
      JSON.stringify({ pid: other.pid, host: hostname(), birth: null }),
    );
    await expect(run()).rejects.toThrow(
      failing(5, { got: expect.stringContaining(`process ${other.pid!}`) }),
    );
    const gone = new Promise((resolve) => other.once('exit', resolve));
    other.kill('SIGKILL');
    await gone;
    expect((await run()).ran).toEqual([]);
    expect(existsSync(join(out, 'fake', '.lease'))).toBe(false);
  });

  it('is refused to a second run of the same process too', async () => {
    const second: unknown[] = [];
    script.beforeDone = async (id) => {
      if (id !== 'a') return;
      const options = fakeOptions({ out, script, nodes: CHAIN });
      await runPipeline(await fakePipeline({ script, nodes: CHAIN }), options).catch((error: unknown) =>
        second.push(error),
      );
    };
    await run();
    expect(second).toEqual([failing(5, { what: 'another stillhouse process works in this folder' })]);
    expect((await eventsOnDisk()).at(-1)).toMatchObject({ kind: 'run-finished' });
  });

  it('and the cache may not lie in each other', async () => {
    const pipeline = await fakePipeline({ script, nodes: CHAIN });
    const options = fakeOptions({ out, script, nodes: CHAIN });
    for (const cacheRoot of [out, join(out, 'fake'), join(out, 'fake', 'cache')])
      for (const start of [runPipeline, planPipeline])
        await expect(start(pipeline, { ...options, cacheRoot })).rejects.toThrow(failing(2, {}));
    await runPipeline(pipeline, { ...options, cacheRoot: join(out, 'fake-cache') });
  });

  it('holds the events of the last run, in order and without progress', async () => {
    await run();
    await run(chain({ c: { text: 'Z' } }));
    const events = await eventsOnDisk();
    expect(
      events.map(({ kind, stage }) => (stage === undefined ? kind : `${String(kind)} ${stage}`)),
    ).toEqual([
      'run-started',
      'stage-reused a',
      'stage-reused b',
      'stage-started c',
      'stage-note c',
      'stage-finished c',
      'stage-reused side',
      'run-finished',
    ]);
    expect(events.every(({ at }) => at === '2026-01-01T00:00:00.000Z')).toBe(true);
    expect(events[5]).toMatchObject({ seen: 3, kept: 2, rejected: 1 });
    expect(events[3]).toMatchObject({ plan: { joins: 1 } });
  });
});

describe('a dry run', () => {
  const plan = (nodes: readonly FakeNode[]) =>
    fakePipeline({ script, nodes }).then((pipeline) =>
      planPipeline(pipeline, fakeOptions({ out, script, nodes })),
    );
  const states = async (nodes: readonly FakeNode[]) =>
    (await plan(nodes)).map(({ id, state }) => `${id} ${state}`);

  it('says what would run, what is reused and what waits, and writes nothing', async () => {
    expect(await states(CHAIN)).toEqual(['a planned', 'b waits', 'c waits', 'side planned']);
    expect(await listing(out)).toEqual([]);
    await run();
    const before = await listing(out);
    expect(await states(CHAIN)).toEqual(['a reused', 'b reused', 'c reused', 'side reused']);
    expect(await states(chain({ b: { text: 'Y' } }))).toEqual([
      'a reused',
      'b planned',
      'c waits',
      'side reused',
    ]);
    expect(await listing(out)).toEqual(before);
  });
});
