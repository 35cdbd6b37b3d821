/** How the student was trained, and how its losses went. */
import { lineChart } from '../charts/lines.ts';
import { type SafeHtml, html } from '../html.ts';
import type { TrainingFacts } from '../input.ts';
import { formatNumber, formatSeconds, isMeasured } from '../number-format.ts';
import { codeColumn, dataTable, numberColumn, textColumn } from '../table.ts';
import { type Section, figureGrid } from './section.ts';

export function trainingSection(training: TrainingFacts): Section {
  return {
    id: 'training',
    title: 'Training',
    body: html`<p class="prose">
        ${isMeasured(training.secondsPerStep) ? `${formatSeconds(training.secondsPerStep)} per step.` : 'The time per step was not measured.'}
      </p>
      ${figureGrid([
        lineChart({
          title: 'Loss per teacher',
          rowsIn: training.rowsIn,
          xTitle: 'step',
          yTitle: 'loss',
          series: training.curves.map((curve) => ({
            name: curve.teacher,
            points: curve.steps.map((x, i) => ({ x, y: curve.values[i] ?? null })),
          })),
        }),
        html`<div>${lossTable(training)}${configTable(training)}</div>`,
      ])}`,
  };
}

function lossTable(training: TrainingFacts): SafeHtml {
  return dataTable<TrainingFacts['loss'][number]>({
    caption: 'Loss of the first step, and mean of the last tenth of the steps.',
    rowsIn: training.rowsIn,
    rows: training.loss,
    columns: [
      textColumn('teacher', ({ teacher }) => teacher),
      numberColumn('start', ({ start }) => start, formatNumber),
      numberColumn('end', ({ end }) => end, formatNumber),
    ],
  });
}

function configTable(training: TrainingFacts): SafeHtml {
  return dataTable<readonly [string, string | number | boolean]>({
    caption: 'Configuration.',
    rows: Object.entries(training.config),
    columns: [textColumn('setting', ([name]) => name), codeColumn('value', ([, value]) => String(value))],
  });
}
