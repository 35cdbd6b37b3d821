// Threads of a loader that cannot start, or end in the middle of their work: real ones, of the built loader, with the fault put in
// front of their code by a module that Node loads first in each.
import { spawn } from 'node:child_process';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { group, openWriter, partFor } from '../cache/rig.ts';
import { sha256 } from '../../src/core/digest.ts';
import { FULL_VIEW } from '../../src/images/view.ts';

const IMAGES = 24;
let root = '';
const ids: string[] = [];

beforeAll(async () => {
  root = fs.mkdtempSync(join(tmpdir(), 'stillhouse-threads-'));
  fs.mkdirSync(join(root, 'pictures'));
  for (let i = 0; i < IMAGES; i++) {
    const raw = { width: 8, height: 8, channels: 3 } as const;
    const bytes = await sharp(Buffer.alloc(192, i), { raw }).png().toBuffer();
    fs.writeFileSync(join(root, 'pictures', `${i}.png`), bytes);
    ids.push(sha256(bytes));
  }
  const { writer } = await openWriter(join(root, 'cache'));
  const rows = ids.map((id) => ({ image: { id, width: 8, height: 8 }, views: [FULL_VIEW] }));
  await writer.commit(group().spaces.map((space) => partFor(space, rows as never)));
  await writer.close();
  // what Node loads first in every thread
  fs.writeFileSync(
    join(root, 'fault.cjs'),
    `const { isMainThread, threadId } = require('node:worker_threads');
     const fs = require('node:fs');
     const nth = (n, work) => {
       const whole = { readSync: fs.readSync, readvSync: fs.readvSync };
       let calls = 0;
       for (const name of Object.keys(whole))
         fs[name] = (...args) => (++calls === n ? work() : whole[name](...args));
       require('node:module').syncBuiltinESMExports();
     };
     const FAULTS = {
       none: () => undefined,
       throw: () => { throw new Error('injected'); },
       'one throws': () => { if (threadId === 3) throw new Error('injected'); },
       exit: () => process.exit(9),
       'no native code': () => { process.dlopen = () => { throw new Error('injected'); }; },
       memory: () => { for (const held = []; ;) held.push(new Array(100000).fill(0.5)); },
       'exit while reading': () => nth(5, () => process.exit(9)),
       'throw loose while reading': () => nth(5, () => { setImmediate(() => { throw new Error('injected'); }); return 0; }),
     };
     if (!isMainThread) FAULTS[process.env.FAULT]();`,
  );
  fs.writeFileSync(
    join(root, 'transform.mjs'),
    `let calls = 0;
     export function transform() {
       if (++calls < 5) return;
       if (process.env.FAULT_IN_TRANSFORM === 'exit') process.exit(9);
       return new Promise(() => setImmediate(() => { throw new Error('injected'); }));
     }`,
  );
});
afterAll(() => fs.rmSync(root, { recursive: true, force: true }));

const url = (...path: string[]): string => pathToFileURL(resolve(...path)).href;

interface Seen {
  readonly steps: readonly number[];
  readonly error: {
    readonly kind: string;
    readonly where: string;
    readonly got: string;
    readonly next: string;
  } | null;
  /** Of an iteration that tries again with the same loader. */
  readonly again: string | null;
  readonly threads: number;
  /** Open after the loader was closed, beyond those that were open before it. */
  readonly descriptors: number;
}

