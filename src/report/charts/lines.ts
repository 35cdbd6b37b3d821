/** Lines over a numeric axis, with a legend, a label at the end of each line, and optional marked points. */
import { type HtmlValue, type SafeHtml, html } from '../html.ts';
import type { Measured } from '../input.ts';
import { formatNumber, formatTick, isMeasured } from '../number-format.ts';
import { dataTable, numberColumn, textColumn } from '../table.ts';
import { CHART_WIDTH_PX, type ChartText, emptyFigure, figure, legend, seriesStyle } from './figure.ts';
import { type Axis, type Domain, axisOf, domainOf, scaleOf, shortened } from './scale.ts';

export interface LinePoint {
  readonly x: Measured;
  readonly y: Measured;
}

export interface LineSeries {
  readonly name: string;
  /** In drawing order. A point that was not measured breaks the line. */
  readonly points: readonly LinePoint[];
  /** A point to mark, such as the threshold in use. */
  readonly mark?: LinePoint | undefined;
}

export interface LineChart extends ChartText {
  readonly series: readonly LineSeries[];
  readonly xTitle: string;
  readonly yTitle: string;
  /** Fixes an axis; by default it fits the values. */
  readonly xDomain?: Domain;
  readonly yDomain?: Domain;
  /** In place of the table of points. */
  readonly table?: SafeHtml;
}

const HEIGHT_PX = 250;
const LEFT_PX = 46;
const RIGHT_PX = 104;
const TOP_PX = 24;
const BOTTOM_PX = 40;
const LABEL_GAP_PX = 13;
/** The widest a shortened name gets. */
const LABEL_WIDTH_PX = 96;
const MOST_POINTS_DRAWN = 240;
const MOST_ROWS_LISTED = 60;

/** @returns a figure; series without a measured point are named in the legend as such. */
export function lineChart(chart: LineChart): SafeHtml {
  const measured = chart.series.flatMap((series) => series.points).filter(isPoint);
  if (measured.length === 0) return emptyFigure(chart);
  const xAxis = axisOf(chart.xDomain ?? domainOf(measured.map((point) => point.x)), 5);
  const yAxis = axisOf(chart.yDomain ?? domainOf(measured.map((point) => point.y)), 5);
  const right = CHART_WIDTH_PX - RIGHT_PX;
  const x = scaleOf(xAxis.domain, LEFT_PX, right);
  const y = scaleOf(yAxis.domain, HEIGHT_PX - BOTTOM_PX, TOP_PX);
  const lines = chart.series.map((series, at) => {
    const style = seriesStyle(at);
    const shown = thinned(series.points, MOST_POINTS_DRAWN);
    return html`<path
        class="line ${style}"
        d="${pathOf(shown, x, y)}"
      />${shown.filter(isPoint).length === 1 || series.mark !== undefined ? dot(series.mark ?? shown.find(isPoint), style, x, y) : null} `;
  });
  return figure({
    text: chart,
    heightPx: HEIGHT_PX,
    drawing: html`${frame(xAxis, yAxis, x, y)}
      <text class="axis-title" x="0" y="11">${chart.yTitle}</text>
      <text class="axis-title" x="${(LEFT_PX + right) / 2}" y="${HEIGHT_PX - 4}" text-anchor="middle"
        >${chart.xTitle}</text
      >
      ${lines}${lineLabels(chart.series, x, y)}`,
    legend: legend(
      chart.series.map((series, at) => ({
        name: series.points.some(isPoint) ? series.name : `${series.name} (not measured)`,
        style: seriesStyle(at),
        mark: 'line',
      })),
    ),
    table: chart.table ?? pointTable(chart),
  });
}

function frame(
  xAxis: Axis,
  yAxis: Axis,
  x: (value: number) => number,
  y: (value: number) => number,
): SafeHtml {
  const right = CHART_WIDTH_PX - RIGHT_PX;
  const bottom = HEIGHT_PX - BOTTOM_PX;
  return html`${yAxis.ticks.map((tick) => html`<line class="grid" x1="${LEFT_PX}" x2="${right}" y1="${y(tick)}" y2="${y(tick)}" /><text class="tick" x="${LEFT_PX - 6}" y="${y(tick) + 4}" text-anchor="end">${formatTick(tick, yAxis.stepSize)}</text>`)}
    ${xAxis.ticks.map((tick) => html`<line class="base" x1="${x(tick)}" x2="${x(tick)}" y1="${bottom}" y2="${bottom + 4}" /><text class="tick" x="${x(tick)}" y="${bottom + 16}" text-anchor="middle">${formatTick(tick, xAxis.stepSize)}</text>`)}
    <line class="base" x1="${LEFT_PX}" x2="${right}" y1="${bottom}" y2="${bottom}" />`;
}

