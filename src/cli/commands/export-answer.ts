/** The trained backbone of a run as one ONNX file for other programs. */
import * as fsp from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { sha256 } from '../../core/digest.ts';
import { StillhouseError, systemCodeOf } from '../../core/failure.ts';
import { CHECKPOINT_FILE } from '../../stages/train-stage.ts';
import { writeAtomic } from '../../store/atomic.ts';
import { decodeCheckpoint } from '../../student/checkpoint.ts';
import { exportBackbone } from '../../student/export.ts';
import { printJson } from '../print-json.ts';

export interface ExportOptions {
  readonly to: string;
  readonly stage: string;
  readonly batch: number;
  readonly json: boolean;
}

/** @throws StillhouseError bad-input when the run has no trained student. */
export async function exportRun(run: string, options: ExportOptions): Promise<void> {
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
  const { imagePx } = config.vit;
  if (options.json) printJson({ file: options.to, bytes: onnx.length, imagePx, batch: options.batch });
  else
    process.stdout.write(
      `${options.to}: ${onnx.length} bytes, pixels [${options.batch},3,${imagePx},${imagePx}] in [0,1] -> summary, spatial\n`,
    );
}
