/** Pairs side by side. All are in the page; the script, where it runs, adds buttons that show one level at a time. */
import { type HtmlValue, type SafeHtml, html, imageSource } from '../html.ts';
import type { AuditFacts, PairExample, PairType, Thumbnail } from '../input.ts';
import { formatCount, formatNumber, plural } from '../number-format.ts';

/** As embedded; the page shows them smaller in galleries. */
export const THUMBNAIL_SIDE_PX = 96;

const SIDES: Readonly<Record<PairType, readonly [left: string, right: string]>> = {
  'eval-train': ['evaluation', 'training'],
  'val-train': ['validation', 'training'],
  'eval-val': ['evaluation', 'validation'],
  'within-train': ['training', 'training'],
  'within-val': ['validation', 'validation'],
  'within-eval': ['evaluation', 'evaluation'],
};

export function pairGallery(audit: AuditFacts): HtmlValue {
  if (audit.pairs.length === 0) return null;
  const levels = [...new Set(audit.pairs.map((pair) => pair.level))];
  const countOf = (level: string): number => audit.pairs.filter((pair) => pair.level === level).length;
  const shown =
    audit.pairs.length < audit.pairsTotal
      ? `${formatCount(audit.pairs.length)} of ${plural(audit.pairsTotal, 'pair')}`
      : plural(audit.pairs.length, 'pair');
  return html`<h3 id="pairs-title">Pairs to look at</h3>
    <p class="prose">
      ${shown}; evaluation image on the left, training image on the right where a pair spans the two sets.
      <span class="rows-in">Rows: <code>${audit.rowsIn}</code></span>
    </p>
    <div class="filter" role="group" aria-label="Show pairs by evidence" data-filter="pairs" hidden>
      <button type="button" aria-pressed="true">
        all <span class="quiet">${formatCount(audit.pairs.length)}</span>
      </button>
      ${levels.map((level) => html`<button type="button" aria-pressed="false" data-level="${level}">${level} <span class="quiet">${formatCount(countOf(level))}</span></button> `)}<span
        class="quiet"
        role="status"
      ></span>
    </div>
    <ul class="gallery" id="pairs" aria-labelledby="pairs-title">
      ${audit.pairs.map(pairItem)}
    </ul>`;
}

function pairItem(pair: PairExample): SafeHtml {
  const [left, right] = SIDES[pair.pairType];
  const evidence = `${pair.level} ${formatNumber(pair.score)}`;
  const named =
    pair.waiver === null
      ? null
      : html` data-type="${pair.waiver.type}" data-a="${pair.waiver.a}" data-b="${pair.waiver.b}"
        data-evidence="${evidence}"`;
  return html`<li data-level="${pair.level}" ${named}>
    <div class="duo">${thumbnail(pair.left, left)}${thumbnail(pair.right, right)}</div>
    <p class="names">
      <bdi>${pair.left.name}</bdi
      >${pair.left.name === pair.right.name ? null : html`<br /><bdi>${pair.right.name}</bdi>`}
    </p>
    <p class="facts">${evidence}<br />${pair.verdict}</p>
    <p class="decision"></p>
  </li> `;
}

/** An image with its name and set as alternative text; an empty frame when there is no image. */
export function thumbnail(one: Thumbnail, set: string): SafeHtml {
  const source = imageSource(one.dataUri);
  const alt = set === '' ? one.name : `${one.name}, ${set} set`;
  return source === null
    ? html`<span class="thumb missing" role="img" aria-label="${alt}, no thumbnail"></span>`
    : html`<img
        class="thumb"
        src="${source}"
        alt="${alt}"
        width="${THUMBNAIL_SIDE_PX}"
        height="${THUMBNAIL_SIDE_PX}"
      />`;
}
