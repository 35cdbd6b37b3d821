import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isStillhouseError } from '../../src/core/failure.ts';
import { type NamedTensor, decodeSafetensors, encodeSafetensors } from '../../src/format/safetensors.ts';

const tensor = fc.array(fc.nat(3), { maxLength: 3 }).chain((shape) =>
  fc
    .float32Array({
      minLength: shape.reduce((a, b) => a * b, 1),
      maxLength: shape.reduce((a, b) => a * b, 1),
    })
    .map((values): NamedTensor => ({ shape, values })),
);
const name = fc.string({ minLength: 1, maxLength: 8 }).filter((text) => text !== '__proto__');
const content = fc.record({
  tensors: fc.array(fc.tuple(name, tensor), { maxLength: 5 }).map((entries) => new Map(entries)),
  metadata: fc.dictionary(name, fc.string(), { noNullPrototype: true }),
});

function file(header: string, data: Uint8Array = new Uint8Array()): Uint8Array {
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(Buffer.byteLength(header)));
  return Buffer.concat([length, Buffer.from(header), data]);
}

function refused(bytes: Uint8Array): string {
  try {
    decodeSafetensors(bytes, 'f');
  } catch (error) {
    if (isStillhouseError(error, 'integrity')) return error.message;
    throw error;
  }
  throw new Error('was accepted');
}

describe('safetensors', () => {
  it('reads back what it wrote', () => {
    fc.assert(
      fc.property(content, (value) => {
        expect(decodeSafetensors(encodeSafetensors(value), 'f')).toEqual({
          metadata: value.metadata,
          tensors: new Map([...value.tensors].sort(([a], [b]) => (a < b ? -1 : 1))),
        });
      }),
    );
  });

  it('keeps float64 whole, and a reader of one type refuses the other', () => {
    fc.assert(
      fc.property(fc.float64Array({ minLength: 6, maxLength: 6 }), (values) => {
        const tensors = new Map([['a', { shape: [2, 3], values }]]);
        const bytes = encodeSafetensors<'F64'>({ tensors, metadata: {} });
        expect(decodeSafetensors(bytes, 'f', 'F64').tensors.get('a')!.values).toEqual(values);
        expect(refused(bytes)).toContain('dtype F32');
      }),
    );
  });

  it('writes the same bytes whatever the order of names', () => {
    fc.assert(
      fc.property(content, ({ tensors, metadata }) => {
        const turned = {
          tensors: new Map([...tensors].reverse()),
          metadata: Object.fromEntries(Object.entries(metadata).reverse()),
        };
        expect(encodeSafetensors(turned)).toEqual(encodeSafetensors({ tensors, metadata }));
      }),
    );
  });

  it('has the published layout', () => {
    const bytes = encodeSafetensors({
      tensors: new Map([['w', { shape: [2], values: Float32Array.of(1, -2) }]]),
      metadata: { a: 'b' },
    });
    const header = '{"__metadata__":{"a":"b"},"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}';
    const padded = header.padEnd(Math.ceil(header.length / 8) * 8, ' ');
    expect(Buffer.from(bytes).equals(file(padded, Uint8Array.of(0, 0, 128, 63, 0, 0, 0, 192)))).toBe(true);
  });

  it('refuses truncation at every byte', () => {
    const bytes = encodeSafetensors({
      tensors: new Map([['w', { shape: [2], values: Float32Array.of(1, 2) }]]),
      metadata: {},
    });
    for (let length = 0; length < bytes.length; length++)
      expect(refused(bytes.subarray(0, length))).toContain('damaged');
  });

  it.each([
    ['a length beyond the file', Uint8Array.of(255, 255, 255, 255, 255, 255, 255, 255)],
    ['no JSON', file('{')],
    ['a list', file('[]')],
    ['another dtype', file('{"w":{"dtype":"F16","shape":[2],"data_offsets":[0,4]}}', new Uint8Array(4))],
    [
      'a size that does not fit',
      file('{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}', new Uint8Array(4)),
    ],
    ['a hole', file('{"w":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}', new Uint8Array(8))],
    ['bytes left over', file('{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', new Uint8Array(8))],
    ['a negative size', file('{"w":{"dtype":"F32","shape":[-1],"data_offsets":[0,-4]}}')],
    ['metadata that is no text', file('{"__metadata__":{"a":1}}')],
    [
      'overlap',
      file(
        '{"v":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}',
        new Uint8Array(4),
      ),
    ],
  ])('refuses %s', (_, bytes) => {
    expect(refused(bytes)).toContain('damaged');
  });
});
