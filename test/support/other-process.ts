/** Other processes that run our code: node knows no TypeScript, so rooms are compiled into a folder of the test's own. */
import { type ChildProcess, fork, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, readdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

const REPO = join(import.meta.dirname, '..', '..');

/** Compiles rooms without subfolders, e.g. `core`, to JavaScript modules `<folder>/<room>/x.js`. */
export async function compileRooms(folder: string, rooms: readonly string[]): Promise<void> {
  const { default: ts } = await import('typescript');
  await writeFile(join(folder, 'package.json'), '{"type":"module"}');
  await symlink(join(REPO, 'node_modules'), join(folder, 'node_modules'));
  for (const room of rooms) {
    await mkdir(join(folder, room));
    for (const name of await readdir(join(REPO, 'src', room))) {
      if (!name.endsWith('.ts')) continue;
      const { outputText } = ts.transpileModule(await readFile(join(REPO, 'src', room, name), 'utf8'), {
        fileName: name,
        compilerOptions: {
          module: ts.ModuleKind.ESNext,
          target: ts.ScriptTarget.ES2023,
          verbatimModuleSyntax: true,
          rewriteRelativeImportExtensions: true,
        },
      });
      await writeFile(join(folder, room, `${name.slice(0, -3)}.js`), outputText);
    }
  }
}

export interface OtherProcess {
  readonly child: ChildProcess;
  /** Runs the script's `act` once and gives what it returned; JSON values only. */
  act(): Promise<unknown>;
  kill(): Promise<void>;
}

/**
 * Starts a process that loads `body`, a module that exports `act`, and waits until it is ready: several of them can then be told
 * to act at the same moment. Killed when the test ends.
 */
export async function startProcess(folder: string, body: string): Promise<OtherProcess> {
  const path = join(folder, 'act.js');
  await writeFile(path, body);
  const main = join(folder, 'main.js');
  await writeFile(
    main,
    `import { act } from './act.js';
     process.on('message', async () => process.send({ result: await act() }));
     process.send('ready');`,
  );
  const child = fork(main, [], { execArgv: [] });
  const kill = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  };
  onTestFinished(kill);
  await once(child, 'message');
  return {
    child,
    kill,
    act: async () => {
      const answer = once(child, 'message');
      child.send('act');
      const [message] = (await answer) as [{ result: unknown }];
      return message.result;
    },
  };
}

/** The pid of a process that has just ended. */
export function deadPid(): number {
  return spawnSync(process.execPath, ['-e', '']).pid;
}
