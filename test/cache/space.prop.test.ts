import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Json } from '../../src/core/canonical-json.ts';
import { codecName } from '../../src/cache/codecs/codec.ts';
import { type SpaceDescriptor, spaceFolderName, spaceIdOf, spaceLabel } from '../../src/cache/space.ts';

const text = fc.string({ maxLength: 12 });
const descriptors: fc.Arbitrary<SpaceDescriptor> = fc.record({
  v: fc.constant(1 as const),
  teacher: fc.record({ name: text, engine: text, weightsSha256: text }),
  runtime: fc.record({ engine: text, version: text, device: text, provider: text, precision: text }),
  preprocess: fc.record({ mean: fc.array(fc.integer()), resize: text, layout: text }),
  sizePx: fc.integer({ min: 1, max: 2048 }),
  tap: fc.record({ kind: fc.constantFrom('summary' as const, 'spatial' as const), rule: text }),
  shape: fc.array(fc.integer({ min: 1, max: 64 }), { minLength: 1, maxLength: 3 }),
  codec: fc.oneof(
    fc.record({ id: fc.constant('f16' as const), pool: fc.integer({ min: 2, max: 8 }) }),
    fc.record({ id: fc.constant('i8p' as const), channels: fc.nat(), statsSha256: text }),
  ),
});

/** Paths of all values that are no objects. */
function leavesOf(value: unknown, path: readonly string[] = []): string[][] {
  if (typeof value !== 'object' || value === null) return [[...path]];
  const inside = Object.entries(value).flatMap(([key, inner]) => leavesOf(inner, [...path, key]));
  return inside.length > 0 ? inside : [[...path]];
}

function changedAt(value: unknown, [key, ...rest]: readonly string[]): Json {
  if (key === undefined) {
    if (typeof value === 'string') return `${value}'`;
    return typeof value === 'number' ? value + 1 : ['now something'];
  }
  const copy = structuredClone(value) as Record<string, unknown>;
  copy[key] = changedAt(copy[key], rest);
  return copy as unknown as Json;
}

/** The same value with the keys of every object in reverse order of insertion. */
function reversed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reversed);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([key, inner]) => [key, reversed(inner)]),
  );
}

describe('the id of a space', () => {
  it('changes with any field of its description', () => {
    fc.assert(
      fc.property(descriptors, (space) => {
        for (const path of leavesOf(space)) {
          const other = changedAt(space, path) as unknown as SpaceDescriptor;
          expect(spaceIdOf(other), path.join('.')).not.toBe(spaceIdOf(space));
        }
      }),
    );
  });

  it('does not depend on the order of keys', () => {
    fc.assert(
      fc.property(descriptors, (space) => {
        const other = reversed(space) as SpaceDescriptor;
        expect(Object.keys(other)).toEqual(Object.keys(space).reverse());
        expect(spaceIdOf(other)).toBe(spaceIdOf(space));
      }),
    );
  });

  it('is 26 characters that any file system keeps apart', () => {
    fc.assert(
      fc.property(descriptors, (space) => {
        expect(spaceIdOf(space)).toMatch(/^[a-z2-7]{26}$/);
        expect(spaceFolderName(space)).toBe(
          `${spaceLabel(space)}.${codecName(space.codec)}.${spaceIdOf(space)}`,
        );
      }),
    );
  });
});
