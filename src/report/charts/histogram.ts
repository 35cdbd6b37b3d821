/** Histograms laid over each other, each as the share of its own total, so that rare and frequent kinds can be compared. */
import { type SafeHtml, html, joined } from '../html.ts';
import { formatCount, formatNumber, formatShare, formatTick } from '../number-format.ts';
import { dataTable, numberColumn, textColumn } from '../table.ts';
import { CHART_WIDTH_PX, type ChartText, emptyFigure, figure, legend, seriesStyle } from './figure.ts';
import { axisOf, domainOf, scaleOf } from './scale.ts';

export interface HistogramSeries {
  readonly name: string;
  /** One count per bin. */
  readonly counts: readonly number[];
}

export interface Histogram extends ChartText {
  /** Ascending; one more than there are bins. */
  readonly edges: readonly number[];
  readonly series: readonly HistogramSeries[];
  /** What is binned, with its unit. */
  readonly xTitle: string;
  /** What is counted: `pairs`. */
  readonly noun: string;
}

const HEIGHT_PX = 200;
const LEFT_PX = 46;
const RIGHT_PX = 8;
const TOP_PX = 24;
const BOTTOM_PX = 40;

/** @returns a figure; without a bin or a count, a sentence. */
export function histogram(chart: Histogram): SafeHtml {
  const bins = chart.edges.length - 1;
  const shares = chart.series.map((series) => sharesOf(series.counts.slice(0, Math.max(0, bins))));
  if (bins < 1 || !chart.edges.every(Number.isFinite) || shares.every((share) => share === null))
    return emptyFigure(chart);
  const bottom = HEIGHT_PX - BOTTOM_PX;
  const xDomain = domainOf(chart.edges);
  const xAxis = axisOf(xDomain, 6);
  const yAxis = axisOf(
    domainOf(
      shares.flatMap((share) => share ?? []),
      true,
    ),
    4,
  );
  const x = scaleOf(xAxis.domain, LEFT_PX, CHART_WIDTH_PX - RIGHT_PX);
  const y = scaleOf(yAxis.domain, bottom, TOP_PX);
  const outline = (share: readonly number[]): string => {
    const steps = share.map((value, bin) => `V${y(value)}H${x(chart.edges[bin + 1]!)}`);
    return `M${x(chart.edges[0]!)} ${bottom}${steps.join('')}V${bottom}Z`;
  };
  return figure({
    text: chart,
    heightPx: HEIGHT_PX,
    drawing: html`${yAxis.ticks.map((tick) => html`<line class="grid" x1="${LEFT_PX}" x2="${CHART_WIDTH_PX - RIGHT_PX}" y1="${y(tick)}" y2="${y(tick)}" /><text class="tick" x="${LEFT_PX - 6}" y="${y(tick) + 4}" text-anchor="end">${formatTick(tick * 100, yAxis.stepSize * 100)} %</text>`)}
      ${xAxis.ticks.map((tick) => html`<text class="tick" x="${x(tick)}" y="${bottom + 15}" text-anchor="middle">${formatTick(tick, xAxis.stepSize)}</text>`)}
      <text class="axis-title" x="0" y="11">share of ${chart.noun} of each kind</text>
      <text
        class="axis-title"
        x="${(LEFT_PX + CHART_WIDTH_PX - RIGHT_PX) / 2}"
        y="${HEIGHT_PX - 5}"
        text-anchor="middle"
        >${chart.xTitle}</text
      >
      ${shares.map((share, at) => (share === null ? null : html`<path class="outline ${seriesStyle(at)}" d="${outline(share)}" /> `))}<line
        class="base"
        x1="${LEFT_PX}"
        x2="${CHART_WIDTH_PX - RIGHT_PX}"
        y1="${bottom}"
        y2="${bottom}"
      />`,
    legend: legend(
      chart.series.map((series, at) => ({
        name: `${series.name} (${formatCount(totalOf(series.counts))})`,
        style: seriesStyle(at),
        mark: 'area',
      })),
    ),
    table: binTable(chart, bins),
  });
}

function binTable(chart: Histogram, bins: number): SafeHtml {
  const rows = Array.from({ length: bins }, (_, bin) => bin);
  return dataTable({
    caption: chart.title,
    captionHidden: true,
    rows,
    columns: [
      textColumn<number>(chart.xTitle, (bin) =>
        joined([formatNumber(chart.edges[bin]!), formatNumber(chart.edges[bin + 1]!)], ' to '),
      ),
      ...chart.series.flatMap((series) => [
        numberColumn<number>(series.name, (bin) => series.counts[bin] ?? 0, formatCount),
        numberColumn<number>(
          'share',
          (bin) => (series.counts[bin] ?? 0) / totalOf(series.counts),
          formatShare,
        ),
      ]),
    ],
  });
}

function totalOf(counts: readonly number[]): number {
  return counts.reduce((sum, count) => sum + (Number.isFinite(count) ? count : 0), 0);
}

/** Null when there is nothing to share out. */
function sharesOf(counts: readonly number[]): readonly number[] | null {
  const total = totalOf(counts);
  return total > 0 ? counts.map((count) => (Number.isFinite(count) ? count / total : 0)) : null;
}
