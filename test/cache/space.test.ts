import { expect, it } from 'vitest';
import { exactSpaceIdOf, spaceFolderName, spaceIdOf, spaceLabel } from '../../src/cache/space.ts';
import { space } from './rig.ts';

it('the id of a description stays what it is: caches on disk are found by it', () => {
  expect(spaceIdOf(space())).toBe('ent3gpjzxxqsn5pzjvsfg5iemc');
});

it('a label names teacher, size and kind; the folder name adds codec and id', () => {
  const map = space({ sizePx: 224, tap: { kind: 'spatial', rule: null } });
  expect(spaceLabel(map)).toBe('sums@224.spatial');
  expect(spaceFolderName(map)).toBe(`sums@224.spatial.f16.${spaceIdOf(map)}`);
});

it('the codecs of one exact space share its id, and each has one of its own', () => {
  const spaces = [{ id: 'f32' }, { id: 'f16' }, { id: 'f16', pool: 2 }] as const;
  const all = spaces.map((codec) => space({ codec }));
  expect(new Set(all.map(exactSpaceIdOf)).size).toBe(1);
  expect(new Set(all.map(spaceIdOf)).size).toBe(3);
  expect(exactSpaceIdOf(space({ sizePx: 3 }))).not.toBe(exactSpaceIdOf(space()));
});
