import { describe, expect, it } from 'vitest';
import { sha256 } from '../../src/core/digest.ts';
import { isStillhouseError } from '../../src/core/failure.ts';
import { ORDER_VERSION } from '../../src/loader/order-spec.ts';
import { type Binding, orderDigest, stateAt, stepOf } from '../../src/loader/state.ts';
import { bucket, spec } from './order-specs.ts';

const keys = [sha256('keys')];
const binding: Binding = {
  snapshot: sha256('snapshot'),
  order: orderDigest(spec(), keys),
  seed: 7,
  batchSize: 24,
};

function refusal(state: unknown, to: Binding = binding): string {
  try {
    stepOf(state, to);
  } catch (error) {
    if (isStillhouseError(error, 'bad-input')) return error.message;
    throw error;
  }
  return 'accepted';
}

describe('a loader state', () => {
  it('is a few hundred bytes of JSON that give back the step', () => {
    const text = JSON.stringify(stateAt(1234, binding));
    expect(text.length).toBeLessThan(400);
    expect(stepOf(JSON.parse(text), binding)).toBe(1234);
  });

  it('of another snapshot is refused with both digests named', () => {
    const other = { ...binding, snapshot: sha256('another') };
    const message = refusal(stateAt(3, other));
    expect(message).toContain(other.snapshot);
    expect(message).toContain(binding.snapshot);
  });

  it('of another order is refused with both orders named', () => {
    const other = { ...binding, order: orderDigest(spec({ seed: 8 }), keys), seed: 8 };
    const message = refusal(stateAt(3, other));
    for (const part of [other.order, binding.order, 'seed 8', 'seed 7']) expect(message).toContain(part);
  });

  it('of another version is refused with both versions named', () => {
    const message = refusal({ ...stateAt(3, binding), algorithm: ORDER_VERSION + 1 });
    expect(message).toContain(`version ${ORDER_VERSION + 1}`);
    expect(message).toContain(`version ${ORDER_VERSION}`);
  });

  it.each([null, 'text', [], {}, { step: 3 }])('is not %j', (state) => {
    expect(refusal(state)).toContain('no loader state');
  });

  it.each([{ step: -1 }, { step: 1.5 }, { snapshot: 'abc' }, { extra: 1 }])(
    'with %j is not readable, and the field is named',
    (changes) => {
      expect(refusal({ ...stateAt(3, binding), ...changes })).toContain('not readable');
    },
  );
});

describe('the digest of an order', () => {
  it('changes with everything that changes the sequence', () => {
    const sources = spec().sources;
    const variants = [
      orderDigest(spec(), keys),
      orderDigest(spec({ seed: 8 }), keys),
      orderDigest(spec({ batchSize: 12 }), keys),
      orderDigest(spec({ last: 'keep' }), keys),
      orderDigest(spec({ shuffle: { kind: 'blocks', spread: 4 } }), keys),
      orderDigest(spec({ shuffle: { kind: 'global' } }), keys),
      orderDigest(spec({ resolutions: [1, 2] }), keys),
      orderDigest(spec(), [sha256('other keys')]),
      orderDigest(spec({ sources: [{ ...sources[0]!, weight: 2 }] }), keys),
      orderDigest(spec({ sources: [{ ...sources[0]!, buckets: [bucket('', 130, 9)] }] }), keys),
      orderDigest(spec({ sources: [{ ...sources[0]!, buckets: [bucket('', 129, 8)] }] }), keys),
    ];
    expect(new Set(variants).size).toBe(variants.length);
    expect(orderDigest(spec(), keys)).toBe(variants[0]);
  });
});
