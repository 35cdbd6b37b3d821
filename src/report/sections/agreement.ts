/** Whether the levels of evidence flag the same pairs. */
import { heatMap } from '../charts/heat-map.ts';
import type { SafeHtml } from '../html.ts';
import type { AgreementFacts } from '../input.ts';
import { isMeasured } from '../number-format.ts';

/** Two figures: the share of each row's pairs that the column flags too, and Cohen's kappa. */
export function agreementMaps({ levels, shareOfRow, kappa, rowsIn }: AgreementFacts): SafeHtml[] {
  const map = (title: string, note: string, values: AgreementFacts['kappa']): SafeHtml =>
    heatMap({
      title,
      note,
      rowsIn,
      rows: levels,
      columns: levels,
      values,
      pivot: 0,
      format: (value) => (isMeasured(value) ? value.toFixed(2) : '–'),
    });
  return [
    map(
      'Agreement of the levels',
      "Of the matching pairs that the row's level flags, the share that the column's level flags too.",
      shareOfRow,
    ),
    map(
      "Cohen's kappa of the levels",
      'Over all pairs of an evaluation and a training image: 1 is perfect agreement, 0 what chance gives.',
      kappa,
    ),
  ];
}
