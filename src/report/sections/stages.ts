/** One line per stage: what went in, what came out, why the rest did not, how long it took. */
import { type SafeHtml, html, joined } from '../html.ts';
import type { StageFacts } from '../input.ts';
import { formatCount, formatSeconds, isMeasured } from '../number-format.ts';
import { dataTable, numberColumn, textColumn } from '../table.ts';

export function stageTable(stages: readonly StageFacts[]): SafeHtml {
  if (stages.length === 0) return html`<p>No stage ran.</p>`;
  const total = stages.reduce((sum, stage) => sum + (isMeasured(stage.seconds) ? stage.seconds : 0), 0);
  return dataTable<StageFacts>({
    caption: 'Stages in order of execution: seen = kept + rejected.',
    rows: stages,
    columns: [
      textColumn('stage', (stage) =>
        stage.id === stage.stage ? stage.id : html`${stage.id} <span class="quiet">${stage.stage}</span>`,
      ),
      numberColumn('seen', (stage) => stage.seen, formatCount),
      numberColumn('kept', (stage) => stage.kept, formatCount),
      numberColumn('rejected', rejectedOf, formatCount),
      numberColumn('time', (stage) => stage.seconds, formatSeconds),
      textColumn('state', stateOf),
      textColumn('reasons', reasonsOf),
    ],
    foot: ['total', '', '', '', formatSeconds(total), '', ''],
  });
}

function rejectedOf(stage: StageFacts): number {
  return Object.values(stage.rejected).reduce((sum, count) => sum + count, 0);
}

function reasonsOf(stage: StageFacts): SafeHtml {
  const reasons = Object.entries(stage.rejected).filter(([, count]) => count > 0);
  return html`<span class="quiet"
    >${joined(
      reasons.map(([reason, count]) => `${formatCount(count)} ${reason}`),
      ', ',
    )}</span
  >`;
}

function stateOf(stage: StageFacts): SafeHtml {
  if (stage.seen !== stage.kept + rejectedOf(stage))
    return html`<strong class="alarm">does not balance</strong>`;
  return stage.reused ? html`<span class="quiet">reused</span>` : html`ran`;
}
