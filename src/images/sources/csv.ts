/** CSV after RFC 4180: quotes, doubled quotes, line breaks inside quotes, CRLF or LF, an optional byte order mark. */
import { StillhouseError } from '../../core/failure.ts';

export interface CsvRow {
  /** 1-based line on which the row starts. */
  readonly line: number;
  readonly fields: readonly string[];
}

/** @throws StillhouseError `bad-input` for a quote that is never closed or stands inside a plain field. */
export function parseCsv(
  text: string,
  options: { readonly where: string; readonly delimiter?: string },
): CsvRow[] {
  const delimiter = options.delimiter ?? ',';
  const rows: CsvRow[] = [];
  let at = text.startsWith('\ufeff') ? 1 : 0;
  let line = 1;
  while (at < text.length) {
    const start = line;
    const fields: string[] = [];
    for (;;) {
      const field = text[at] === '"' ? quoted(text, at, start) : plain(text, at, delimiter);
      fields.push(field.value);
      line += field.lines;
      at = field.end;
      if (text[at] !== delimiter) break;
      at++;
    }
    if (text[at] === '\r' && text[at + 1] === '\n') at++;
    if (at < text.length && text[at] !== '\n')
      throw refused(line, `${JSON.stringify(text[at])} after a field`);
    at++;
    line++;
    // a blank line holds no record
    if (fields.length > 1 || fields[0] !== '') rows.push({ line: start, fields });
  }
  return rows;

  function quoted(source: string, from: number, startLine: number): Field {
    let end = from + 1;
    for (;;) {
      const quote = source.indexOf('"', end);
      if (quote < 0) throw refused(startLine, 'a quote that is never closed');
      if (source[quote + 1] !== '"') {
        const value = source.slice(from + 1, quote).replaceAll('""', '"');
        return { value, end: quote + 1, lines: value.split('\n').length - 1 };
      }
      end = quote + 2;
    }
  }

  function refused(atLine: number, got: string): StillhouseError {
    return new StillhouseError({
      kind: 'bad-input',
      what: 'a list that is not CSV',
      where: `${options.where}, line ${atLine}`,
      got,
      next: 'Quote fields that hold quotes, delimiters or line breaks, and double the quotes inside.',
    });
  }
}

interface Field {
  readonly value: string;
  readonly end: number;
  readonly lines: number;
}

function plain(text: string, from: number, delimiter: string): Field {
  let end = from;
  while (end < text.length && text[end] !== delimiter && text[end] !== '\n') end++;
  if (text[end] === '\n' && text[end - 1] === '\r' && end > from) end--;
  return { value: text.slice(from, end), end, lines: 0 };
}
