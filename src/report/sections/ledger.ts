/** A sample of the ledger: records that were seen and not kept, and why. */
import { html } from '../html.ts';
import type { LedgerEntry, LedgerFacts } from '../input.ts';
import { formatCount, plural } from '../number-format.ts';
import { codeColumn, dataTable, textColumn } from '../table.ts';
import type { Section } from './section.ts';

export function ledgerSection(ledger: LedgerFacts): Section {
  const isAll = ledger.rows.length >= ledger.total;
  return {
    id: 'ledger',
    title: 'Ledger',
    body:
      ledger.total === 0
        ? html`<p class="prose">
            Nothing was rejected. <span class="rows-in">Rows: <code>${ledger.rowsIn}</code></span>
          </p>`
        : dataTable<LedgerEntry>({
            caption: isAll
              ? `All ${plural(ledger.total, 'rejected record')}.`
              : `${formatCount(ledger.rows.length)} of ${plural(ledger.total, 'rejected record')}; the file has them all.`,
            rowsIn: ledger.rowsIn,
            rows: ledger.rows,
            columns: [
              { head: 'file', kind: 'code', cell: (row) => html`<code><bdi>${row.uri}</bdi></code>` },
              textColumn('stage', (row) => row.stage),
              textColumn('reason', (row) => row.reason),
              textColumn('detail', (row) => row.detail),
              codeColumn('image', (row) => row.imageId?.slice(0, 12) ?? 'no id'),
            ],
          }),
  };
}
