#!/usr/bin/env node
/** The command. The only place that reads argv and the environment, prints, and ends the process. */
import { EXIT_DEFECT, isStillhouseError, printable } from '../core/failure.ts';
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
process.stdout.on('error', (error: NodeJS.ErrnoException) =>
  process.exit(error.code === 'EPIPE' ? 0 : EXIT_DEFECT),
);

const resume = `stillhouse ${process.argv.slice(2).map(quoted).join(' ')}`;

try {
  await buildProgram({ signal: controller.signal, command: resume }).parseAsync(process.argv);
} catch (error) {
  process.exitCode = report(error);
}

function report(raw: unknown): number {
  if (raw instanceof CommanderError) return raw.exitCode === 0 ? 0 : 2;
  const error = asStoreFailure(raw, 'file system');
  if (isStillhouseError(error)) {
    process.stderr.write(`stillhouse: ${error.message}\n`);
    if (error.failure.kind === 'interrupted') process.stderr.write(`  resume: ${printable(resume)}\n`);
    return error.exitCode;
  }
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  process.stderr.write(`stillhouse: a defect of stillhouse itself, please report it\n${text}\n`);
  return EXIT_DEFECT;
}

function quoted(argument: string): string {
  return /^[\w@%+=:,./-]+$/.test(argument) ? argument : `'${argument.replaceAll("'", `'\\''`)}'`;
}
