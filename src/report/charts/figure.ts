/**
 * The frame of every chart: caption, legend, drawing, and the same numbers as a table for whoever cannot use the drawing.
 */
import { type HtmlValue, type SafeHtml, html } from '../html.ts';

/** Width of every drawing in its own units; it shrinks with the page and never grows. */
export const CHART_WIDTH_PX = 460;

/** How many series have a line style and colour of their own. */
export const SERIES_STYLES = 6;

export interface ChartText {
  /** What is shown, as a caption. */
  readonly title: string;
  /** How to read it, in a sentence. */
  readonly note?: string;
  /** The file with the rows, relative to the run folder. */
  readonly rowsIn?: string | undefined;
}

export interface FigureParts {
  readonly text: ChartText;
  readonly heightPx: number;
  /** Drawn inside the SVG element. */
  readonly drawing: HtmlValue;
  readonly legend?: SafeHtml | undefined;
  readonly table: SafeHtml;
}

export function figure(parts: FigureParts): SafeHtml {
  const { title, note, rowsIn } = parts.text;
  return html`<figure class="fig">
    <figcaption>
      <b>${title}.</b
      >${note === undefined ? null : html` ${note}`}${rowsIn === undefined ? null : html` <span class="rows-in">Rows: <code>${rowsIn}</code></span>`}
    </figcaption>
    ${parts.legend}
    <svg
      viewBox="0 0 ${CHART_WIDTH_PX} ${parts.heightPx}"
      width="${CHART_WIDTH_PX}"
      height="${parts.heightPx}"
      role="img"
      aria-label="${title}. The values are in the table below."
    >
      ${parts.drawing}
    </svg>
    <details>
      <summary>Values</summary>
      ${parts.table}
    </details>
  </figure>`;
}

/** The same caption with a plain sentence in place of a drawing. */
export function emptyFigure(text: ChartText): SafeHtml {
  return html`<figure class="fig empty">
    <figcaption><b>${text.title}.</b> Nothing was measured.</figcaption>
  </figure>`;
}

export interface LegendEntry {
  readonly name: string;
  /** A CSS class of the key's swatch. */
  readonly style: string;
  readonly mark: 'line' | 'area';
}

export function legend(entries: readonly LegendEntry[]): SafeHtml {
  return html`<ul class="legend">
    ${entries.map(
      (entry) =>
        html`<li>
          <svg viewBox="0 0 22 10" width="22" height="10" aria-hidden="true">
            ${
              entry.mark === 'line'
                ? html`<line class="line ${entry.style}" x1="0" x2="22" y1="5" y2="5" />`
                : html`<rect class="area ${entry.style}" x="1" y="0" width="20" height="10" />`
            }
          </svg>
          ${entry.name}
        </li>`,
    )}
  </ul>`;
}

/** The class of the n-th series; colours repeat after {@link SERIES_STYLES}. */
export function seriesStyle(index: number): string {
  return `s${index % SERIES_STYLES}`;
}
