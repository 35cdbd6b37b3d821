/** `export`: the trained backbone of a run as one ONNX file for other programs. */
import * as fsp from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { sha256 } from '../../core/digest.ts';
import { StillhouseError, systemCodeOf } from '../../core/failure.ts';
import { writeAtomic } from '../../store/atomic.ts';
import { decodeCheckpoint } from '../../student/checkpoint.ts';
import { exportBackbone } from '../../student/export.ts';
import { CHECKPOINT_FILE } from '../../stages/train-stage.ts';
import { wholeNumber } from '../common-options.ts';
import { printJson } from '../session.ts';

export function addExportCommand(program: Command): void {
  program
    .command('export')
    .description('write the trained backbone of a run as one ONNX file')
    .argument('<run>', 'the run folder, such as out/demo')
    .option('--to <file>', 'the ONNX file', 'backbone.onnx')
    .option('--stage <id>', 'the train stage of the run', 'train')
    .option('--batch <n>', 'images per call, fixed in the graph', wholeNumber('--batch', 1), 1)
    .option('--json', 'one JSON document on stdout', false)
    .action(async (run: string, options: { to: string; stage: string; batch: number; json: boolean }) => {
      const path = join(resolve(run), options.stage, CHECKPOINT_FILE);
      const bytes = await fsp.readFile(path).catch((error: unknown) => {
        const code = systemCodeOf(error);
        if (code === undefined) throw error;
        throw new StillhouseError(
          {
            kind: 'bad-input',
            what: 'the run has no trained student',
            where: path,
            got: code,
            next: 'name a run folder whose train stage is done',
          },
          error,
        );
      });
      const { config, parameters } = decodeCheckpoint(bytes, path);
      const onnx = exportBackbone({ config, parameters, batchSize: options.batch, runDigest: sha256(bytes) });
      await writeAtomic(resolve(options.to), onnx);
      if (options.json)
        printJson({
          file: options.to,
          bytes: onnx.length,
          imagePx: config.vit.imagePx,
          batch: options.batch,
        });
      else
        process.stdout.write(
          `${options.to}: ${onnx.length} bytes, pixels [${options.batch},3,${config.vit.imagePx},${config.vit.imagePx}] in [0,1] -> summary, spatial\n`,
        );
    });
}
