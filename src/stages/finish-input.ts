/** A finished run and how it was asked for: what summary and report are made from. */
import type { RunOptions, RunResult } from '../run/execute.ts';
import type { Pipeline, PipelineFile } from '../run/pipeline.ts';

export interface FinishInput {
  readonly pipeline: Pipeline;
  readonly file: PipelineFile;
  readonly run: RunOptions;
  readonly result: RunResult;
  /** ISO 8601. */
  readonly started: string;
  readonly command: string;
}