/** Reads an epoch of 12 batches of 2 in a process whose threads are faulty. */
async function epoch(env: Record<string, string>, { pixels = false, epochs = 1 } = {}): Promise<Seen> {
  const script = `
    import * as fs from 'node:fs';
    import { Worker } from 'node:worker_threads';
    import { openCatalogue } from '${url('dist/cache/catalogue.js')}';
    import { openLoader } from '${url('dist/loader/open-loader.js')}';
    import { pictureDataset } from '${url('dist/loader/samples.js')}';
    const snapshot = await openCatalogue(${JSON.stringify(join(root, 'cache'))});
    const samples = ${JSON.stringify(ids.map((id, i) => ({ image: { id, uri: `${i}.png` }, view: FULL_VIEW })))};
    const places = { root: ${JSON.stringify(join(root, 'pictures'))}, packagesFrom: [] };
    const descriptors = () => fs.readdirSync('/proc/self/fd').length;
    // Node opens /dev/null once, for its first thread
    await new Promise((done) => new Worker('', { eval: true }).on('error', () => undefined).on('exit', done));
    const before = descriptors();
    const loader = await openLoader({
      snapshot, dataset: pictureDataset({ name: 'photos', samples, places }), spaces: ['sums@2.summary', 'sums@2.spatial'],
      batchSize: 2, seed: 1, workers: 2,
      ${pixels ? `pixels: { as: 'u8', size: 8, transform: '${url(root, 'transform.mjs')}' },` : ''}
    });
    const steps = [];
    const failureOf = async (from) => {
      try {
        for await (const { step } of loader.batches(from, 12 * ${epochs})) {
          steps.push(step);
          // a training step; threads are ready long before the last epoch
          if (${epochs} > 1) await new Promise((wait) => setTimeout(wait, 2));
        }
        return null;
      } catch (error) {
        return error.failure ?? { kind: 'defect', where: '', got: String(error), next: '' };
      }
    };
    const error = await failureOf(0);
    const again = (await failureOf(loader.state().step))?.where ?? null;
    await loader.close();
    console.log(JSON.stringify({ steps, error, again, threads: loader.threads, descriptors: descriptors() - before }));`;
  // a file: threads inherit the options of \`node -e\`, and would not start
  const path = join(root, 'child.mjs');
  fs.writeFileSync(path, script);
  const args = ['--max-old-space-size=48', '--require', join(root, 'fault.cjs'), path];
  const ran = spawn(process.execPath, args, {
    env: { ...process.env, FAULT: 'none', ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: 60_000,
  });
  let out = '';
  ran.stdout.on('data', (text: Buffer) => (out += text.toString()));
  const code = await new Promise((done) => ran.on('close', done));
  expect(code).toBe(0);
  return JSON.parse(out) as Seen;
}

const whole = Array.from({ length: 12 }, (_, i) => i);

describe('a loader', () => {
  it('whose threads are well ends without an error, a thread or a descriptor', async () => {
    const seen = await epoch({});
    expect(seen).toEqual({ steps: whole, error: null, again: null, threads: 0, descriptors: 0 });
  });

  it.each([
    ['throw at import', 'throw', 'injected'],
    ['throw at import, one of two', 'one throws', 'injected'],
    ['exit', 'exit', 'exit code 9'],
    ['have no memory', 'memory', 'out of memory'],
  ])(
    'whose threads %s when they start says so, names the thread, and leaves nothing',
    async (_, fault, got) => {
      const { steps, error, again, ...left } = await epoch({ FAULT: fault });
      // batches that were read in the caller's thread meanwhile are whole and in order
      expect(steps).toEqual(whole.slice(0, steps.length));
      expect(error).toMatchObject({ kind: 'environment', got: expect.stringContaining(got) });
      expect(error!.where).toMatch(/^loader thread [12]$/);
      expect(error!.next).not.toBe('');
      expect(again).toMatch(/^loader thread [12]$/);
      expect(left).toEqual({ threads: 0, descriptors: 0 });
    },
  );

  it('whose decoder cannot be loaded says so at once and again, and does not wait for it', async () => {
    const { steps, error, again, ...left } = await epoch({ FAULT: 'no native code' }, { pixels: true });
    expect(steps).toEqual([]);
    expect(error).toMatchObject({ kind: 'environment', got: expect.stringContaining('injected') });
    expect(again).toBe(error!.where);
    expect(again).toMatch(/^loader thread [12]$/);
    expect(error!.next).toContain('npm ci');
    expect(left).toEqual({ threads: 0, descriptors: 0 });
  });

  it.each([
    ['exit', 'exit while reading', 'exit code 9'],
    ['throw what nobody catches', 'throw loose while reading', 'injected'],
  ])('whose threads %s in the middle of an epoch stops there', async (_, fault, got) => {
    const { steps, error, again, ...left } = await epoch({ FAULT: fault }, { epochs: 50 });
    expect(steps).toEqual(Array.from(steps, (_, i) => i));
    expect(steps.length).toBeLessThan(600);
    expect(error).toMatchObject({ kind: 'environment', got: expect.stringContaining(got) });
    expect([error!.where, again]).toEqual([
      expect.stringMatching(/^loader thread [12]$/),
      expect.stringMatching(/^loader thread [12]$/),
    ]);
    expect(left).toEqual({ threads: 0, descriptors: 0 });
  });

  it.each([
    ['ends', 'exit', 'exit code 9'],
    ['breaks', 'throw', 'injected'],
  ])('whose transform %s a thread in the middle of a batch stops there', async (_, how, got) => {
    const { steps, error, again, ...left } = await epoch({ FAULT_IN_TRANSFORM: how }, { pixels: true });
    expect(steps.length).toBeLessThan(12);
    expect(steps).toEqual(whole.slice(0, steps.length));
    expect(error).toMatchObject({ kind: 'environment', got: expect.stringContaining(got) });
    expect(again).toMatch(/^loader thread [12]$/);
    expect(left).toEqual({ threads: 0, descriptors: 0 });
  });
});
