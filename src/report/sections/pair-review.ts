/** One pair at a time, judged by keyboard, into a `waivers.json` that the gate reads. Without the script it stays hidden. */
import { type HtmlValue, html } from '../html.ts';
import type { AuditFacts } from '../input.ts';

/** The words of a waiver (audit/gate/waivers.ts), mildest first; the first one is offered. */
export const JUDGEMENT_WORDS = ['different', 'very similar', 'near', 'exact'] as const;

export function pairReview(audit: AuditFacts): HtmlValue {
  if (audit.pairs.length === 0) return null;
  return html`<div
    class="review"
    id="review"
    data-audit="${audit.digest}"
    role="group"
    aria-labelledby="review-title"
    tabindex="0"
    hidden
  >
    <h3 id="review-title">Review the pairs</h3>
    <p class="prose">
      Keys, while this box is in focus: <kbd>j</kbd> next, <kbd>k</kbd> back, <kbd>a</kbd> it is a leak,
      <kbd>w</kbd> waive it with the words below, <kbd>u</kbd> undo, <kbd>d</kbd> download
      <code>waivers.json</code> for <code>--waivers</code>. What one level alone flags comes first. A waiver
      holds for these bytes only, until its last day.
    </p>
    <p data-part="place"></p>
    <div class="pair" data-part="pair"></div>
    <p class="quiet" data-part="evidence"></p>
    <div class="fields">
      <label>Reviewer <input name="reviewer" autocomplete="name" /></label>
      <label
        >Judgement
        <select name="judgement">
          ${JUDGEMENT_WORDS.map((word) => html`<option>${word}</option>`)}
        </select></label
      >
      <label>Reason <input name="reason" /></label>
      <label>Holds until <input name="expires" type="date" /></label>
      <label>Earlier waivers.json <input name="earlier" type="file" accept=".json" /></label>
    </div>
    <p class="actions">
      <button type="button" data-action="back">back</button>
      <button type="button" data-action="next">next</button>
      <button type="button" data-action="leak">a leak</button>
      <button type="button" data-action="waive">waive</button>
      <button type="button" data-action="undo">undo</button>
      <button type="button" data-action="download">download waivers.json</button>
    </p>
    <p class="quiet"><span data-part="counts"></span>. <span role="status" data-part="status"></span></p>
  </div>`;
}
