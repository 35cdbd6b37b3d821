/** Horizontal bars, with an optional interval on each, an optional paler bar behind each, and an optional reference line. */
import { type SafeHtml, html } from '../html.ts';
import type { Measured } from '../input.ts';
import { NOT_MEASURED, formatTick, isMeasured } from '../number-format.ts';
import { dataTable, numberColumn, textColumn } from '../table.ts';
import { CHART_WIDTH_PX, type ChartText, emptyFigure, figure, legend } from './figure.ts';
import { type Axis, axisOf, domainOf, px, scaleOf, shortened } from './scale.ts';

export interface Bar {
  readonly label: string;
  readonly value: Measured;
  /** Ends of an interval around the value. */
  readonly low?: Measured | undefined;
  readonly high?: Measured | undefined;
  /** A paler bar behind: the count before, of which `value` is left. */
  readonly behind?: Measured | undefined;
  /** Class of the bar's colour: `s0` (default) to `s5`. */
  readonly style?: string | undefined;
}

export interface BarChart extends ChartText {
  readonly bars: readonly Bar[];
  /** What the bars measure, with its unit. */
  readonly axisTitle: string;
  readonly format: (value: Measured) => string;
  /** Names of the bar and the one behind it; needed when bars have `behind`. */
  readonly names?: readonly [value: string, behind: string];
  /** Fixes the axis to [0, 1] and labels it in percent. */
  readonly isShare?: boolean;
}

const LABEL_PX = 136;
const VALUE_PX = 66;
const ROW_PX = 21;
const AXIS_PX = 38;
const SHARE_AXIS: Axis = { domain: { low: 0, high: 1 }, ticks: [0, 0.25, 0.5, 0.75, 1], stepSize: 0.25 };

/** @returns a figure; no bar gives a sentence, unmeasured values say so in their row. */
export function barChart(chart: BarChart): SafeHtml {
  if (chart.bars.length === 0) return emptyFigure(chart);
  const bottom = chart.bars.length * ROW_PX + 4;
  const values = chart.bars.flatMap((bar) => [
    bar.value,
    bar.behind ?? null,
    bar.high ?? null,
    bar.low ?? null,
  ]);
  const axis: Axis = chart.isShare === true ? SHARE_AXIS : axisOf(domainOf(values, true), 4);
  const x = scaleOf(axis.domain, LABEL_PX, CHART_WIDTH_PX - VALUE_PX);
  const drawing = html`${axis.ticks.map((tick) => html`<line class="grid" x1="${x(tick)}" x2="${x(tick)}" y1="0" y2="${bottom}" /><text class="tick" x="${x(tick)}" y="${bottom + 14}" text-anchor="middle">${chart.isShare === true ? `${(tick * 100).toFixed(0)} %` : formatTick(tick, axis.stepSize)}</text>`)}
    <text
      class="axis-title"
      x="${(LABEL_PX + CHART_WIDTH_PX - VALUE_PX) / 2}"
      y="${bottom + 30}"
      text-anchor="middle"
      >${chart.axisTitle}</text
    >
    ${chart.bars.map((bar, row) => barRow(bar, row, x, chart.format))}
    <line class="base" x1="${x(0)}" x2="${x(0)}" y1="0" y2="${bottom}" />`;
  return figure({
    text: chart,
    heightPx: bottom + AXIS_PX,
    drawing,
    legend:
      chart.names === undefined
        ? undefined
        : legend([
            { name: chart.names[0], style: 's0', mark: 'area' },
            { name: chart.names[1], style: 'pale', mark: 'area' },
          ]),
    table: barTable(chart),
  });
}

function barRow(bar: Bar, row: number, x: (value: number) => number, format: BarChart['format']): SafeHtml {
  const top = row * ROW_PX + 5;
  const middle = top + 6.5;
  const rect = (value: number, style: string): SafeHtml =>
    html`<rect
      class="area ${style}"
      x="${Math.min(x(0), x(value))}"
      y="${top}"
      width="${px(Math.abs(x(value) - x(0)))}"
      height="13"
    />`;
  const label = html`<text class="label" x="${LABEL_PX - 8}" y="${middle + 4}" text-anchor="end"
    >${shortened(bar.label, 22)}</text
  >`;
  if (!isMeasured(bar.value))
    return html`${label}<text class="muted" x="${LABEL_PX + 6}" y="${middle + 4}">${NOT_MEASURED}</text> `;
  const interval =
    isMeasured(bar.low) && isMeasured(bar.high)
      ? html`<path
          class="interval"
          d="M${x(bar.low)} ${middle}H${x(bar.high)}M${x(bar.low)} ${middle - 3.5}v7M${x(bar.high)} ${middle - 3.5}v7"
        />`
      : null;
  return html`${label}${isMeasured(bar.behind) ? rect(bar.behind, 'pale') : null}${rect(bar.value, bar.style ?? 's0')}${interval}<text
      class="value"
      x="${CHART_WIDTH_PX}"
      y="${middle + 4}"
      text-anchor="end"
      >${format(bar.value)}</text
    > `;
}

function barTable(chart: BarChart): SafeHtml {
  const hasInterval = chart.bars.some((bar) => isMeasured(bar.low));
  return dataTable({
    caption: chart.title,
    captionHidden: true,
    rows: chart.bars,
    columns: [
      textColumn<Bar>('', (bar) => bar.label),
      ...(chart.names === undefined
        ? []
        : [numberColumn<Bar>(chart.names[1], (bar) => bar.behind ?? null, chart.format)]),
      numberColumn<Bar>(chart.names?.[0] ?? chart.axisTitle, (bar) => bar.value, chart.format),
      ...(hasInterval
        ? [
            numberColumn<Bar>('from', (bar) => bar.low ?? null, chart.format),
            numberColumn<Bar>('to', (bar) => bar.high ?? null, chart.format),
          ]
        : []),
    ],
  });
}