function pathOf(
  points: readonly LinePoint[],
  x: (value: number) => number,
  y: (value: number) => number,
): string {
  let path = '';
  points.forEach((point, i) => {
    if (!isPoint(point)) return;
    const before = points[i - 1];
    const after = points[i + 1];
    const starts = before === undefined || !isPoint(before);
    path += `${starts ? 'M' : 'L'}${x(point.x)} ${y(point.y)}`;
    // A point with no neighbour is a line of no length: its round cap shows it.
    if (starts && (after === undefined || !isPoint(after))) path += 'h0';
  });
  return path;
}

function dot(
  point: LinePoint | undefined,
  style: string,
  x: (value: number) => number,
  y: (value: number) => number,
): HtmlValue {
  if (point === undefined || !isPoint(point)) return null;
  return html`<circle class="dot ${style}" cx="${x(point.x)}" cy="${y(point.y)}" r="4" />`;
}

/** Names beside the marked point, else beside the right end of the line, pushed apart so that none covers another. */
function lineLabels(
  series: readonly LineSeries[],
  x: (value: number) => number,
  y: (value: number) => number,
): SafeHtml {
  const labels = series
    .flatMap((one, at) => {
      const anchor = anchorOf(one);
      if (anchor === undefined) return [];
      return [{ name: one.name, style: seriesStyle(at), leftPx: x(anchor.x) + 8, topPx: y(anchor.y) + 4 }];
    })
    .sort((a, b) => a.topPx - b.topPx);
  const collide = (a: { leftPx: number }, b: { leftPx: number }): boolean =>
    Math.abs(a.leftPx - b.leftPx) < LABEL_WIDTH_PX;
  labels.forEach((label, i) => {
    for (const above of labels.slice(0, i))
      if (collide(above, label)) label.topPx = Math.max(label.topPx, above.topPx + LABEL_GAP_PX);
  });
  const lowest = HEIGHT_PX - BOTTOM_PX + 4;
  for (let i = labels.length - 1; i >= 0; i--) {
    const below = labels.slice(i + 1).filter((other) => collide(other, labels[i]!));
    labels[i]!.topPx = Math.min(
      labels[i]!.topPx,
      lowest,
      ...below.map((other) => other.topPx - LABEL_GAP_PX),
    );
  }
  return html`${labels.map((label) => html`<text class="end-label ${label.style}" x="${label.leftPx}" y="${Math.round(label.topPx)}">${shortened(label.name, 16)}</text>`)}`;
}

function anchorOf(series: LineSeries): { readonly x: number; readonly y: number } | undefined {
  if (series.mark !== undefined && isPoint(series.mark)) return series.mark;
  let rightmost: { readonly x: number; readonly y: number } | undefined;
  for (const point of series.points)
    if (isPoint(point) && (rightmost === undefined || point.x >= rightmost.x)) rightmost = point;
  return rightmost;
}

/** At most about `most` points; of each stretch the lowest and the highest stay, so spikes and gaps do not vanish. */
function thinned(points: readonly LinePoint[], most: number): readonly LinePoint[] {
  if (points.length <= most) return points;
  const kept = new Set<number>([0, points.length - 1]);
  const stretch = points.length / (most / 2);
  for (let from = 0; from < points.length; from += stretch) {
    const range = Array.from(
      { length: Math.min(points.length, Math.floor(from + stretch)) - Math.floor(from) },
      (_, i) => Math.floor(from) + i,
    );
    const byValue = range.toSorted((a, b) => sortable(points[a]!.y) - sortable(points[b]!.y));
    for (const index of [byValue[0], byValue.at(-1), range.find((i) => !isPoint(points[i]!))])
      if (index !== undefined) kept.add(index);
  }
  return [...kept].sort((a, b) => a - b).map((index) => points[index]!);
}

function pointTable(chart: LineChart): SafeHtml {
  const rows = chart.series.flatMap((series) =>
    evenly(series.points, Math.max(2, Math.floor(MOST_ROWS_LISTED / chart.series.length))).map((point) => ({
      name: series.name,
      ...point,
    })),
  );
  const total = chart.series.reduce((sum, series) => sum + series.points.length, 0);
  const rest =
    total > rows.length ? ` ${rows.length} of ${total} points, evenly chosen; the file has them all.` : '';
  return dataTable({
    caption: `${chart.title}.${rest}`,
    captionHidden: rest === '',
    rows,
    columns: [
      textColumn<(typeof rows)[number]>('series', (row) => row.name),
      numberColumn<(typeof rows)[number]>(chart.xTitle, (row) => row.x, formatNumber),
      numberColumn<(typeof rows)[number]>(chart.yTitle, (row) => row.y, formatNumber),
    ],
  });
}

/** `most` of the items, first and last included, evenly spaced. */
export function evenly<T>(items: readonly T[], most: number): readonly T[] {
  if (items.length <= most) return items;
  return Array.from({ length: most }, (_, i) => items[Math.round((i * (items.length - 1)) / (most - 1))]!);
}

function isPoint(point: LinePoint): point is { readonly x: number; readonly y: number } {
  return isMeasured(point.x) && isMeasured(point.y);
}

function sortable(value: Measured): number {
  return isMeasured(value) ? value : 0;
}
