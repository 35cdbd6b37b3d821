/** Tables with captions, scoped headers and sortable cells; wide ones scroll inside their own frame. */
import { type HtmlValue, type SafeHtml, html } from './html.ts';

export interface Column<Row> {
  readonly head: string;
  /** Numbers are right-aligned and do not wrap. */
  readonly kind: 'text' | 'number' | 'code';
  readonly cell: (row: Row) => HtmlValue;
  /** What sorting compares; needed where the cell's text does not sort as itself. */
  readonly sortValue?: (row: Row) => number | string | null;
}

export interface TableOptions<Row> {
  readonly caption: string;
  /** Caption for screen readers only. */
  readonly captionHidden?: boolean;
  /** The first one heads each row. */
  readonly columns: readonly Column<Row>[];
  readonly rows: readonly Row[];
  /** Cells of a last line, one per column. */
  readonly foot?: readonly HtmlValue[];
  readonly rowsIn?: string | undefined;
}

export function dataTable<Row>(options: TableOptions<Row>): SafeHtml {
  const { columns, rows, foot } = options;
  const caption = html`<span
    >${options.caption}${options.rowsIn === undefined ? null : html` <span class="rows-in">Rows: <code>${options.rowsIn}</code></span>`}</span
  >`;
  return html`<div class="scroll" role="region" aria-label="${options.caption}" tabindex="0"><table${rows.length > 1 ? html` data-sortable` : null}>
<caption${options.captionHidden === true ? html` class="hidden-text"` : null}>${caption}</caption>
<thead><tr>${columns.map((column) => html`<th scope="col" ${classOf(column)}>${column.head}</th>`)}</tr></thead>
<tbody>
${rows.map(
  (row) =>
    html`<tr>
      ${columns.map((column, at) => bodyCell(column, row, at === 0))}
    </tr> `,
)}</tbody>
${
  foot === undefined
    ? null
    : html`<tfoot>
        <tr>
          ${columns.map((column, at) => (at === 0 ? html`<th scope="row" ${classOf(column)}>${foot[at]}</th>` : html`<td${classOf(column)}>${foot[at]}</td>`))}
        </tr>
      </tfoot>`
}</table></div>`;
}

function bodyCell<Row>(column: Column<Row>, row: Row, heads: boolean): SafeHtml {
  const sortValue = column.sortValue?.(row);
  const cell = column.cell(row);
  // thousands of cells: what they look like says what they are sorted by
  const sort =
    sortValue === undefined || String(sortValue) === cell
      ? null
      : html` data-sort="${Number.isNaN(sortValue) ? null : sortValue}"`;
  return heads
    ? html`<th scope="row" ${classOf(column)}${sort}>${cell}</th>`
    : html`<td${classOf(column)}${sort}>${cell}</td>`;
}

/** Cells of words are the ones without a class. */
function classOf<Row>({ kind }: Column<Row>): SafeHtml | null {
  return kind === 'text' ? null : html` class="${kind}"`;
}

/** A column of numbers: shown through `format`, sorted by value, unmeasured ones last. */
export function numberColumn<Row>(
  head: string,
  valueOf: (row: Row) => number | null,
  format: (value: number | null) => string,
): Column<Row> {
  return {
    head,
    kind: 'number',
    cell: (row) => format(valueOf(row)),
    sortValue: (row) => finiteOrNull(valueOf(row)),
  };
}

/** A column of words. */
export function textColumn<Row>(head: string, textOf: (row: Row) => HtmlValue): Column<Row> {
  return { head, kind: 'text', cell: textOf };
}

/** A column of names a person may want to copy: paths, digests, taps. */
export function codeColumn<Row>(head: string, textOf: (row: Row) => string): Column<Row> {
  return { head, kind: 'code', cell: (row) => html`<code>${textOf(row)}</code>` };
}

function finiteOrNull(value: number | null): number | null {
  return value !== null && Number.isFinite(value) ? value : null;
}
