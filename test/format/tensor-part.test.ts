import { crc32 } from 'node:zlib';
import { tableFromIPC as flechette } from '@uwdata/flechette';
import * as arrow from 'apache-arrow';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isStillhouseError } from '../../src/core/failure.ts';
import { floatFromHalf } from '../../src/core/half.ts';
import { type TensorPart, encodePart, payloadRow } from '../../src/format/tensor-part.ts';
import { readPartIndex, readPartLayout } from '../../src/format/tensor-part-layout.ts';

function part(rows: number, shape: number[], dtype: TensorPart['dtype'] = 'float16'): TensorPart {
  const values = rows * shape.reduce((a, b) => a * b, 1);
  const payload =
    dtype === 'float16'
      ? Uint16Array.from({ length: values }, (_, i) => 0x3c00 + (i % 900))
      : Float32Array.from({ length: values }, (_, i) => i / 7);
  return {
    shape,
    dtype,
    rows,
    keys: Uint8Array.from({ length: rows * 32 }, (_, i) => (i * 7) & 255),
    views: Uint8Array.from({ length: rows * 16 }, (_, i) => (i * 3) & 255),
    ok: Uint8Array.from({ length: rows }, (_, i) => (i % 5 === 2 ? 0 : 1)),
    payload,
    metadata: { 'stillhouse.space': 'x' },
  };
}

const rangeOf = (bytes: Uint8Array) => (offset: number, length: number) =>
  Promise.resolve(bytes.slice(offset, offset + length));

async function indexOf(bytes: Uint8Array) {
  return readPartIndex(
    rangeOf(bytes),
    await readPartLayout(rangeOf(bytes), bytes.length, 'memory'),
    'memory',
  );
}

describe('a tensor part', () => {
  it('is laid out so that every row can be read by offset alone', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 40 }),
        fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 3 }),
        fc.constantFrom('float16' as const, 'float32' as const),
        async (rows, shape, dtype) => {
          const p = part(rows, shape, dtype);
          const bytes = encodePart(p);
          const layout = await readPartLayout(rangeOf(bytes), bytes.length, 'memory');
          expect(layout).toMatchObject({ rows, shape, dtype });
          const index = await readPartIndex(rangeOf(bytes), layout, 'memory');
          expect(index.keys).toEqual(p.keys);
          expect(index.views).toEqual(p.views);
          expect(index.ok).toEqual(p.ok);
          for (let i = 0; i < rows; i++) {
            const row = bytes.slice(
              layout.at.payload + i * layout.rowBytes,
              layout.at.payload + (i + 1) * layout.rowBytes,
            );
            expect(row).toEqual(payloadRow(p.payload, shape, i).slice());
            expect(crc32(row)).toBe(index.crc32[i]);
          }
        },
      ),
      { numRuns: 30 },
    );
  });

  it('gives the same bytes for the same content', () => {
    expect(encodePart(part(9, [2, 3]))).toEqual(encodePart(part(9, [2, 3])));
  });

  it('is read by arrow-js with the canonical tensor extension', () => {
    const p = part(4, [2, 3]);
    const table = arrow.tableFromIPC(encodePart(p));
    const field = table.schema.fields[4]!;
    expect(field.metadata.get('ARROW:extension:name')).toBe('arrow.fixed_shape_tensor');
    expect(JSON.parse(field.metadata.get('ARROW:extension:metadata')!)).toEqual({ shape: [2, 3] });
    expect(table.schema.metadata.get('stillhouse.part')).toBe('1');
  });

  it('is read by flechette, an Arrow reader nobody here wrote, value for value', () => {
    const p = part(6, [2, 2, 3]);
    const table = flechette(encodePart(p), { useProxy: false });
    expect(table.numRows).toBe(6);
    for (let i = 0; i < 6; i++) {
      expect(Uint8Array.from(table.getChild('key').at(i) as Uint8Array)).toEqual(
        p.keys.slice(i * 32, i * 32 + 32),
      );
      expect(table.getChild('ok').at(i)).toBe(p.ok[i] === 1);
      const row = Array.from(table.getChild('payload').at(i) as ArrayLike<number>);
      expect(row).toEqual(
        Array.from((p.payload as Uint16Array).subarray(i * 12, i * 12 + 12), floatFromHalf),
      );
    }
  });

  it('is refused when cut at any byte', async () => {
    const bytes = encodePart(part(5, [4]));
    for (let cut = 0; cut < bytes.length; cut += 13) {
      const torn = bytes.slice(0, cut);
      await expect(readPartLayout(rangeOf(torn), torn.length, 'torn.arrow')).rejects.toThrow(
        'a cache part is damaged',
      );
    }
  });

  it('with one changed bit is refused, or read with the same rows: never a defect, and never without end', async () => {
    const whole = encodePart(part(3, [2, 2]));
    const { at, rowBytes } = await readPartLayout(rangeOf(whole), whole.length, 'memory');
    const rows = await indexOf(whole);
    let refused = 0;
    for (let bit = 0; bit < whole.length * 8; bit++) {
      // payload bits are the row checksums' business
      if (bit === at.payload * 8) bit += 3 * rowBytes * 8;
      const bytes = Uint8Array.from(whole);
      bytes[bit >> 3]! ^= 1 << (bit & 7);
      try {
        expect(await indexOf(bytes), `byte ${bit >> 3}, bit ${bit & 7}`).toEqual(rows);
      } catch (error) {
        if (!isStillhouseError(error, 'integrity')) throw error;
        refused += 1;
      }
    }
    expect(refused).toBeGreaterThan(5000);
  });

  it('is refused when it is an Arrow file of another kind', async () => {
    const other = arrow.tableToIPC(arrow.tableFromArrays({ a: [1, 2, 3] }), 'file');
    await expect(readPartLayout(rangeOf(other), other.length, 'other.arrow')).rejects.toThrow(
      'an Arrow file of another kind',
    );
  });
});
