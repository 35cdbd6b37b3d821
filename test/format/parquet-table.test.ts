import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { tableFromIPC } from 'apache-arrow';
import fc from 'fast-check';
import { readParquet as readByWasm } from 'parquet-wasm/node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type RowOf,
  readParquet,
  readParquetMetadata,
  writeParquet,
} from '../../src/format/parquet-table.ts';

const schema = {
  name: 'string',
  label: 'string?',
  width: 'int32',
  sizeBytes: 'int64',
  score: 'double',
  rate: 'double?',
  ok: 'boolean',
  flag: 'boolean?',
  count: 'int64?',
  digest: 'bytes',
  extra: 'bytes?',
} as const;
type Row = RowOf<typeof schema>;

const text = () => fc.string({ unit: 'grapheme', maxLength: 12 });
const bytes = () => fc.uint8Array({ maxLength: 9 });
const row: fc.Arbitrary<Row> = fc.record({
  name: text(),
  label: fc.option(text()),
  width: fc.integer(),
  sizeBytes: fc.maxSafeInteger(),
  score: fc.double(),
  rate: fc.option(fc.double()),
  ok: fc.boolean(),
  flag: fc.option(fc.boolean()),
  count: fc.option(fc.maxSafeInteger()),
  digest: bytes(),
  extra: fc.option(bytes()),
});

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'stillhouse-parquet-'));
});
afterAll(() => rm(folder, { recursive: true }));

describe('a Parquet table', () => {
  it('gives back the rows it was given: nulls, NaN, -0, unicode, any number of row groups', async () => {
    const rows = fc.array(row, { maxLength: 40 });
    await fc.assert(
      fc.asyncProperty(rows, fc.integer({ min: 1, max: 50 }), async (rows, rowGroupRows) => {
        const file = writeParquet(schema, rows, { rowGroupRows });
        expect(await readParquet(file, { columns: schema })).toEqual(rows);
      }),
      { numRuns: 60 },
    );
  });

  it('keeps repeated values, which the writer stores through a dictionary', async () => {
    const rows = Array.from({ length: 5000 }, (_, i) => ({
      label: i % 3 === 0 ? null : `классы ${i % 7}`,
      score: i % 2 === 0 ? 0 : -0,
      digest: Uint8Array.of(i % 5, 0),
    }));
    const columns = { label: 'string?', score: 'double', digest: 'bytes' } as const;
    expect(await readParquet(writeParquet(columns, rows), { columns })).toEqual(rows);
  });

  it('has equal bytes for equal input, whatever the order of the metadata', () => {
    const rows = fc.sample(row, { numRuns: 30, seed: 7 });
    const one = writeParquet(schema, rows, { metadata: { a: '1', b: '2' } });
    const two = writeParquet(schema, rows, { metadata: { b: '2', a: '1' } });
    expect(Buffer.compare(one, two)).toBe(0);
  });

  it('may be empty', async () => {
    const file = writeParquet(schema, [], { metadata: { k: 'v' } });
    expect(tableFromIPC(readByWasm(file).intoIPCStream())).toMatchObject({
      numRows: 0,
      schema: { fields: Object.keys(schema).map((name) => ({ name })) },
    });
    expect(await readParquet(file, { columns: schema })).toEqual([]);
    expect(await readParquetMetadata(file)).toEqual({ k: 'v' });
    expect(await readParquet(writeParquet({ a: 'int32' }, []))).toEqual([]);
  });

  it('reads only the columns asked for, from a file as from memory', async () => {
    const rows = [
      { a: 'x', b: 1, c: true },
      { a: 'y', b: 2, c: false },
    ];
    const path = join(folder, 'three.parquet');
    await writeFile(path, writeParquet({ a: 'string', b: 'int64', c: 'boolean' }, rows));
    expect(await readParquet(path, { columns: { c: 'boolean', b: 'int64?' } })).toEqual([
      { c: true, b: 1 },
      { c: false, b: 2 },
    ]);
    expect(await readParquet(path)).toEqual(rows);
  });

  it('reads an odd view into a larger buffer', async () => {
    const file = writeParquet({ a: 'int32' }, [{ a: 7 }]);
    const larger = new Uint8Array(file.length + 9).fill(0xaa);
    larger.set(file, 3);
    expect(await readParquet(larger.subarray(3, 3 + file.length))).toEqual([{ a: 7 }]);
  });

  it('says the same through an implementation nobody here wrote', () => {
    const rows = Array.from({ length: 300 }, (_, i) => ({
      id: createHash('sha256').update(String(i)).digest('hex'),
      name: `ü\n"${'😀'.repeat(i % 3)}<script>`,
      label: i % 4 === 0 ? null : `c${i % 5}`,
      sizeBytes: 2 ** 40 + i,
      width: 1 - i,
      score: i / 7,
      ok: i % 2 === 0,
      digest: Uint8Array.of(i & 255, 0, 255),
    }));
    const columns = {
      id: 'string',
      name: 'string',
      label: 'string?',
      sizeBytes: 'int64',
      width: 'int32',
      score: 'double',
      ok: 'boolean',
      digest: 'bytes',
    } as const;
    const file = writeParquet(columns, rows, { rowGroupRows: 100 });
    const table = tableFromIPC(readByWasm(file).intoIPCStream());
    const read = table.toArray().map((line: { toJSON(): Record<string, unknown> }) => {
      const json = line.toJSON();
      return { ...json, sizeBytes: Number(json['sizeBytes']) };
    });
    expect(read).toEqual(rows);
  });
});

