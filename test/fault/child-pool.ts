/**
 * Processes that fill a cache, started ahead: importing takes longer than filling, so the next one starts while the results of the
 * last one are looked at. Each waits for its orders, carries them out once, and is gone.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import ts from 'typescript';
import { onTestFinished } from 'vitest';

/** When a child dies: `step` kills itself before its nth call that changes the disk, `ms` is killed from outside. */
export type Death = { readonly step: number } | { readonly ms: number } | null;

export interface ChildRun {
  /** Whether it was killed before it was done. */
  readonly killed: boolean;
  /** Files whose commit had resolved. */
  readonly committed: readonly string[];
  /** Calls that changed the disk; null when it was killed. */
  readonly steps: number | null;
  /** Time from its orders to its end. */
  readonly lifeMs: number;
}

interface WarmChild {
  readonly process: ChildProcess;
  readonly lines: string[];
  /** Resolves when it has printed its first line, or ended without one. */
  readonly ready: Promise<void>;
  /** Resolves when it has ended and all it printed was read. */
  readonly ended: Promise<[code: number | null, signal: string | null]>;
}

const DIST = join(import.meta.dirname, '..', '..', 'dist');

export class ChildPool {
  readonly #script: string;
  readonly #idle: WarmChild[] = [];

  /** @param folder where the child is compiled to. Children that are left are ended with the test. */
  static async open(folder: string, ahead = 2): Promise<ChildPool> {
    const pool = new ChildPool(await compileChild(folder));
    for (let i = 0; i < ahead; i++) pool.#idle.push(startChild(pool.#script));
    onTestFinished(() => {
      for (const child of pool.#idle) child.process.kill('SIGKILL');
    });
    return pool;
  }

  private constructor(script: string) {
    this.#script = script;
  }

  /** Fills the cache in `root` in a process of its own. @throws Error when it ended by itself with another exit code than 0. */
  async run(root: string, death: Death): Promise<ChildRun> {
    const child = this.#idle.shift()!;
    this.#idle.push(startChild(this.#script));
    await child.ready;
    const started = performance.now();
    child.process.stdin!.end(
      `${JSON.stringify({ root, killAt: death && 'step' in death ? death.step : 0 })}\n`,
    );
    if (death !== null && 'ms' in death) {
      await Promise.race([sleep(death.ms), child.ended]);
      child.process.kill('SIGKILL');
    }
    const [code, signal] = await child.ended;
    if (signal === null && code !== 0) throw new Error(`the filling process ended with exit code ${code}`);
    const said = child.lines.slice(1).map((line) => JSON.parse(line) as { files?: string[]; steps?: number });
    return {
      killed: signal === 'SIGKILL',
      committed: said.flatMap(({ files = [] }) => files),
      steps: said.at(-1)?.steps ?? null,
      lifeMs: performance.now() - started,
    };
  }
}

function startChild(script: string): WarmChild {
  const process_ = spawn(process.execPath, [script], { stdio: ['pipe', 'pipe', 'inherit'] });
  // a child that is killed before it reads its orders breaks the pipe
  process_.stdin.on('error', () => undefined);
  const lines: string[] = [];
  const output = createInterface({ input: process_.stdout });
  const closed = once(output, 'close');
  const ready = new Promise<void>((resolve) => {
    output.on('line', (line) => {
      lines.push(line);
      resolve();
    });
    output.on('close', resolve);
  });
  const ended = once(process_, 'exit').then(async (how) => {
    await closed;
    return how as [number | null, string | null];
  });
  return { process: process_, lines, ready, ended };
}

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
