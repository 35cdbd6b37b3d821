import * as arrow from 'apache-arrow';
import { describe, expect, it } from 'vitest';
import { ARROW_FOOTER, assertVectorsFit } from '../../src/format/flatbuffer-vectors.ts';

/** The footer of an Arrow file with one column. */
function footer(): Uint8Array {
  const file = arrow.tableToIPC(arrow.tableFromArrays({ a: Int32Array.of(1, 2, 3) }), 'file');
  const length = new DataView(file.buffer, file.byteOffset).getInt32(file.length - 10, true);
  return file.slice(file.length - 10 - length, file.length - 10);
}

/** Where 32-bit words of the footer hold `value`. */
const wordsOf = (bytes: Uint8Array, value: number): number[] =>
  Array.from({ length: bytes.length >> 2 }, (_, i) => i * 4).filter(
    (at) => new DataView(bytes.buffer, bytes.byteOffset).getUint32(at, true) === value,
  );

describe('the vectors of an Arrow footer', () => {
  it('fit in a file as arrow writes it', () => {
    expect(() => {
      assertVectorsFit(footer(), ARROW_FOOTER);
    }).not.toThrow();
  });

  it('do not when a count says more than the bytes can hold', () => {
    // the one field, or the one record batch: every word that is 1 in turn; at least these two are counts
    const counts = wordsOf(footer(), 1).filter((at) => {
      const bytes = footer();
      new DataView(bytes.buffer).setUint32(at, 0x7fff_ffff, true);
      try {
        assertVectorsFit(bytes, ARROW_FOOTER);
        return false;
      } catch (error) {
        expect(error).toBeInstanceOf(RangeError);
        return true;
      }
    });
    expect(counts.length).toBeGreaterThanOrEqual(2);
  });

  it('do not when tables point at each other so that walking them would take for ever', () => {
    // Field 5 (children) of every Field leads to a vector of Fields; here each of 30 levels names the next one twice
    const levels = 30;
    const view = new DataView(new ArrayBuffer(32 + 32 * (levels + 1)));
    const vtableOf = (table: number, vtable: number): void => {
      view.setInt32(table, table - vtable, true);
    };
    // root -> a Field table at 28; one vtable at 8 with 6 fields, children at +4
    view.setUint32(0, 28, true);
    view.setUint16(8, 16, true);
    view.setUint16(8 + 4 + 2 * 5, 4, true);
    let table = 28;
    for (let level = 0; level < levels; level++) {
      vtableOf(table, 8);
      const vector = table + 8;
      view.setUint32(table + 4, 4, true);
      view.setUint32(vector, 2, true);
      const next = table + 32;
      for (const slot of [vector + 4, vector + 8]) view.setUint32(slot, next - slot, true);
      table = next;
    }
    vtableOf(table, 8);
    const field = { vectors: { 5: () => field } };
    expect(() => {
      assertVectorsFit(new Uint8Array(view.buffer), field);
    }).toThrow(RangeError);
  });
});
