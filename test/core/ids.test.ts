import { describe, expect, it } from 'vitest';
import { digest, imageId, spaceId, viewId } from '../../src/core/ids.ts';

const makers = [
  { name: 'ImageId', make: imageId, good: 'ab'.repeat(32) },
  { name: 'Digest', make: digest, good: '9a'.repeat(32) },
  { name: 'ViewId', make: viewId, good: 'f0'.repeat(16) },
  { name: 'SpaceId', make: spaceId, good: 'abcdefghijklmnopqrstuvwxyz' },
];

describe.each(makers)('$name', ({ name, make, good }) => {
  it('takes its own form unchanged', () => {
    expect(make(good)).toBe(good);
  });

  it('refuses every other form and says which one it wanted', () => {
    const bad = [
      '',
      good.slice(1),
      `${good}a`,
      good.toUpperCase(),
      `${good}\n`,
      ` ${good}`,
      `g${good.slice(1)}1`,
    ];
    for (const text of bad)
      expect(() => make(text), JSON.stringify(text)).toThrow(`internal: ${name} must match`);
  });
});

it('a SpaceId has no digit that base32 lacks', () => {
  for (const digit of '0189') expect(() => spaceId(digit.repeat(26))).toThrow('SpaceId');
  expect(spaceId('234567'.padEnd(26, 'a'))).toHaveLength(26);
});
