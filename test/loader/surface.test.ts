import * as fs from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as arrow from 'apache-arrow';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { openCatalogue } from '../../src/cache/catalogue.ts';
import { arrowBatches } from '../../src/loader/arrow-batches.ts';
import { type LoaderOptions, openLoader } from '../../src/loader/open-loader.ts';
import { tfDataset } from '../../src/loader/tf-dataset.ts';
import { group, image, images, keyOf, openWriter, partFor } from '../cache/rig.ts';
import { cli, expectOneMessage, startCli } from '../support/run-cli.ts';

const LABELS = ['sums@2.summary', 'sums@2.spatial'] as const;
const COUNT = 9;
const keys = Array.from({ length: COUNT }, (_, i) => keyOf(image(i)));
let root = '';

beforeAll(async () => {
  root = fs.mkdtempSync(join(tmpdir(), 'stillhouse-surface-'));
  const { writer } = await openWriter(root);
  // the last image has no target
  await writer.commit(group().spaces.map((space) => partFor(space, images(COUNT - 1))));
  await writer.close();
});
afterAll(() => fs.rmSync(root, { recursive: true, force: true }));

async function open(changes: Partial<LoaderOptions<(typeof LABELS)[number], 'f32', null>> = {}) {
  const loader = await openLoader<(typeof LABELS)[number]>({
    snapshot: await openCatalogue(root),
    dataset: { name: 'photos', keys },
    spaces: LABELS,
    batchSize: 4,
    seed: 5,
    last: 'keep',
    ...changes,
  });
  onTestFinished(() => loader.close());
  return loader;
}

type Seen = { step: number; ids: string[]; mask: number[]; summary: number[]; spatial: number[] };

async function batches(): Promise<Seen[]> {
  const seen: Seen[] = [];
  for await (const { step, ids, teachers } of (await open()).batches(0, 5)) {
    const { mask, summary, spatial } = teachers['sums@2'];
    seen.push({
      step,
      ids: [...ids],
      mask: [...mask],
      summary: [...summary.data],
      spatial: [...spatial.data],
    });
  }
  return seen;
}

function seenIn(bytes: Uint8Array): Seen[] {
  return arrow.tableFromIPC(bytes).batches.map((batch) => {
    const numbers = (name: string): number[] =>
      [...batch.getChild(name)!].flatMap((one: number | Iterable<number>) =>
        typeof one === 'number' ? [one] : [...one],
      );
    return {
      step: numbers('step')[0]!,
      ids: [...batch.getChild('id')!].map((id: Uint8Array) => Buffer.from(id).toString('hex')),
      mask: numbers('sums@2.mask'),
      summary: numbers('sums@2.summary'),
      spatial: numbers('sums@2.spatial'),
    };
  });
}

describe('the batches of a loader', () => {
  it('are a Web stream that reads ahead of its reader no further than the loader does, and ends when cancelled', async () => {
    const wanted = await batches();
    const loader = await open();
    const reader = loader.stream(0, 5).getReader();
    for (const { ids } of wanted.slice(0, 2)) expect((await reader.read()).value!.ids).toEqual(ids);
    expect(loader.counts.batches).toBe(2);
    await reader.cancel();
    expect(await loader.stream(2, 3).getReader().read()).toMatchObject({ done: false, value: { step: 2 } });
  });

  it('are a tf.data dataset whose tensors outlive the batch, again for each iteration', async () => {
    const wanted = await batches();
    const loader = await open();
    const dataset = tfDataset(() => loader.batches(0, 5));
    for (let round = 0; round < 2; round++) {
      const got: number[][] = [];
      await dataset.forEachAsync((record) => {
        expect(record['sums@2.spatial']!.shape.slice(1)).toEqual([2, 1, 2]);
        got.push([...record['sums@2.summary']!.dataSync()], [...record['sums@2.mask']!.dataSync()]);
      });
      expect(got).toEqual(wanted.flatMap(({ summary, mask }) => [summary, mask]));
    }
  });

  it('are an Arrow stream: shaped tensors, names, masks, and an end that tells it from one cut off', async () => {
    const wanted = await batches();
    const bytes: Uint8Array[] = [];
    for await (const { pieces } of arrowBatches((await open()).batches(0, 5)))
      for (const piece of pieces) bytes.push(piece.slice());
    const whole = Buffer.concat(bytes);
    expect(seenIn(whole)).toEqual(wanted);
    const field = arrow.tableFromIPC(whole).schema.fields.find(({ name }) => name === 'sums@2.spatial')!;
    expect(Object.fromEntries(field.metadata)).toEqual({
      'ARROW:extension:name': 'arrow.fixed_shape_tensor',
      'ARROW:extension:metadata': '{"shape":[2,1,2]}',
    });
    // the end of stream marker of the Arrow format
    expect([...whole.subarray(-8)]).toEqual([255, 255, 255, 255, 0, 0, 0, 0]);
  });
});

describe('stillhouse stream', () => {
  const args = [
    'stream',
    ...LABELS,
    '--batch',
    '4',
    '--last',
    'keep',
    '--seed',
    '5',
    '--as',
    'f32',
    '--workers',
    '0',
  ];

  it('writes batches to a socket, also where one was killed, goes on where its state says, and refuses a state of another order', async () => {
    const socket = join(root, 'reader.sock');
    const state = join(root, 'state.json');
    const run = async (...more: string[]): Promise<Seen[]> => {
      const { done } = startCli([...args, '--cache', root, '--state', state, '--listen', socket, ...more], {
        cwd: root,
      });
      const bytes: Buffer[] = [];
      while (bytes.length === 0)
        try {
          for await (const piece of connect(socket)) bytes.push(piece as Buffer);
        } catch (error) {
          // not listening yet
          expect(['ENOENT', 'ECONNREFUSED']).toContain((error as NodeJS.ErrnoException).code);
          await new Promise((wait) => setTimeout(wait, 20));
        }
      expect(await done).toMatchObject({ code: 0, stderr: '' });
      return seenIn(Buffer.concat(bytes));
    };
    const killed = startCli([...args, '--cache', root, '--listen', socket], { cwd: root });
    while (!fs.existsSync(socket)) await new Promise((wait) => setTimeout(wait, 20));
    killed.child.kill('SIGKILL');
    await killed.done;
    const first = await run();
    expect(first.map(({ step }) => step)).toEqual([0, 1]);
    expect(JSON.parse(fs.readFileSync(state, 'utf8'))).toMatchObject({ step: 2, seed: 5 });
    const both = await run('--epochs', '2');
    expect(both.map(({ step }) => step)).toEqual([2, 3]);
    const refused = await cli([...args, '--cache', root, '--state', state, '--batch', '2'], { cwd: root });
    expect(expectOneMessage(refused, 3)).toContain('another order');
  });

  it('refuses what it cannot stream: pixels without pictures, an unknown type', async () => {
    for (const more of [
      ['--pixels', '8'],
      ['--as', 'f64'],
    ])
      expectOneMessage(await cli([...args, '--cache', root, ...more], { cwd: root }), 2);
  });
});
