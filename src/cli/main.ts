#!/usr/bin/env node
/** The command. The only place that reads argv and the environment, prints, and ends the process. */
import { basename, relative } from 'node:path';
import { EXIT_DEFECT, StillhouseError, isStillhouseError, printable } from '../core/failure.ts';
import { asStoreFailure } from '../store/commit-fs.ts';
import { CommanderError } from 'commander';
import { buildProgram } from './program.ts';

const controller = new AbortController();
let asked = 0;
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.on(signal, () => {
    asked += 1;
    if (asked > 1) process.exit(130);
    process.stderr.write('\ninterrupted: finishing what is in the air; press again to stop at once\n');
    controller.abort();
  });
// `stillhouse ... | head` closes stdout early: that is no error of ours
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  process.exit(report(asStoreFailure(error, 'standard output')));
});

const resume = [...invocation(process.argv[1] ?? 'stillhouse'), ...process.argv.slice(2)]
  .map(quoted)
  .join(' ');

try {
  await buildProgram({ signal: controller.signal, command: resume }).parseAsync(process.argv);
} catch (error) {
  process.exitCode = report(error);
  // everything is put away; what a reader of ours never took must not keep the process
  if (controller.signal.aborted) process.stderr.write('', () => process.exit());
}

function report(raw: unknown): number {
  if (raw instanceof CommanderError) return raw.exitCode === 0 ? 0 : 2;
  const error =
    controller.signal.aborted && !isStillhouseError(raw) ? interrupted() : asStoreFailure(raw, pathOf(raw));
  if (isStillhouseError(error)) {
    process.stderr.write(`stillhouse: ${error.message}\n`);
    if (error.failure.kind === 'interrupted') process.stderr.write(`  resume: ${printable(resume)}\n`);
    return error.exitCode;
  }
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  process.stderr.write(`stillhouse: a defect of stillhouse itself, please report it\n${text}\n`);
  return EXIT_DEFECT;
}

/** How this was started: by its name, or by its file when it is not installed. */
function invocation(script: string): string[] {
  return basename(script) === 'stillhouse' ? ['stillhouse'] : ['node', relative(process.cwd(), script)];
}

/** Node's system errors name the path they failed at. */
function pathOf(error: unknown): string {
  return error instanceof Error && 'path' in error && typeof error.path === 'string'
    ? error.path
    : 'the file system';
}

function interrupted(): StillhouseError {
  return new StillhouseError({
    kind: 'interrupted',
    what: 'interrupted',
    next: 'run the same command again',
  });
}

function quoted(argument: string): string {
  return /^[\w@%+=:,./-]+$/.test(argument) ? argument : `'${argument.replaceAll("'", `'\\''`)}'`;
}
