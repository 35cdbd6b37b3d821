/** What every object store promises; run for folders and for S3. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type ObjectStore, deleteBelow } from '../../src/store/object-store.ts';
import { tempFolder } from '../support/temp-folder.ts';

/** @param open gives an empty store each time. */
export function objectStoreContract(name: string, open: () => Promise<ObjectStore>): void {
  const text = (bytes: Uint8Array | null): string | null => bytes && Buffer.from(bytes).toString();
  const bytes = (content: string): Uint8Array => Buffer.from(content);

  describe(`${name} keeps the contract of an object store`, () => {
    it('gives back what was put, whole, and its last version', async () => {
      const store = await open();
      await store.put('a/b.json', bytes('one'));
      await store.put('a/b.json', bytes('two'));
      expect([text(await store.get('a/b.json')), await store.head('a/b.json')]).toEqual(['two', 3]);
      await store.put('empty', new Uint8Array(0));
      expect([text(await store.get('empty')), await store.head('empty')]).toEqual(['', 0]);
    });

    it('says null of what is not there, and of a name that only has objects below it', async () => {
      const store = await open();
      await store.put('a/b', bytes('x'));
      for (const key of ['nothing', 'a', 'a/b/c'])
        expect([await store.get(key), await store.head(key)], key).toEqual([null, null]);
    });

    it('reads ranges: inside, over the end, behind it, and none', async () => {
      const store = await open();
      await store.put('ten', bytes('0123456789'));
      const range = async (offset: number, length: number) =>
        text(await store.get('ten', { offset, length }));
      expect([
        await range(0, 3),
        await range(4, 2),
        await range(8, 9),
        await range(99, 3),
        await range(2, 0),
      ]).toEqual(['012', '45', '89', '', '']);
      expect(await store.get('none', { offset: 0, length: 1 })).toBeNull();
    });

    it('creates an object only once, also when many try at the same time', async () => {
      const store = await open();
      const outcomes = await Promise.all(
        Array.from({ length: 8 }, (_, i) => store.putIfAbsent('race', bytes(String(i)))),
      );
      expect(outcomes.filter((won) => won)).toHaveLength(1);
      expect(text(await store.get('race'))).toBe(String(outcomes.indexOf(true)));
      expect(await store.putIfAbsent('race', bytes('late'))).toBe(false);
      expect(text(await store.get('race'))).toBe(String(outcomes.indexOf(true)));
    });

    it('lists one level: objects with their sizes, and names that have more below', async () => {
      const store = await open();
      for (const key of ['log/w1/0', 'log/w1/1', 'log/w2/0', 'log/head', 'logs'])
        await store.put(key, bytes(key));
      const level = async (key: string) => {
        const { objects, folders } = await store.list(key);
        const sizes = objects.map((found) => `${found.name} ${found.sizeBytes}`);
        return [sizes.sort(), [...folders].sort()];
      };
      expect(await level('log')).toEqual([['head 8'], ['w1', 'w2']]);
      expect(await level('log/w1')).toEqual([['0 8', '1 8'], []]);
      expect(await level('')).toEqual([['logs 4'], ['log']]);
      expect(await level('nothing')).toEqual([[], []]);
    });

    it('takes files, copies objects, and deletes them; a second time too', async () => {
      const store = await open();
      const path = join(await tempFolder(), 'file');
      await writeFile(path, 'content');
      await store.putFile('x/file', path);
      expect(await store.copy('x/file', 'trash/file (1)')).toBe(true);
      expect(await store.copy('x/nothing', 'y')).toBe(false);
      await store.delete('x/file');
      await store.delete('x/file');
      expect([await store.head('x/file'), text(await store.get('trash/file (1)'))]).toEqual([
        null,
        'content',
      ]);
    });

    it('copies objects whose names are no part of a URL', async () => {
      const store = await open();
      for (const name of ['a+b', 'a b', 'a%20b', 'a?versionId=1', 'a#b', 'a&b=c', 'ä\u3042', "(a)'!*~"]) {
        await store.put(`x/${name}/c`, bytes(name));
        expect(await store.copy(`x/${name}/c`, `trash/${name}`), name).toBe(true);
        expect(text(await store.get(`trash/${name}`))).toBe(name);
      }
    });

    it('deletes all below a name and nothing beside it', async () => {
      const store = await open();
      for (const key of ['t/1/a', 't/1/b/c', 't/10/a', 't/1x']) await store.put(key, bytes(key));
      await deleteBelow(store, 't/1');
      expect(await store.list('t/1')).toEqual({ objects: [], folders: [] });
      expect([await store.head('t/10/a'), await store.head('t/1x')]).toEqual([6, 4]);
    });

    it('deletes what lies on top last', async () => {
      const store = await open();
      for (const key of ['t/a', 't/b/c', 't/b/d/e']) await store.put(key, bytes(key));
      const deleted: string[] = [];
      const noting = { ...store, delete: (key: string) => (deleted.push(key), store.delete(key)) };
      await deleteBelow(noting, 't');
      const depths = deleted.map((key) => key.split('/').length);
      expect(depths).toEqual([...depths].sort((a, b) => b - a));
      expect(deleted.slice(-2)).toEqual(['t/a', 't']);
    });
  });
}