describe('a file that is no good table', () => {
  const whole = writeParquet({ id: 'string', n: 'int32?' }, [
    { id: 'a', n: 1 },
    { id: 'b', n: null },
  ]);

  it('is an integrity failure when torn anywhere behind its first bytes', async () => {
    for (let length = 4; length < whole.length; length++) {
      await expect(readParquet(whole.subarray(0, length)), `${length} bytes`).rejects.toMatchObject({
        name: 'StillhouseError',
        failure: { kind: 'integrity' },
      });
    }
  });

  it.each([
    ['nothing', new Uint8Array(), 'an empty file'],
    ['text', Buffer.from('id,n\na,1\n'), '"id,n"'],
  ])('is bad input when it holds %s', async (_, bytes, got) => {
    await expect(readParquet(bytes)).rejects.toMatchObject({ failure: { kind: 'bad-input', got } });
  });

  it('is bad input when missing, with the path', async () => {
    const where = join(folder, 'none.parquet');
    await expect(readParquet(where)).rejects.toMatchObject({
      failure: { kind: 'bad-input', where, got: 'ENOENT' },
    });
  });

  it.each([
    [{ id: 'string', m: 'int32' } as const, 'a table lacks a column'],
    [{ id: 'int32' } as const, 'a column has another type'],
    [{ n: 'int32' } as const, 'a column has another type'],
  ])('is bad input when %j was asked of it', async (columns, what) => {
    await expect(readParquet(whole, { columns })).rejects.toMatchObject({
      failure: { kind: 'bad-input', what },
    });
  });

  it('never ends in anything but rows or a StillhouseError when any one byte of the footer is changed', async () => {
    const footerBytes = Buffer.from(whole).readUInt32LE(whole.length - 8);
    for (let at = whole.length - 8 - footerBytes; at < whole.length; at++) {
      const broken = Uint8Array.from(whole);
      broken[at] = (broken[at] ?? 0) ^ 0x55;
      const outcome = await readParquet(broken).then(
        () => 'rows',
        (error: unknown) => (error instanceof Error ? error.name : 'odd'),
      );
      expect(['rows', 'StillhouseError']).toContain(outcome);
    }
  });
});

describe('a value that does not fit its column', () => {
  it.each([
    ['a fraction as int32', { a: 'int32' } as const, 1.5],
    ['2^31 as int32', { a: 'int32' } as const, 2 ** 31],
    ['2^53 as int64', { a: 'int64' } as const, 2 ** 53],
    ['a number as text', { a: 'string' } as const, 1],
    ['null in a required column', { a: 'string' } as const, null],
    ['half a surrogate pair', { a: 'string' } as const, '\ud800'],
  ])('is refused as a defect: %s', (_, columns, value) => {
    expect(() => writeParquet(columns, [{ a: value } as never])).toThrow(/^internal: column a\[0\]/);
  });
});
