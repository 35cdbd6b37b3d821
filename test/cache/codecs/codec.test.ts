import { describe, expect, it } from 'vitest';
import {
  codecName,
  codecNamed,
  codecSpecSchema,
  isRotated,
  needsStatistics,
} from '../../../src/cache/codecs/codec.ts';

const statsSha256 = 'a'.repeat(64);

describe('a codec in a pipeline file', () => {
  it.each([
    ['i8p', { id: 'i8p' }],
    [
      { id: 'f16', pool: 2 },
      { id: 'f16', pool: 2 },
    ],
    [
      { id: 'i4p', channels: 64, statsSha256 },
      { id: 'i4p', channels: 64, statsSha256 },
    ],
  ])('is its name alone or a name with parameters: %j', (given, codec) => {
    expect(codecSpecSchema.parse(given)).toEqual(codec);
  });

  it.each([
    ['f8', 'an unknown name'],
    [{ id: 'f16', pool: 1 }, 'a pool that does nothing: it would be a second description of f16'],
    [{ id: 'i8c', channels: 8 }, 'dropped channels without a rotation'],
    [{ id: 'f16', statsSha256 }, 'statistics that are of no use'],
    [{ id: 'i8p', statsSha256: 'abc' }, 'a digest that is none'],
    [{ id: 'i8p', blocks: 2 }, 'an unknown key'],
  ] as [unknown, string][])('%j is refused: %s', (given: unknown) => {
    expect(codecSpecSchema.safeParse(given).success).toBe(false);
  });
});

describe('the name of a codec', () => {
  it.each([
    [{ id: 'f32' }, 'f32'],
    [{ id: 'f16', pool: 2 }, 'f16-pool2'],
    [{ id: 'i8p', channels: 64 }, 'i8p-c64'],
    [{ id: 'i4p', pool: 3, channels: 7 }, 'i4p-pool3-c7'],
  ] as const)('of %j is %s, and leads back to it', (codec, name) => {
    expect(codecName(codec)).toBe(name);
    expect(codecNamed(name)).toEqual(codec);
  });

  it('leaves the statistics out', () => {
    expect(codecName({ id: 'i8p', statsSha256 })).toBe('i8p');
  });

  it.each(['', 'f8', 'f16-pool1', 'f16-c4', 'i8p-c0', 'i8p-c4-pool2', 'nanodet'])('is not "%s"', (name) => {
    expect(codecNamed(name)).toBeNull();
  });
});

it('only the rotated codecs and i8c are built from statistics', () => {
  const ids = ['f32', 'f16', 'i8c', 'i8p', 'i4p'] as const;
  expect(ids.filter((id) => needsStatistics({ id }))).toEqual(['i8c', 'i8p', 'i4p']);
  expect(ids.filter((id) => isRotated({ id }))).toEqual(['i8p', 'i4p']);
});
