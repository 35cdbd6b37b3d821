import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { listRecords, listSourceSchema } from '../../../src/images/sources/list.ts';
import { listOf, tempFolder } from '../tiny-images.ts';

const read = async (file: string, text: string, options: Record<string, unknown> = {}) => {
  const root = await tempFolder({ [file]: text });
  return listOf(listRecords(listSourceSchema.parse({ kind: 'list', file, ...options }), root));
};
const columns = { path: 'p', label: 'l', split: 's', group: 'g', name: 'n' };

describe('the list source', () => {
  it('reads a CSV with quotes, commas, line breaks and CRLF', async () => {
    const text = '\ufeffp,l,s,g,n\r\n"a ""b"",\n c.png",cat,eval,g1,one\r\nü.png,,,,\r\n';
    expect(await read('list.csv', text, { columns })).toEqual([
      { uri: 'a%20%22b%22%2C%0A%20c.png', name: 'one', label: 'cat', split: 'eval', group: 'g1' },
      { uri: '%C3%BC.png', name: '%C3%BC.png', label: null, split: null, group: null },
    ]);
  });

  it('reads JSONL, numbers and booleans as their text', async () => {
    const text = '{"p":"a.png","l":3,"g":true,"n":"x"}\n\n{"p":"b.png","l":null,"extra":[1]}\n';
    expect(await read('list.jsonl', text, { columns })).toEqual([
      { uri: 'a.png', name: 'x', label: '3', split: null, group: 'true' },
      { uri: 'b.png', name: 'b.png', label: null, split: null, group: null },
    ]);
  });

  it('keeps npm: uris as they are, and a row without a path as a record', async () => {
    const records = await read('list.csv', 'path,x\nnpm:p/a%20b.png,1\n,2\n');
    expect(records.map(({ uri }) => uri)).toEqual(['npm:p/a%20b.png', '']);
  });

  it('takes absolute paths below the root, and keeps others for the ledger', async () => {
    const root = await tempFolder();
    await writeFile(join(root, 'l.csv'), `path\n${root}/a/b%.png\n/elsewhere/c.png\n${root}\n`);
    const records = await listOf(listRecords(listSourceSchema.parse({ kind: 'list', file: 'l.csv' }), root));
    expect(records.map(({ uri }) => uri)).toEqual(['a/b%25.png', '/elsewhere/c.png', root]);
  });

  it('takes another delimiter and a stated format', async () => {
    const records = await read('list.txt', 'path\tlabel\na,b.png\tc\n', {
      format: 'csv',
      delimiter: '\t',
      columns: { path: 'path', label: 'label' },
    });
    expect(records).toMatchObject([{ uri: 'a%2Cb.png', label: 'c' }]);
  });

  it.each([
    [
      'a missing column',
      'list.csv',
      'file,l\n',
      { what: 'a list lacks a column', wanted: 'path', got: 'file, l' },
    ],
    ['an empty file', 'list.csv', '', { what: 'a list lacks a column', got: 'an empty file' }],
    ['a short row', 'list.csv', 'path,l\n\na.png\n', { what: 'a row of another length', got: '1' }],
    ['an open quote', 'list.csv', 'path\n"a.png\n', { what: 'a list that is not CSV' }],
    ['text after a quote', 'list.csv', 'path\n"a"b\n', { what: 'a list that is not CSV' }],
    ['broken JSON', 'list.jsonl', '{"path":"a"}\n{"path":\n', { what: 'a line that is not a JSON object' }],
    ['a JSON array', 'list.jsonl', '[1]\n', { what: 'a line that is not a JSON object', got: '[1]' }],
  ])('refuses %s, naming the line', async (_, file, text, failure) => {
    await expect(read(file, text)).rejects.toMatchObject({
      failure: { kind: 'bad-input', where: expect.stringMatching(/, line [123]$/), ...failure },
    });
  });

  it('says which list is missing', async () => {
    const source = listSourceSchema.parse({ kind: 'list', file: 'none.csv' });
    await expect(listOf(listRecords(source, '/nowhere'))).rejects.toMatchObject({
      failure: { kind: 'bad-input', where: '/nowhere/none.csv', got: 'ENOENT' },
    });
  });
});
