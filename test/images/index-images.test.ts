import { symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { sha256 } from '../../src/core/digest.ts';
import { type IndexOptions, INDEX_REASONS, indexImages } from '../../src/images/index-images.ts';
import type { SourceRecord } from '../../src/images/source-record.ts';
import { recordsOf } from '../../src/images/sources/source.ts';
import { noisePng, png, put, tempFolder } from './tiny-images.ts';

const header = { name: 'toy', licence: 'CC0-1.0', split: 'train' };
const record = (uri: string, change: Partial<SourceRecord> = {}): SourceRecord => ({
  uri,
  name: uri,
  label: null,
  split: null,
  group: null,
  ...change,
});

const indexed = (root: string, records: readonly SourceRecord[], change: Partial<IndexOptions> = {}) =>
  indexImages({ records, header, places: { root, packagesFrom: [] }, ...change });

describe('indexImages', () => {
  it('turns every record into a row or a ledger row with its reason', async () => {
    const whole = await noisePng(1, 40, 30);
    const root = await tempFolder({
      'a.png': whole,
      'b.png': await noisePng(2),
      'copy.png': whole,
      'cut.png': whole.subarray(0, whole.length / 2),
      'empty.png': '',
      'text.png': 'hello',
      'bomb.png': png({ width: 30_000, height: 30_000 }, Buffer.alloc(1000)),
    });
    const names = [
      'a.png',
      'b.png',
      'copy.png',
      'cut.png',
      'empty.png',
      'text.png',
      'bomb.png',
      'gone.png',
      '../x',
    ];
    const result = await indexed(root, [...names.map((name) => record(name)), record('b.png')]);
    expect(result.seen).toBe(10);
    expect(result.rows.length + result.ledger.length).toBe(10);
    expect(result.rows).toEqual([
      {
        id: sha256(whole),
        uri: 'a.png',
        name: 'a.png',
        sizeBytes: whole.length,
        width: 40,
        height: 30,
        format: 'png',
        label: null,
        split: 'train',
        group: null,
        source: 'toy',
        licence: 'CC0-1.0',
      },
      expect.objectContaining({ name: 'b.png', width: 8, height: 6 }),
    ]);
    expect(result.ledger.map(({ uri, reason }) => [uri, reason])).toEqual([
      ['../x', 'unreadable'],
      ['b.png', 'duplicate-name'],
      ['bomb.png', 'too-many-pixels'],
      ['copy.png', 'duplicate-bytes'],
      ['cut.png', 'corrupt'],
      ['empty.png', 'empty-file'],
      ['gone.png', 'missing'],
      ['text.png', 'not-an-image'],
    ]);
    expect(new Set(result.ledger.map(({ reason }) => reason))).toEqual(new Set(INDEX_REASONS));
    expect(result.ledger.find(({ uri }) => uri === 'copy.png')).toEqual({
      imageId: sha256(whole),
      uri: 'copy.png',
      stage: 'index',
      reason: 'duplicate-bytes',
      detail: 'same bytes as a.png',
    });
  });

  it('gives the same result for any order of records and any concurrency', async () => {
    const root = await tempFolder();
    const names = Array.from({ length: 24 }, (_, i) => `${i}.png`);
    for (const [i, name] of names.entries()) await writeFile(join(root, name), await noisePng(i % 9));
    const records = names.map((name) => record(name));
    const one = await indexed(root, records, { concurrency: 1 });
    const other = await indexed(root, [...records].reverse(), { concurrency: 7 });
    expect(other).toEqual(one);
    expect(one.rows).toHaveLength(9);
    expect(one.rows.map(({ name }) => name)).toEqual([...one.rows.map(({ name }) => name)].sort());
  });

  it('takes split, label and group from the record, renames labels, and falls back to the header', async () => {
    const root = await tempFolder({ 'a.png': await noisePng(1), 'b.png': await noisePng(2) });
    const records = [
      record('a.png', { label: 'n02', split: 'eval', group: 'g' }),
      record('b.png', { label: 'constructor' }),
    ];
    const { rows } = await indexed(root, records, { header: { ...header, labels: { n02: 'cat' } } });
    expect(rows.map(({ label, split, group }) => [label, split, group])).toEqual([
      ['cat', 'eval', 'g'],
      ['constructor', 'train', null],
    ]);
  });

  it('indexes names of quotes, newlines, markup and bytes that are no text', async () => {
    const root = await tempFolder();
    const names = [
      'a"b\'.png',
      'line\nbreak.png',
      '<script>alert(1)</script>.png',
      'percent%41.png',
      'ü.png',
    ].map((n) => Buffer.from(n.replaceAll('/', ':')));
    names.push(Buffer.concat([Buffer.from([0xff, 0xfe, 0x80]), Buffer.from('.png')]));
    for (const [i, name] of names.entries()) {
      await put(Buffer.concat([Buffer.from(`${root}/`), name]), await noisePng(i));
    }
    const records = recordsOf(
      { kind: 'folder', path: '.', extensions: ['png'], label: 'none', group: 'none' },
      { root, packagesFrom: [] },
    );
    const { rows, ledger, seen } = await indexImages({ records, header, places: { root, packagesFrom: [] } });
    expect([rows.length, ledger.length, seen]).toEqual([6, 0, 6]);
    expect(rows.map(({ uri }) => uri)).toContain('%FF%FE%80.png');
    expect(rows.map(({ uri }) => uri)).toContain('line%0Abreak.png');
  });

  it('has nothing to say about an empty dataset', async () => {
    expect(await indexed('/nowhere', [])).toEqual({ rows: [], ledger: [], seen: 0 });
  });

  it('stops when aborted, with the reason given', async () => {
    const root = await tempFolder({ 'a.png': await noisePng() });
    const abort = new AbortController();
    const reason = new Error('enough');
    const records = Array.from({ length: 50 }, () => record('a.png'));
    const run = indexed(root, records, {
      signal: abort.signal,
      concurrency: 2,
      onProgress: (done) => {
        if (done === 3) abort.abort(reason);
      },
    });
    await expect(run).rejects.toBe(reason);
  });

  it('stops when a package is missing: that is no fault of one image', async () => {
    const run = indexed('/nowhere', [record('npm:no-such-package-here/a.png')]);
    await expect(run).rejects.toMatchObject({ failure: { kind: 'environment' } });
  });

  it('reports progress to the last record', async () => {
    const root = await tempFolder({ 'a.png': await noisePng() });
    const calls: string[] = [];
    await indexed(root, [record('a.png'), record('b.png')], {
      onProgress: (done, of) => calls.push(`${done}/${of}`),
    });
    expect(calls).toEqual(['1/2', '2/2']);
  });

  it('follows a dangling link into the ledger', async () => {
    const root = await tempFolder();
    await symlink(join(root, 'nowhere'), join(root, 'a.png'));
    const { ledger } = await indexed(root, [record('a.png')]);
    expect(ledger).toMatchObject([{ reason: 'missing' }]);
  });
});
