import { mkdir, readFile, readdir, stat, writeFile } from 'node:fs/promises';
import { once } from 'node:events';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { sha256 } from '../../src/core/digest.ts';
import { copyEmoji, emojiNames } from '../support/emoji-folder.ts';
import { type FileServer, fallingSilent, fileServer } from '../support/file-server.ts';
import { type CliOptions, type CliResult, cli, expectOneMessage, startCli } from '../support/run-cli.ts';
import { listing, tempFolder } from '../support/temp-folder.ts';
import { enlarged, tinyManifest, tinyOnnx } from '../support/tiny-teacher.ts';

const MODEL = tinyOnnx();
const TOKEN = 'hf_do_not_tell';

interface Rig {
  readonly hub: FileServer;
  readonly cwd: string;
  readonly options: CliOptions;
  run(...args: string[]): Promise<CliResult>;
}

async function rig(licence: object = { spdx: 'Apache-2.0' }, bytes: Uint8Array = MODEL): Promise<Rig> {
  const cwd = await tempFolder();
  const hub = await fileServer({ '/o/r/resolve/main/tiny.onnx': { bytes, etag: '"1"' } });
  const manifest = {
    ...tinyManifest(MODEL),
    licence,
    weights: { uri: 'hf:o/r@main/tiny.onnx', sha256: null },
  };
  await writeFile(join(cwd, 'tiny.yaml'), stringify(manifest));
  const env = { HF_ENDPOINT: hub.origin, HF_TOKEN: TOKEN, STILLHOUSE_HOME: join(cwd, 'home') };
  const options = { cwd, env };
  return { hub, cwd, options, run: (...args) => cli(args, options) };
}

