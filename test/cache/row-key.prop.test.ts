import fc from 'fast-check';
import { expect, it } from 'vitest';
import { imageId, viewId } from '../../src/core/ids.ts';
import { rowKeyOf, rowKeysOf } from '../../src/cache/row-key.ts';

const hex = (bytes: number): fc.Arbitrary<string> =>
  fc.uint8Array({ minLength: bytes, maxLength: bytes }).map((array) => Buffer.from(array).toString('hex'));
const targets = fc.array(fc.record({ image: hex(32).map(imageId), view: hex(16).map(viewId) }), {
  minLength: 1,
  maxLength: 20,
});

it('row keys survive the key and view columns of a part, in order', () => {
  fc.assert(
    fc.property(targets, (rows) => {
      const keys = Buffer.from(rows.map(({ image }) => image).join(''), 'hex');
      const views = Buffer.from(rows.map(({ view }) => view).join(''), 'hex');
      expect(rowKeysOf(keys, views)).toEqual(rows.map(rowKeyOf));
    }),
  );
});

it('row keys are read from columns that begin inside a larger buffer', () => {
  fc.assert(
    fc.property(targets, fc.integer({ min: 1, max: 9 }), (rows, lead) => {
      const inside = (text: string): Uint8Array =>
        Uint8Array.from([...new Uint8Array(lead), ...Buffer.from(text, 'hex')]).subarray(lead);
      const keys = inside(rows.map(({ image }) => image).join(''));
      const views = inside(rows.map(({ view }) => view).join(''));
      expect(rowKeysOf(keys, views)).toEqual(rows.map(rowKeyOf));
    }),
  );
});

it('two targets have one key only when image and view are the same', () => {
  const image = imageId('a'.repeat(64));
  const other = imageId('b'.repeat(64));
  const [full, crop] = [viewId('c'.repeat(32)), viewId('d'.repeat(32))];
  const keys = [image, other].flatMap((id) => [full, crop].map((view) => rowKeyOf({ image: id, view })));
  expect(new Set(keys).size).toBe(4);
  expect(keys[0]).toHaveLength(96);
});
