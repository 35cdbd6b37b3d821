/** What a finished run leaves for people and programs: summary.json and report.html, both written whole. */
import { join } from 'node:path';
import type { Json } from '../core/canonical-json.ts';
import { renderReport } from '../report/render-report.ts';
import { writeAtomic } from '../store/atomic.ts';
import type { FinishInput } from './finish-input.ts';
import { headlinesOf } from './headlines.ts';
import { reportInput } from './report-facts.ts';
import { SUMMARY_SCHEMA } from './summary-schema.ts';
import { summaryOf } from './summary.ts';

export interface Finished {
  readonly summary: Record<string, Json>;
  readonly reportPath: string;
  /** A few lines for the terminal. */
  readonly headlines: readonly string[];
}

export async function finishRun(input: FinishInput): Promise<Finished> {
  const { result, pipeline } = input;
  const summary = {
    $schema: SUMMARY_SCHEMA,
    run: pipeline.name,
    seed: input.run.seed,
    ...summaryOf(result),
  };
  await writeAtomic(join(result.folder, 'summary.json'), `${JSON.stringify(summary, null, 2)}\n`);
  const reportPath = join(result.folder, 'report.html');
  await writeAtomic(reportPath, renderReport(await reportInput(input)));
  return { summary, reportPath, headlines: headlinesOf(summary) };
}
