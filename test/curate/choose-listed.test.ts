import { describe, expect, it } from 'vitest';
import { type ListEntry, chooseLicensed, chooseListed } from '../../src/curate/choose-listed.ts';
import { idOf, rowOf } from '../audit/sample-images.ts';
import { failing } from '../support/failing.ts';

const rows = [
  rowOf('cats/a'),
  rowOf('cats/deep/b', { source: 'web' }),
  rowOf('dogs/c', { licence: 'MIT' }),
  rowOf('dogs/caf%C3%A9'),
];
const namesAfter = (lists: { include?: ListEntry[]; exclude?: ListEntry[] }): string[] =>
  chooseListed({ rows, include: [], exclude: [], ...lists }).kept.map(({ name }) => name);

describe('chooseListed', () => {
  it('keeps all without lists, and only what is included with one', () => {
    expect(namesAfter({})).toHaveLength(4);
    expect(namesAfter({ include: [{ path: 'cats/*' }] })).toEqual(['cats/a']);
    expect(namesAfter({ include: [{ path: 'cats/**' }] })).toEqual(['cats/a', 'cats/deep/b']);
    expect(namesAfter({ include: [{ path: '**/?.png' }] })).toEqual(['cats/a', 'cats/deep/b', 'dogs/c']);
    expect(namesAfter({ include: [{ path: 'dogs/café.png' }] })).toEqual(['dogs/caf%C3%A9']);
    expect(namesAfter({ include: [{ source: 'web' }, { id: idOf('dogs/c').slice(0, 8) }] })).toEqual([
      'cats/deep/b',
      'dogs/c',
    ]);
  });

  it('excludes what is also included, and says by which entry', () => {
    const { kept, rejected } = chooseListed({
      rows,
      include: [{ path: 'cats/**' }],
      exclude: [{ id: idOf('cats/a') }],
    });
    expect(kept.map(({ name }) => name)).toEqual(['cats/deep/b']);
    expect(rejected.map(({ uri, reason, threshold }) => [uri, reason, threshold])).toEqual([
      ['cats/a.png', 'excluded', `id ${idOf('cats/a')}`],
      ['dogs/c.png', 'not-included', null],
      ['dogs/caf%C3%A9.png', 'not-included', null],
    ]);
  });

  it('names the first of the entries that exclude an image, whatever their kinds', () => {
    const entries: ListEntry[] = [
      { source: 'web' },
      { id: idOf('cats/deep/b').slice(0, 12) },
      { path: 'cats/deep/b.png' },
      { path: '**/b.png' },
    ];
    for (const [first, ...rest] of entries.map((_, i) => [...entries.slice(i), ...entries.slice(0, i)])) {
      const { rejected } = chooseListed({ rows, include: [], exclude: [first!, ...rest] });
      const [[kind, name]] = Object.entries(first!) as [[string, string]];
      expect(rejected.map(({ threshold }) => threshold)).toEqual([`${kind} ${name}`]);
    }
  });

  it('looks at a list of ids once for each image', () => {
    const many = Array.from({ length: 20_000 }, (_, i) => rowOf(`m${i}`));
    const exclude = many.slice(0, 19_999).map(({ id }): ListEntry => ({ id }));
    const started = process.cpuUsage().user;
    const { kept } = chooseListed({ rows: many, include: [], exclude });
    // entry by entry these are 200 million comparisons and several seconds
    expect(process.cpuUsage().user - started).toBeLessThan(1_500_000);
    expect(kept.map(({ name }) => name)).toEqual(['m19999']);
  });

  it('takes the characters of a path for themselves', () => {
    const odd = rowOf('a(1)+[b]');
    const { kept } = chooseListed({ rows: [odd], include: [{ path: 'a(1)+[b].png' }], exclude: [] });
    expect(kept).toEqual([odd]);
  });

  it.each<[ListEntry, string]>([
    [{ path: 'cat/a.png' }, 'nothing like it; the nearest: cats/a.png'],
    [{ source: 'wed' }, 'nothing like it; the nearest: web'],
    [{ id: 'ffffffff' }, 'nothing like it; the nearest:'],
  ])('refuses %j, which matches nothing, and names the nearest', (entry, got) => {
    expect(() => namesAfter({ exclude: [entry] })).toThrow(
      failing(3, { got: expect.stringContaining(got) as string }),
    );
  });

  it('knows what an earlier curation removed', () => {
    const removedBefore = [rowOf('old/gone')];
    const exclude: ListEntry[] = [{ path: 'old/*' }];
    expect(chooseListed({ rows, include: [], exclude, removedBefore }).kept).toEqual(rows);
  });
});

describe('chooseLicensed', () => {
  it('allows or denies by name, without regard to case', () => {
    expect(chooseLicensed(rows, { allow: ['cc0-1.0'] }).kept).toHaveLength(3);
    const { kept, rejected } = chooseLicensed(rows, { deny: ['cc0-1.0', 'GPL-3.0'] });
    expect(kept.map(({ licence }) => licence)).toEqual(['MIT']);
    expect(rejected[0]).toMatchObject({
      reason: 'licence-not-allowed',
      detail: 'licence "CC0-1.0"',
      threshold: 'deny cc0-1.0, GPL-3.0',
    });
  });
});
