/** Which classes overlap more than the rest, and from which training classes their matches come. */
import { heatMap } from '../charts/heat-map.ts';
import { type HtmlValue, type SafeHtml, html } from '../html.ts';
import type { AuditFacts, ClassOverlap, TransferFacts } from '../input.ts';
import { formatCount, formatNumber, formatShare, isMeasured } from '../number-format.ts';
import { dataTable, numberColumn, textColumn } from '../table.ts';
import { figureGrid } from './section.ts';

const MOST_CLASSES = 60;

export function classPart({ classes, classesIn, transfer, transferIn }: AuditFacts): HtmlValue {
  if (classes.length === 0 && transfer.length === 0) return null;
  return html`<h3>Overlap by class</h3>
    ${classes.length === 0 ? null : classTable(classes, classesIn)}
    ${transfer.length === 0 ? null : figureGrid(transfer.map((one) => transferMap(one, transferIn)))}`;
}

function classTable(classes: readonly ClassOverlap[], rowsIn: string): SafeHtml {
  const shown = classes.slice(0, MOST_CLASSES);
  const some =
    shown.length < classes.length
      ? ` The ${formatCount(shown.length)} of ${formatCount(classes.length)} rows with the highest shrunken rate.`
      : '';
  return dataTable<ClassOverlap>({
    caption: `Evaluation images with a match in training, by class, with 95\u00a0% intervals. Rank by the shrunken rate, which does not let small classes top the list; q is the false discovery rate of a class differing from the others.${some}`,
    rowsIn,
    rows: shown,
    columns: [
      textColumn('class', (one) => one.label),
      textColumn('evidence', (one) => one.level),
      numberColumn('images', (one) => one.images, formatCount),
      numberColumn('with a match', (one) => one.matched, formatCount),
      numberColumn('rate', (one) => one.rate, formatShare),
      numberColumn('from', (one) => one.low, formatShare),
      numberColumn('to', (one) => one.high, formatShare),
      numberColumn('shrunken', (one) => one.shrunk, formatShare),
      numberColumn(
        'q',
        (one) => one.qValue,
        (value) => (isMeasured(value) ? formatNumber(value) : 'too small to test'),
      ),
    ],
  });
}

function transferMap(one: TransferFacts, rowsIn: string): SafeHtml {
  return heatMap({
    title:
      one.basis === 'match'
        ? `Class of the matching training image, by ${one.level}`
        : `Class of the nearest training image, by ${one.level}`,
    note: `Columns are classes of the evaluation set, rows of the training set; per cent of the column's images${one.basis === 'match' ? ' with a match there' : ''}.${one.isCut ? ' The largest classes.' : ''}`,
    rowsIn,
    rows: one.trainLabels,
    columns: one.evalLabels,
    values: one.shares,
    pivot: 0,
    format: (value) => (isMeasured(value) ? (100 * value).toFixed(0) : '–'),
  });
}
