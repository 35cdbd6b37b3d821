/** A small matrix with the value printed in each cell; the tint says how far above or below a pivot it lies. */
import { type SafeHtml, html } from '../html.ts';
import type { Measured } from '../input.ts';
import { isMeasured } from '../number-format.ts';
import { dataTable, numberColumn, textColumn } from '../table.ts';
import { CHART_WIDTH_PX, type ChartText, emptyFigure, figure } from './figure.ts';
import { px, shortened } from './scale.ts';

export interface HeatMap extends ChartText {
  readonly rows: readonly string[];
  readonly columns: readonly string[];
  /** [rows][columns]. */
  readonly values: readonly (readonly Measured[])[];
  /** Values below it are tinted warm, values above it cool. */
  readonly pivot: number;
  readonly format: (value: Measured) => string;
}

const LABEL_PX = 136;
const HEAD_PX = 22;
const ROW_PX = 30;
const WIDEST_CELL_PX = 104;

/** @returns a figure; without rows or columns, a sentence. */
export function heatMap(chart: HeatMap): SafeHtml {
  if (chart.rows.length === 0 || chart.columns.length === 0) return emptyFigure(chart);
  const cellPx = px(Math.min(WIDEST_CELL_PX, (CHART_WIDTH_PX - LABEL_PX) / chart.columns.length));
  const measured = chart.values.flat().filter(isMeasured);
  const furthest = Math.max(0, ...measured.map((value) => Math.abs(value - chart.pivot)));
  const left = (column: number): number => px(LABEL_PX + column * cellPx);
  const cell = (row: number, column: number): SafeHtml => {
    const value = chart.values[row]?.[column] ?? null;
    const top = HEAD_PX + row * ROW_PX;
    return html`<rect
        class="cell ${tintOf(value, chart.pivot, furthest)}"
        x="${left(column)}"
        y="${top}"
        width="${px(cellPx - 2)}"
        height="${ROW_PX - 2}"
      /><text class="cell-text" x="${px(left(column) + cellPx / 2 - 1)}" y="${top + 18}" text-anchor="middle"
        >${isMeasured(value) ? chart.format(value) : '–'}</text
      >`;
  };
  return figure({
    text: chart,
    heightPx: HEAD_PX + chart.rows.length * ROW_PX + 2,
    drawing: html`${chart.columns.map((name, column) => html`<text class="tick" x="${px(left(column) + cellPx / 2 - 1)}" y="14" text-anchor="middle">${shortened(name, Math.max(3, Math.floor(cellPx / 7)))}</text>`)}
    ${chart.rows.map((name, row) => html`<text class="label" x="${LABEL_PX - 8}" y="${HEAD_PX + row * ROW_PX + 18}" text-anchor="end">${shortened(name, 22)}</text>${chart.columns.map((_, column) => cell(row, column))} `)}`,
    table: dataTable({
      caption: chart.title,
      captionHidden: true,
      rows: chart.rows.map((name, row) => ({ name, row })),
      columns: [
        textColumn<{ name: string; row: number }>('', (one) => one.name),
        ...chart.columns.map((name, column) =>
          numberColumn<{ name: string; row: number }>(
            name,
            (one) => chart.values[one.row]?.[column] ?? null,
            chart.format,
          ),
        ),
      ],
    }),
  });
}

/** `h1` to `h4` above the pivot, `w1` to `w4` below it, `h0` at it, `none` where nothing was measured. */
function tintOf(value: Measured, pivot: number, furthest: number): string {
  if (!isMeasured(value)) return 'none';
  if (value === pivot || furthest === 0) return 'h0';
  const strength = Math.min(4, Math.max(1, Math.ceil((Math.abs(value - pivot) / furthest) * 4)));
  return `${value > pivot ? 'h' : 'w'}${strength}`;
}
