// A reader of `stillhouse stream` that stops reading: the command can be interrupted, and its state says what was written whole.
import * as fs from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { group, images, openWriter, partFor } from '../cache/rig.ts';
import { startCli } from '../support/run-cli.ts';

let root = '';
beforeAll(async () => {
  root = fs.mkdtempSync(join(tmpdir(), 'stillhouse-stream-fault-'));
  const { writer } = await openWriter(root);
  await writer.commit(group().spaces.map((space) => partFor(space, images(24))));
  await writer.close();
});
afterAll(() => fs.rmSync(root, { recursive: true, force: true }));

const pause = (ms: number): Promise<void> => new Promise((wake) => setTimeout(wake, ms));

it('a stream whose reader takes nothing ends when it is interrupted, and its state is where it can go on', async () => {
  const [socket, state] = [join(root, 'reader.sock'), join(root, 'state.json')];
  const started = startCli(
    [
      ...['stream', 'sums@2.summary', 'sums@2.spatial', '--cache', root, '--batch', '8', '--workers', '0'],
      ...['--epochs', '100000', '--state', state, '--listen', socket],
    ],
    { cwd: root },
  );
  while (!fs.existsSync(socket)) await pause(20);
  const reader = connect(socket);
  reader.on('error', () => undefined);
  await new Promise((connected) => reader.once('connect', connected));
  reader.pause();
  await pause(1500);
  started.child.kill('SIGINT');
  const outcome = await Promise.race([started.done, pause(10_000).then(() => 'hangs' as const)]);
  reader.destroy();
  expect(outcome).toMatchObject({ code: 130 });
  const { step } = JSON.parse(fs.readFileSync(state, 'utf8')) as { step: number };
  // what fits into the buffers of a socket, and far from all
  expect(step).toBeGreaterThan(0);
  expect(step).toBeLessThan(300_000);
  expect(fs.readdirSync(join(root, 'leases')).filter((name) => name.startsWith('reader'))).toEqual([]);
});
