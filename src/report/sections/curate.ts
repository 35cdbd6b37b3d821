/** What was kept, what was not and why, and what that did to the classes. */
import { barChart } from '../charts/bars.ts';
import { type HtmlValue, type SafeHtml, html } from '../html.ts';
import type { CurateFacts } from '../input.ts';
import { formatCount, formatShare, plural } from '../number-format.ts';
import { thumbnail } from './pair-gallery.ts';
import { type Section, figureGrid } from './section.ts';

const MOST_CLASSES_DRAWN = 30;

export function curateSection(curate: CurateFacts): Section {
  const reasons = Object.entries(curate.rejected).sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1));
  return {
    id: 'curate',
    title: 'Curation',
    body: html`<p class="prose">
        ${formatCount(curate.kept)} of ${plural(curate.seen, 'image')} kept
        (${formatShare(curate.kept / curate.seen)}). Every image that was not has one line in the ledger.
      </p>
      ${figureGrid([
        barChart({
          title: 'Images kept and rejected, by reason',
          rowsIn: curate.rowsIn,
          axisTitle: 'images',
          format: formatCount,
          bars: [
            { label: 'kept', value: curate.kept, style: 's0' },
            ...reasons.map(([label, value]) => ({ label, value, style: 's1' })),
          ],
        }),
        classChart(curate),
      ])}
      ${examples(curate)}`,
  };
}

/** The largest classes before curation; a set of a thousand classes would fill the page. */
function classChart(curate: CurateFacts): SafeHtml {
  const shown = curate.classes
    .toSorted((a, b) => b.before - a.before || (a.label < b.label ? -1 : 1))
    .slice(0, MOST_CLASSES_DRAWN);
  return barChart({
    title: 'Images per class before and after',
    ...(shown.length < curate.classes.length
      ? { note: `The ${shown.length} largest of ${formatCount(curate.classes.length)} classes.` }
      : {}),
    rowsIn: curate.rowsIn,
    axisTitle: 'images',
    format: formatCount,
    names: ['after curation', 'before'],
    bars: shown.map((one) => ({ label: one.label, value: one.after, behind: one.before })),
  });
}

function examples(curate: CurateFacts): HtmlValue {
  if (curate.examples.length === 0) return null;
  return html`<h3 id="rejected-title">Rejected, for example</h3>
    <ul class="gallery singles" aria-labelledby="rejected-title">
      ${curate.examples.map(
        (one) =>
          html`<li>
            <div class="duo">${thumbnail(one.thumbnail, '')}</div>
            <p class="names"><bdi>${one.thumbnail.name}</bdi></p>
            <p class="facts">${one.reason}<br />${one.detail}</p>
          </li> `,
      )}
    </ul>`;
}
