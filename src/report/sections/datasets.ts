/** What came in: the sets, their digests and licences, and their classes. */
import { type HtmlValue, html } from '../html.ts';
import type { ClassCount, DatasetFacts } from '../input.ts';
import { formatCount, plural } from '../number-format.ts';
import { codeColumn, dataTable, numberColumn, textColumn } from '../table.ts';
import type { Section } from './section.ts';

export function datasetsSection(datasets: readonly DatasetFacts[]): Section {
  return {
    id: 'datasets',
    title: 'Datasets',
    body: html`${dataTable<DatasetFacts>({
      caption: 'Datasets. The digest is a Merkle root over image ids: equal digests mean equal images.',
      rows: datasets,
      columns: [
        textColumn('dataset', (set) => html`<bdi>${set.name}</bdi>`),
        textColumn('split', (set) => set.split),
        numberColumn('images', (set) => set.images, formatCount),
        numberColumn('classes', (set) => set.classes.length, formatCount),
        textColumn('licence', (set) => set.licence),
        codeColumn('digest', (set) => set.digest),
        ...(datasets.some((set) => set.rowsIn !== undefined)
          ? [codeColumn<DatasetFacts>('rows', (set) => set.rowsIn ?? '')]
          : []),
      ],
    })}
    ${datasets.map(classTable)}`,
  };
}

function classTable(set: DatasetFacts): HtmlValue {
  if (set.classes.length === 0) return null;
  const lost = set.classes.some((one) => one.before !== one.after);
  return html`<details>
    <summary>
      ${plural(set.classes.length, 'class', 'classes')} of <bdi>${set.name}</bdi>, ${set.split}
    </summary>
    ${dataTable<ClassCount>({
      caption: `Images per class of ${set.name}, ${set.split}`,
      captionHidden: true,
      rows: set.classes,
      columns: [
        textColumn('class', (one) => html`<bdi>${one.label}</bdi>`),
        numberColumn(lost ? 'before curation' : 'images', (one) => one.before, formatCount),
        ...(lost ? [numberColumn<ClassCount>('after', (one) => one.after, formatCount)] : []),
      ],
    })}
  </details>`;
}
