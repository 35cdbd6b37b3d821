// A loader's process that is killed, or that simply has nothing more to do.
import { spawn } from 'node:child_process';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { group, images, openWriter, partFor } from '../cache/rig.ts';

let root = '';
beforeAll(async () => {
  root = fs.mkdtempSync(join(tmpdir(), 'stillhouse-loader-fault-'));
  const { writer } = await openWriter(root);
  await writer.commit(group().spaces.map((space) => partFor(space, images(24))));
  await writer.close();
});
afterAll(() => fs.rmSync(root, { recursive: true, force: true }));

const url = (module: string): string => pathToFileURL(resolve('dist', module)).href;

/** Runs `body` with an open loader of 12 batches of 2, and reports the lines that it printed. */
function child(body: string, killAfterLines = Infinity): Promise<{ code: number | null; lines: string[] }> {
  const script = `
    import { openCatalogue } from '${url('cache/catalogue.js')}';
    import { openLoader } from '${url('loader/open-loader.js')}';
    const snapshot = await openCatalogue(${JSON.stringify(root)});
    const keys = [...[...snapshot.spaces.values()][0].rows.keys()];
    const open = (state) => openLoader({
      snapshot, dataset: { name: 'photos', keys }, spaces: ['sums@2.summary', 'sums@2.spatial'],
      batchSize: 2, seed: 1, workers: 2, ...(state ? { state } : {}),
    });
    ${body}`;
  // a file: threads inherit the options of `node -e`, and would not start
  const path = join(root, 'child.mjs');
  fs.writeFileSync(path, script);
  const ran = spawn(process.execPath, [path], { stdio: ['ignore', 'pipe', 'inherit'] });
  let out = '';
  ran.stdout.on('data', (text: Buffer) => {
    out += text.toString();
    if (out.split('\n').length - 1 >= killAfterLines) ran.kill('SIGKILL');
  });
  return new Promise((done) => ran.on('close', (code) => done({ code, lines: out.trim().split('\n') })));
}

describe('a loader whose process', () => {
  it.each([
    [
      'reads one batch and forgets the rest',
      `console.log((await (await open()).batches().next()).value.step);`,
    ],
    [
      'waits for its threads, then forgets them',
      `for await (const { step } of (await open()).batches(0, 9)) console.log(step);`,
    ],
    ['never reads', `await open(); console.log('opened');`],
  ])('%s ends by itself', { timeout: 60_000 }, async (_, body) => {
    const { code, lines } = await child(body);
    expect(code).toBe(0);
    expect(lines[0]).toMatch(/^0$|^opened$/);
  });

  it(
    'is killed goes on from its last state with the same sequence, blocked by nothing',
    { timeout: 60_000 },
    async () => {
      const each = (state: string): string => `
      const loader = await open(${state});
      for await (const { ids, step } of loader) {
        console.log(JSON.stringify({ step, ids, state: loader.state() }));
        await new Promise((wait) => setTimeout(wait, 5));
      }
      await loader.close();`;
      const whole = (await child(each('undefined'))).lines;
      expect(whole).toHaveLength(12);
      for (const stop of [1, 5, 11]) {
        const killed = await child(each('undefined'), stop);
        expect(killed.code).toBe(null);
        const seen = killed.lines.slice(0, stop);
        expect(seen).toEqual(whole.slice(0, stop));
        const { state } = JSON.parse(seen.at(-1)!) as { state: unknown };
        const rest = await child(each(JSON.stringify(state)));
        expect(rest.code).toBe(0);
        expect(rest.lines).toEqual(whole.slice(stop));
      }
    },
  );
});
