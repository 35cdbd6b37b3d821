/** Runs the built command as a person would: a process of its own, its output apart by stream. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';

const MAIN = join(import.meta.dirname, '..', '..', 'dist', 'cli', 'main.js');

export interface CliResult {
  /** Null when a signal ended it. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CliProcess {
  readonly child: ChildProcess;
  readonly done: Promise<CliResult>;
}

export interface CliOptions {
  readonly cwd: string;
  /** The command is started through this one: `['setpriv', '--reuid=1', ...]`. */
  readonly through?: readonly string[];
  /** On top of the environment of the tests. */
  readonly env?: Readonly<Record<string, string>>;
}

export function startCli(args: readonly string[], { cwd, through = [], env = {} }: CliOptions): CliProcess {
  if (!existsSync(MAIN)) throw new Error(`${MAIN} is missing: npm run build`);
  const [command, ...rest] = [...through, process.execPath, MAIN, ...args];
  const child = spawn(command!, rest, {
    cwd,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const done = new Promise<CliResult>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, stdout, stderr }));
  });
  return { child, done };
}

export function cli(args: readonly string[], options: CliOptions): Promise<CliResult> {
  return startCli(args, options).done;
}

/** What a person must find in a message of trouble: one, on stderr, with the next step; never a stack trace. */
export function expectOneMessage(result: CliResult, exitCode: number): string {
  expect(result, result.stderr).toMatchObject({ code: exitCode });
  const message = result.stderr.slice(result.stderr.indexOf('stillhouse: '));
  expect(message.match(/^stillhouse: /gm)).toHaveLength(1);
  expect(message).toMatch(/^ {2}next: +\S/m);
  expect(result.stderr).not.toMatch(/^\s+at .*:\d+:\d+\)?$/m);
  expect(result.stderr).not.toContain('TensorFlow.js');
  return message;
}
