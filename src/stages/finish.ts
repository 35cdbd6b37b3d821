/** What a finished run leaves for people and programs: summary.json and report.html, both written whole. */
import { join } from 'node:path';
import type { Json } from '../core/canonical-json.ts';
import { renderReport } from '../report/render-report.ts';
import { writeAtomic } from '../store/atomic.ts';
import type { FinishInput } from './finish-input.ts';
import { reportInput } from './report-facts.ts';
import { summaryOf } from './summary.ts';

export interface Finished {
  readonly summary: Record<string, Json>;
  readonly reportPath: string;
  /** A few lines for the terminal. */
  readonly headlines: readonly string[];
}

export async function finishRun(input: FinishInput): Promise<Finished> {
  const { result, pipeline } = input;
  const summary = { run: pipeline.name, seed: input.run.seed, ...summaryOf(result) };
  await writeAtomic(join(result.folder, 'summary.json'), `${JSON.stringify(summary, null, 2)}\n`);
  const reportPath = join(result.folder, 'report.html');
  await writeAtomic(reportPath, renderReport(await reportInput(input)));
  return { summary, reportPath, headlines: headlinesOf(summary) };
}

type Figures = Readonly<Record<string, Json>>;

function headlinesOf(summary: Figures): string[] {
  const lines: string[] = [];
  const { targets, twin, knn, fidelity } = summary as Readonly<
    Record<string, Readonly<Record<string, unknown>> | undefined>
  >;
  if (targets)
    lines.push(`targets: ${String(targets['written'])} written, ${String(targets['reused'])} reused`);
  const share = (value: unknown): string => (typeof value === 'number' ? value.toFixed(3) : 'not measured');
  if (twin)
    lines.push(
      `twin at rank 1: student ${share(twin['student'])}, untrained ${share(twin['untrained'])}, pixels ${share(twin['pixels'])}`,
    );
  if (knn)
    lines.push(
      `k-NN by label: student ${share(knn['student'])}, untrained ${share(knn['untrained'])}, pixels ${share(knn['pixels'])}`,
    );
  if (fidelity)
    lines.push(
      `fidelity (lowest head, 1 = the mean): ${Object.entries(fidelity)
        .map(([teacher, value]) => `${teacher} ${share(value)}`)
        .join(', ')}`,
    );
  return lines;
}
