/** The frame of a section: an anchor for the contents list, a heading, and what follows. */
import { type HtmlValue, type SafeHtml, html } from '../html.ts';

export interface Section {
  /** The fragment that the contents list points at. */
  readonly id: string;
  readonly title: string;
  readonly body: HtmlValue;
}

export function sectionHtml(section: Section): SafeHtml {
  return html`<section id="${section.id}" aria-labelledby="${section.id}-title">
    <h2 id="${section.id}-title">${section.title}</h2>
    ${section.body}
  </section> `;
}

/** Figures side by side where there is room. */
export function figureGrid(figures: readonly HtmlValue[]): SafeHtml {
  return html`<div class="figures">${figures}</div>`;
}
