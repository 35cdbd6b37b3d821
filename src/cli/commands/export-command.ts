/** `export`: the trained backbone of a run as one ONNX file for other programs. */
import type { Command } from 'commander';
import { wholeNumber } from '../common-options.ts';
import type { ExportOptions } from './export-answer.ts';

export function addExportCommand(program: Command): void {
  program
    .command('export')
    .description('write the trained backbone of a run as one ONNX file')
    .argument('<run>', 'the run folder, such as out/demo')
    .option('--to <file>', 'the ONNX file', 'backbone.onnx')
    .option('--stage <id>', 'the train stage of the run', 'train')
    .option('--batch <n>', 'images per call, fixed in the graph', wholeNumber('--batch', 1), 1)
    .option('--json', 'one JSON document on stdout', false)
    .action(async (run: string, options: ExportOptions) => {
      const { exportRun } = await import('./export-answer.ts');
      await exportRun(run, options);
    });
}
