import { describe, expect, it } from 'vitest';
import { sampleKeys, sampleViews } from '../../../src/cache/statistics/sample-keys.ts';
import { image, keyOf } from '../rig.ts';

const KEYS = Array.from({ length: 40 }, (_, i) => keyOf(image(i)));

describe('the views that statistics are measured on', () => {
  it('are the same in any order, all where there are few, and others under another seed', () => {
    const sample = sampleKeys(KEYS, 10, 7);
    expect(sample).toHaveLength(10);
    expect(sampleKeys([...KEYS].reverse(), 10, 7)).toEqual(sample);
    expect(sampleKeys(KEYS, 10, 8)).not.toEqual(sample);
    expect(sampleKeys(KEYS, 40, 7)).toEqual(KEYS);
  });

  it.each([
    [[1024], 4096],
    [[16, 16, 768], 4096],
    [[32, 32, 1024], 1024],
    [[64, 64, 256], 256],
    [[256, 256, 8], 64],
  ])('are, for targets of %j, %i: about a million tokens', (shape, views) => {
    expect(sampleViews(shape)).toBe(views);
  });
});
