import fc from 'fast-check';
import { expect, it } from 'vitest';
import { parseCsv } from '../../../src/images/sources/csv.ts';

const quoted = (field: string) => `"${field.replaceAll('"', '""')}"`;
const plainOrQuoted = (field: string) => (/["\r\n,]/.test(field) || field === '' ? quoted(field) : field);
const field = fc.oneof(fc.string(), fc.stringMatching(/^[",\r\n a]*$/));
const table = fc.array(fc.array(field, { minLength: 1, maxLength: 4 }), { maxLength: 5 });

it.each(['\n', '\r\n'])('CSV gives back the fields it was written from (line end %j)', (end) => {
  fc.assert(
    fc.property(table, fc.boolean(), (rows, lastEnd) => {
      fc.pre(rows.every((row) => row.length > 1 || row[0] !== ''));
      const text = rows.map((row) => row.map(plainOrQuoted).join(',')).join(end) + (lastEnd ? end : '');
      fc.pre(!text.startsWith('\ufeff'));
      expect(parseCsv(text, { where: 'x' }).map(({ fields }) => fields)).toEqual(rows);
    }),
  );
});

it('CSV counts lines across quoted breaks', () => {
  const rows = parseCsv('a\n"b\nc"\n\nd\n', { where: 'x' });
  expect(rows).toEqual([
    { line: 1, fields: ['a'] },
    { line: 2, fields: ['b\nc'] },
    { line: 5, fields: ['d'] },
  ]);
});
