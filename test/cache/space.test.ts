import { expect, it } from 'vitest';
import { spaceFolderName, spaceIdOf, spaceLabel } from '../../src/cache/space.ts';
import { space } from './rig.ts';

it('the id of a description stays what it is: caches on disk are found by it', () => {
  expect(spaceIdOf(space())).toBe('z5u5sx7ld55awjwuqjpbnrjbx2');
});

it('a label names teacher, size and kind; the folder name adds the id', () => {
  const map = space({ sizePx: 224, tap: { kind: 'spatial', rule: null } });
  expect(spaceLabel(map)).toBe('sums@224.spatial');
  expect(spaceFolderName(map)).toBe(`sums@224.spatial.${spaceIdOf(map)}`);
});
