/** `inspect`: what is this file or folder? */
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { wholeNumber } from '../common-options.ts';
import { printJson } from '../print-json.ts';

export function addInspectCommand(program: Command): void {
  program
    .command('inspect')
    .description('say what a file or run folder is: cache part, Parquet table, checkpoint, ONNX model')
    .argument('<path>', 'the file or folder')
    .option('--rows <n>', 'rows of a table to show', wholeNumber('--rows', 0), 3)
    .option('--json', 'one JSON document on stdout (it always is)', false)
    .action(async (path: string, options: { rows: number }) => {
      const { describePath } = await import('./inspect-answer.ts');
      printJson(await describePath(resolve(path), options.rows));
    });
}
