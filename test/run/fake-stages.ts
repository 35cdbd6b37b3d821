/** Small stages for tests of the engine: they count how often they ran, write one file, and fail on demand. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { Clock } from '../../src/core/clock.ts';
import { sha256 } from '../../src/core/digest.ts';
import type { RunEvent } from '../../src/run/events.ts';
import { type RunOptions, type RunResult, runPipeline } from '../../src/run/execute.ts';
import { bindPipeline } from '../../src/run/pipeline.ts';
import { type StageLoaders, type StageContext, asAnyStage } from '../../src/run/stage.ts';

const params = z.strictObject({
  from: z.array(z.string()).default([]),
  /** What the stage writes, besides what it reads. */
  text: z.string().default(''),
  /** Changes the fingerprint and nothing else. */
  comment: z.string().default(''),
});

/** What the fakes do and did; a test changes it between runs. */
export interface Script {
  readonly ran: string[];
  /** Called when a stage has written its file and is about to say so. */
  beforeDone: (id: string, context: StageContext) => Promise<void> | void;
  unbalanced: boolean;
  version: number;
  source: string;
}

export const newScript = (): Script => ({
  ran: [],
  beforeDone: () => undefined,
  unbalanced: false,
  version: 1,
  source: '',
});

/** Id of the stage that a context belongs to. */
const idOf = (context: StageContext): string => context.folder.slice(context.folder.lastIndexOf('/') + 1);

/** A stage named `write`: joins the files of its inputs, adds its text, leaves `out.txt`. */
export function fakeStages(script: Script): StageLoaders {
  const write = asAnyStage({
    name: 'write',
    version: script.version,
    params,
    inputs: ({ from }) => from,
    sources: () => Promise.resolve({ source: script.source }),
    plan: (given, inputs) =>
      Promise.resolve({ given, folders: given.from.map((id) => inputs.get(id)!.folder) }),
    describe: ({ given }) => ({ joins: given.from.length }),
    execute: async ({ given, folders }, context) => {
      script.ran.push(idOf(context));
      const read = await Promise.all(folders.map((folder) => readFile(join(folder, 'out.txt'), 'utf8')));
      const text = [...read, given.text].join('');
      await mkdir(context.folder, { recursive: true });
      await writeFile(join(context.folder, 'out.txt'), text);
      context.events.progress(1, 2, 'letters');
      context.events.note('half way');
      await script.beforeDone(idOf(context), context);
      return {
        seen: 3,
        kept: script.unbalanced ? 3 : 2,
        rejected: { 'too-short': 1 },
        outputs: [
          {
            name: 'text',
            path: 'out.txt',
            digest: sha256(text),
            files: [{ path: 'out.txt', sizeBytes: Buffer.byteLength(text) }],
          },
        ],
        facts: { length: text.length },
      };
    },
  });
  return { write: () => Promise.resolve(write) };
}

export interface FakeNode {
  readonly id: string;
  readonly from?: readonly string[];
  readonly text?: string;
  readonly comment?: string;
}

/** A clock that moves a second whenever it is read. */
export function countingClock(): Clock {
  let seconds = 0;
  return { elapsedMs: () => 1000 * seconds++, nowIso: () => '2026-01-01T00:00:00.000Z' };
}

export interface FakeRun {
  readonly out: string;
  readonly script: Script;
  readonly nodes: readonly FakeNode[];
  readonly seed?: number;
  readonly signal?: AbortSignal;
}

export function fakePipeline({ script, nodes }: Pick<FakeRun, 'script' | 'nodes'>) {
  const stages = nodes.map(({ id, ...rest }) => ({ id, stage: 'write', with: { ...rest } }));
  return bindPipeline(
    { version: 1, name: 'fake', seed: 0, cache: 'cache', stages },
    fakeStages(script),
    'pipelines/fake.yaml',
  );
}

export function fakeOptions({ out, seed, signal }: FakeRun, events: RunEvent[] = []): RunOptions {
  return {
    outRoot: out,
    runName: 'fake',
    cacheRoot: join(out, 'cache'),
    seed: seed ?? 0,
    device: 'cpu',
    workers: 1,
    clock: countingClock(),
    signal: signal ?? new AbortController().signal,
    onEvent: (event) => events.push(event),
  };
}

/** Runs fakes; `ran` holds the ids that did not come from an earlier run. */
export async function runFakes(
  run: FakeRun,
): Promise<{ result: RunResult; ran: string[]; events: RunEvent[] }> {
  const events: RunEvent[] = [];
  run.script.ran.length = 0;
  const result = await runPipeline(await fakePipeline(run), fakeOptions(run, events));
  return { result, ran: [...run.script.ran], events };
}