describe('teachers pull', () => {
  it('makes a teacher of a hub usable: ls, check and cache find it, with no server any more', async () => {
    const r = await rig();
    const state = async (): Promise<unknown> =>
      (
        JSON.parse((await r.run('teachers', 'ls', 'tiny.yaml', '--json')).stdout) as {
          teachers: { weights: object }[];
        }
      ).teachers[0]!.weights;
    expect(await state()).toMatchObject({ state: 'missing', sizeBytes: null });
    const early = expectOneMessage(await r.run('teachers', 'check', 'tiny.yaml', '--size', '16'), 5);
    expect(early).toContain('stillhouse teachers pull tiny.yaml');

    const { code, stdout, stderr } = await r.run('teachers', 'pull', 'tiny.yaml');
    expect(code, stderr).toBe(0);
    expect(stdout).toMatch(/^tiny +hf:o\/r@main\/tiny\.onnx +1\.76 kB +[0-9a-f]{16} +downloaded$/m);
    expect(stdout).toContain(`pinned in ${join(r.cwd, 'teachers.lock')}`);
    expect(stderr).toContain(`tiny.onnx: from ${r.hub.origin}/o/r/resolve/main/tiny.onnx`);
    expect(`${stdout}${stderr}`).not.toContain(TOKEN);
    expect(r.hub.requests.every(({ headers }) => headers.authorization === `Bearer ${TOKEN}`)).toBe(true);

    r.hub.files.clear();
    expect(await state()).toEqual({ uri: 'hf:o/r@main/tiny.onnx', state: 'pulled', sizeBytes: MODEL.length });
    const checked = await r.run('teachers', 'check', 'tiny.yaml', '--size', '16');
    expect(checked, checked.stderr).toMatchObject({ code: 0 });
    await copyEmoji(join(r.cwd, 'train'), { vendor: 'twitter', names: await emojiNames(2) });
    const cached = await r.run('cache', '--data', 'train', '--teacher', 'tiny.yaml@16');
    expect(cached, cached.stderr).toMatchObject({ code: 0 });
    // a project of its own, with no lock file, must not use what this one pinned
    const lock = join(await tempFolder(), 'teachers.lock');
    expectOneMessage(await r.run('cache', '--data', 'train', '--teacher', 'tiny.yaml@16', '--lock', lock), 5);
  });

  it('--json is one document with every file, and the second pull finds it present', async () => {
    const r = await rig();
    for (const state of ['downloaded', 'present']) {
      const { stdout } = await r.run('teachers', 'pull', 'tiny.yaml', 'nanodet', '--json');
      expect(JSON.parse(stdout)).toMatchObject({
        store: join(r.cwd, 'home', 'weights'),
        lock: join(r.cwd, 'teachers.lock'),
        files: [
          { teacher: 'tiny', state, sha256: sha256(MODEL), sizeBytes: MODEL.length },
          { teacher: 'nanodet', state: 'installed' },
          { teacher: 'nanodet', state: 'installed' },
        ],
      });
    }
  });

  it('--dry-run prints address and size and writes nothing', async () => {
    const r = await rig();
    const before = await listing(r.cwd);
    const { code, stdout } = await r.run('teachers', 'pull', 'tiny.yaml', '--dry-run');
    expect(code).toBe(0);
    expect(stdout).toMatch(
      new RegExp(`^tiny +${r.hub.origin}/o/r/resolve/main/tiny\\.onnx +1\\.76 kB +to download$`, 'm'),
    );
    const { stdout: json } = await r.run('teachers', 'pull', 'tiny.yaml', '--dry-run', '--json');
    expect(JSON.parse(json)).toMatchObject({ dryRun: true, bytesToDownload: MODEL.length });
    expect(await listing(r.cwd)).toEqual(before);
  });

  it('shows a licence that is not permissive before it downloads', async () => {
    const r = await rig({ spdx: 'CC-BY-NC-4.0', url: 'https://example.org/licence', note: 'research only' });
    const { stderr } = await r.run('teachers', 'pull', 'tiny.yaml');
    expect(
      stderr.indexOf('licence: CC-BY-NC-4.0, not a permissive one, https://example.org/licence'),
    ).toBeGreaterThan(0);
    expect(stderr.indexOf('research only')).toBeGreaterThan(0);
    expect(stderr.indexOf('licence:')).toBeLessThan(stderr.indexOf('tiny.onnx: from'));
    expect((await (await rig()).run('teachers', 'pull', 'tiny.yaml')).stderr).not.toContain('licence');
  });

  it('killed in the middle goes on where it was', async () => {
    const large = enlarged(MODEL, 300_000);
    const r = await rig(undefined, large);
    r.hub.script.push(({ serve }) => serve(), fallingSilent(200_000));
    const { child } = startCli(['teachers', 'pull', 'tiny.yaml'], r.options);
    await until(async () => (await partialBytes(r.cwd)) >= 200_000);
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
    const { code, stderr } = await r.run('teachers', 'pull', 'tiny.yaml');
    expect(code, stderr).toBe(0);
    expect(r.hub.requests.at(-1)!.headers.range).toBe('bytes=200000-');
    expect(await readFile(join(r.cwd, 'teachers.lock'), 'utf8')).toContain(sha256(large));
  });

  it('interrupted by Ctrl-C says how to go on', async () => {
    const large = enlarged(MODEL, 300_000);
    const r = await rig(undefined, large);
    r.hub.script.push(({ serve }) => serve(), fallingSilent(200_000));
    const { child, done } = startCli(['teachers', 'pull', 'tiny.yaml'], r.options);
    await until(async () => (await partialBytes(r.cwd)) >= 200_000);
    child.kill('SIGINT');
    const { code, stderr } = await done;
    expect(code, stderr).toBe(130);
    expect(stderr).toMatch(/resume: .*teachers pull tiny\.yaml/);
    await r.run('teachers', 'pull', 'tiny.yaml');
    expect(r.hub.requests.at(-1)!.headers.range).toBe('bytes=200000-');
  });

  it('of a file that is not there ends with exit code 3 and one message', async () => {
    const r = await rig();
    r.hub.files.clear();
    const message = expectOneMessage(await r.run('teachers', 'pull', 'tiny.yaml'), 3);
    expect(message).toContain('/o/r/resolve/main/tiny.onnx');
    expect(message).not.toContain(TOKEN);
  });

  it('of a file that changed since it was pinned ends with exit code 4 and both digests', async () => {
    const r = await rig();
    await writeFile(
      join(r.cwd, 'teachers.lock'),
      `version: 1\nweights:\n  "hf:o/r@main/tiny.onnx":\n    sha256: ${'ab'.repeat(32)}\n    sizeBytes: ${MODEL.length}\n`,
    );
    const message = expectOneMessage(await r.run('teachers', 'pull', 'tiny.yaml'), 4);
    expect(message).toContain(`wanted: sha256 ${'ab'.repeat(32)}`);
    expect(message).toContain(`got:    sha256 ${sha256(MODEL)}`);
  });

  it.each([
    ['HF_ENDPOINT', 'no address'],
    ['HF_TOKEN', 'two\nlines'],
  ])('with %s that cannot be meant says so', async (name, value) => {
    const r = await rig();
    const env = { ...r.options.env, [name]: value };
    const message = expectOneMessage(await cli(['teachers', 'pull', 'tiny.yaml'], { cwd: r.cwd, env }), 2);
    expect(message).toContain(name);
    expect(message).not.toContain('lines');
  });
});

describe('the lock file', () => {
  it('is the nearest one upwards, as far as the repository reaches', async () => {
    const r = await rig();
    await writeFile(join(r.cwd, 'teachers.lock'), 'version: 1\nweights:\n');
    const inner = join(r.cwd, 'a', 'b');
    await mkdir(inner, { recursive: true });
    const lockSeen = async (): Promise<string> =>
      (
        JSON.parse(
          (await cli(['teachers', 'ls', 'nanodet', '--json'], { ...r.options, cwd: inner })).stdout,
        ) as { lock: string }
      ).lock;
    expect(await lockSeen()).toBe(join(r.cwd, 'teachers.lock'));
    await mkdir(join(r.cwd, 'a', '.git'));
    expect(await lockSeen()).toBe(join(inner, 'teachers.lock'));
  });
});

/** Bytes of the one download under way. */
async function partialBytes(cwd: string): Promise<number> {
  const partial = join(cwd, 'home', 'weights', 'partial');
  const [folder] = await readdir(partial).catch(() => []);
  if (folder === undefined) return 0;
  return stat(join(partial, folder, 'data')).then(
    ({ size }) => size,
    () => 0,
  );
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  for (let look = 0; look < 1000; look++) {
    if (await holds()) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error('it did not come to pass');
}
