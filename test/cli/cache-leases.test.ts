import { readdirSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, it, vi } from 'vitest';
import { deriveSpaces } from '../../src/cli/commands/cache-derive.ts';
import { measureCache } from '../../src/cli/commands/cache-stats.ts';
import { StatusLine } from '../../src/cli/status-line.ts';
import { group, images, openWriter, partFor } from '../cache/rig.ts';
import { tempFolder } from '../support/temp-folder.ts';

afterEach(() => void vi.restoreAllMocks());

async function cache(): Promise<string> {
  const root = await tempFolder();
  const { writer } = await openWriter(root);
  await writer.commit(group().spaces.map((space) => partFor(space, images(3))));
  await writer.close();
  return root;
}

const options = (root: string) => ({ cache: root, json: true, replicaMax: 0 });
const VERBS = [
  [
    'derive',
    (root, signal) => deriveSpaces(['sums'], { ...options(root), codec: ['i8p'], dryRun: false }, signal),
  ],
  ['stats', (root, signal) => measureCache(['sums'], { ...options(root), interpolation: false }, signal)],
] as const satisfies readonly [string, (root: string, signal: AbortSignal) => Promise<void>][];

it.each(VERBS)('cache %s holds what it reads while it reads, and lets go', async (_, run) => {
  const root = await cache();
  vi.spyOn(process.stdout, 'write').mockReturnValue(true);
  const { signal } = new AbortController();
  // asked before every read
  const held: boolean[] = [];
  vi.spyOn(signal, 'throwIfAborted').mockImplementation(() => {
    held.push(readdirSync(join(root, 'leases')).some((name) => name.startsWith('reader')));
  });
  await run(root, signal);
  expect(held.length).toBeGreaterThan(0);
  expect(held.every(Boolean)).toBe(true);
  expect(await readdir(join(root, 'leases'))).toEqual([]);
});

it.each(VERBS)(
  'cache %s that is interrupted as it measures lets go too, and ends its status line',
  async (_, run) => {
    const root = await cache();
    const end = vi.spyOn(StatusLine.prototype, 'end');
    await expect(run(root, AbortSignal.abort(new Error('interrupted')))).rejects.toThrow('interrupted');
    expect(end).toHaveBeenCalledOnce();
    expect(await readdir(join(root, 'leases'))).toEqual([]);
  },
);
