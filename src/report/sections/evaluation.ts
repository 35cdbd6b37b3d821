/** What the student learned, beside its teachers, raw pixels and itself before training. */
import { barChart } from '../charts/bars.ts';
import { heatMap } from '../charts/heat-map.ts';
import type { SafeHtml } from '../html.ts';
import { html } from '../html.ts';
import type { EvaluationFacts, MeasureFacts, ScoreFacts } from '../input.ts';
import { formatNumber, formatShare, plural } from '../number-format.ts';
import { type Section, figureGrid } from './section.ts';

const STYLE_OF: Readonly<Record<ScoreFacts['subject'], string>> = {
  teacher: 'muted-area',
  pixels: 'muted-area',
  student: 's0',
  untrained: 's1',
};

export function evaluationSection(evaluation: EvaluationFacts): Section {
  return {
    id: 'evaluation',
    title: 'Evaluation',
    body: html`${figureGrid([
      ...evaluation.measures.map((measure) => measureChart(measure, evaluation.rowsIn)),
      evaluation.fidelity.length === 0 ? null : fidelityMap(evaluation),
    ])}`,
  };
}

function measureChart(measure: MeasureFacts, rowsIn: string): SafeHtml {
  return barChart({
    title: measure.title,
    note: `${measure.meaning} ${plural(measure.images, 'image')}.`,
    rowsIn,
    axisTitle: 'share of images',
    isShare: true,
    format: formatShare,
    bars: measure.scores.map((score) => ({
      label: score.name,
      value: score.value,
      low: score.low,
      high: score.high,
      style: STYLE_OF[score.subject],
    })),
  });
}

function fidelityMap(evaluation: EvaluationFacts): SafeHtml {
  const teachers = [...new Set(evaluation.fidelity.map((one) => one.teacher))];
  const heads = [...new Set(evaluation.fidelity.map((one) => one.head))];
  return heatMap({
    title: 'Fidelity of each head',
    note: 'Variance of the teacher over mean squared error, on standardised features of evaluation images: 1 is no better than the mean, more is better.',
    rowsIn: evaluation.rowsIn,
    rows: teachers,
    columns: heads,
    values: teachers.map((teacher) =>
      heads.map(
        (head) =>
          evaluation.fidelity.find((one) => one.teacher === teacher && one.head === head)?.value ?? null,
      ),
    ),
    pivot: 1,
    format: formatNumber,
  });
}
