import { existsSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { locate } from '../../../src/images/locate.ts';
import { emojiRecords, emojiSourceSchema } from '../../../src/images/sources/emoji-datasource.ts';
import { listOf } from '../tiny-images.ts';

const from = [process.cwd()];
const collect = (vendor: string, options: Record<string, unknown> = {}) =>
  listOf(emojiRecords(emojiSourceSchema.parse({ kind: 'emoji-datasource', vendor, ...options }), from));

describe('the emoji source', () => {
  it('has one record per base and per skin tone, each with a file, a category and its base', async () => {
    const records = await collect('twitter');
    const bases = records.filter(({ name, group }) => name === group);
    expect([records.length, bases.length]).toEqual([3786, 1911]);
    expect(new Set(records.map(({ name }) => name)).size).toBe(3786);
    expect(new Set(records.map(({ label }) => label)).size).toBe(10);
    const groups = new Set(bases.map(({ name }) => name));
    expect(records.every(({ group }) => group !== null && groups.has(group))).toBe(true);
    expect(records.find(({ name }) => name === '1F385-1F3FB')).toEqual({
      uri: 'npm:emoji-datasource-twitter/img/twitter/64/1f385-1f3fb.png',
      name: '1F385-1F3FB',
      label: 'People & Body',
      split: null,
      group: '1F385',
    });
    const missing = records.filter(({ uri }) => !existsSync(locate(uri, { root: '/', packagesFrom: from })));
    expect(missing).toEqual([]);
  });

  it('without variations keeps the bases', async () => {
    const records = await collect('twitter', { variants: false });
    expect(records).toHaveLength(1911);
    expect(records.every(({ name, group }) => name === group)).toBe(true);
  });

  it.each([
    { sample: { share: 0.2, seed: 3 } },
    { everyNth: 7 },
    { categories: ['Food & Drink', 'Symbols'] },
  ])('chooses the same emoji for both vendors: %j', async (options) => {
    const [train, evaluation] = await Promise.all([collect('twitter', options), collect('google', options)]);
    expect(evaluation.map(({ name }) => name)).toEqual(train.map(({ name }) => name));
    expect(train.length).toBeGreaterThan(100);
    expect(train.length).toBeLessThan(1200);
  });

  it('draws about the asked share, another one for another seed', async () => {
    const options = (seed: number) => ({ variants: false, sample: { share: 0.25, seed } });
    const one = await collect('twitter', options(0));
    const two = await collect('twitter', options(1));
    expect(Math.abs(one.length / 1911 - 0.25)).toBeLessThan(0.05);
    expect(two.map(({ name }) => name)).not.toEqual(one.map(({ name }) => name));
  });

  it('names the categories there are when asked for another', async () => {
    await expect(collect('twitter', { categories: ['Food'] })).rejects.toThrow(/Food & Drink/);
  });

  it('says how to install a package that is not there', async () => {
    await expect(collect('apple')).rejects.toThrow(/npm install emoji-datasource-apple/);
  });
});
