import { chmod, mkdir, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { sha256 } from '../../src/core/digest.ts';
import { openTeacher } from '../../src/teachers/open-teacher.ts';
import { pullTeacher } from '../../src/teachers/pull.ts';
import { readPins } from '../../src/teachers/weights-lock.ts';
import { locateWeights } from '../../src/teachers/weights.ts';
import { externalChain } from '../format/onnx-parts.ts';
import { failing } from '../support/failing.ts';
import { after, breakingOff } from '../support/file-server.ts';
import { manualTimer } from '../support/manual-timer.ts';
import { enlarged } from '../support/tiny-teacher.ts';
import { COMMIT, MODEL, OTHER, OTHER_COMMIT, type Rig, URI, at, gets, hubFile, rig } from './pull-rig.ts';

describe('a pull', () => {
  it('brings the weights to where a teacher finds them, and pins bytes, size and commit', async () => {
    const r = await rig();
    const [file] = await r.pull();
    expect(file).toMatchObject({
      teacher: 'tiny',
      uri: URI,
      state: 'downloaded',
      sha256: sha256(MODEL),
      sizeBytes: MODEL.length,
    });
    expect(Buffer.compare(await readFile(file!.path), MODEL)).toBe(0);
    expect(await readFile(join(r.folder, 'teachers.lock'), 'utf8')).toBe(
      [
        '# The bytes that teachers are, pinned by `stillhouse teachers pull`. Commit this file.',
        'version: 1',
        'weights:',
        `  "${URI}":`,
        `    sha256: "${sha256(MODEL)}"`,
        `    sizeBytes: ${MODEL.length}`,
        `    commit: "${COMMIT}"`,
        '',
      ].join('\n'),
    );
    const session = await openTeacher(
      await r.teacher(),
      { sizePx: 16, batch: 1 },
      { device: 'cpu', threads: 1 },
    );
    expect((await session.run(new Float32Array(768).fill(0.5), 1)).summary).toHaveLength(8);
    await session.close();
    expect(r.events.map(({ kind }) => kind)).toEqual(['started', 'progress', 'finished']);
  });

  it('leaves no partial file, and weights that nobody changes by accident', async () => {
    const r = await rig();
    const [file] = await r.pull();
    expect(await readdir(join(r.folder, 'store', 'partial'))).toEqual([]);
    expect((await stat(file!.path)).mode & 0o222).toBe(0);
  });

  it('again asks no server and verifies what is here', async () => {
    const r = await rig();
    await r.pull();
    r.hub.requests.length = 0;
    expect(await r.pull()).toEqual([expect.objectContaining({ state: 'present', sha256: sha256(MODEL) })]);
    expect(r.hub.requests).toEqual([]);
  });

  it('of weights that were damaged here brings them anew', async () => {
    const r = await rig();
    const [file] = await r.pull();
    await chmod(file!.path, 0o644);
    await writeFile(file!.path, 'damaged');
    await expect(locateWeights(await r.teacher())).rejects.toThrow(failing(4, {}));
    expect(await r.pull()).toEqual([expect.objectContaining({ state: 'downloaded' })]);
    expect(await locateWeights(await r.teacher())).toEqual([
      expect.objectContaining({ sha256: sha256(MODEL) }),
    ]);
  });

  it('by another project finds by their announced digest the bytes that are here already', async () => {
    const [first, second] = [await rig(), await rig()];
    await first.pull();
    const teacher = await second.teacher();
    const places = { ...teacher.places, store: join(first.folder, 'store') };
    const options = { hub: { endpoint: second.hub.origin, token: null }, update: false };
    const [file] = await pullTeacher(
      { ...teacher, places },
      { ...options, timer: manualTimer(), signal: new AbortController().signal, onEvent: () => undefined },
    );
    expect(file).toMatchObject({ state: 'present', sha256: sha256(MODEL) });
    expect(gets(second)).toEqual([]);
    expect((await readPins(places.lock)).get(URI)).toEqual({
      sha256: sha256(MODEL),
      sizeBytes: MODEL.length,
      commit: COMMIT,
    });
  });

  it('of weights that are no download checks that they are here', async () => {
    const r = await rig({ uri: 'file:tiny.onnx', sha256: sha256(MODEL) });
    await expect(r.pull()).rejects.toThrow(failing(5, { got: 'ENOENT' }));
    await writeFile(join(r.folder, 'tiny.onnx'), MODEL);
    expect(await r.pull()).toEqual([
      expect.objectContaining({ state: 'installed', sizeBytes: MODEL.length }),
    ]);
    expect(await readdir(r.folder)).not.toContain('teachers.lock');
  });
});

describe('files beside the model', () => {
  const data = 'hf:owner/repo@main/onnx/model.onnx_data';

  it('are pulled from the same commit, pinned and laid beside it', async () => {
    const r = await rig({ uri: URI, sha256: null, files: [{ uri: data, sha256: null }] });
    r.hub.files.set(at(COMMIT, 'model.onnx_data'), hubFile(Buffer.from('data')));
    const files = await r.pull();
    expect(files.map(({ uri, state }) => [uri, state])).toEqual([
      [URI, 'downloaded'],
      [data, 'downloaded'],
    ]);
    expect(files[1]!.path).toBe(`${files[0]!.path}_data`);
    expect([...(await readPins(join(r.folder, 'teachers.lock'))).keys()]).toEqual([URI, data]);
    expect((await readdir(dirname(files[0]!.path))).sort()).toEqual(['model.onnx', 'model.onnx_data']);
  });

  it('that fail leave what came before them, and the next pull brings only the rest', async () => {
    const r = await rig({ uri: URI, sha256: null, files: [{ uri: data, sha256: null }] });
    await expect(r.pull()).rejects.toThrow(failing(3, { got: 'status 404' }));
    r.hub.files.set(at(COMMIT, 'model.onnx_data'), hubFile(Buffer.from('data')));
    expect((await r.pull()).map(({ state }) => state)).toEqual(['present', 'downloaded']);
  });
});

describe('external data that no manifest lists', () => {
  const { model, data } = externalChain({ two: 'weights.bin', three: 'sub/more.bin' });

  it('is read from the model, pulled from the same commit, pinned, and found by whoever has the lock file', async () => {
    const r = await rig();
    r.hub.files.set(at('main'), hubFile(model));
    r.hub.files.set(at(COMMIT, 'weights.bin'), hubFile(data));
    r.hub.files.set(at(COMMIT, 'sub/more.bin'), hubFile(Buffer.concat([data, data])));
    const uris = [URI, ...['weights.bin', 'sub/more.bin'].map((name) => `hf:owner/repo@main/onnx/${name}`)];
    const files = await r.pull();
    expect(files.map(({ uri, state }) => [uri, state]).sort()).toEqual(
      uris.map((uri) => [uri, 'downloaded']).sort(),
    );
    expect(await readFile(join(dirname(files[0]!.path), 'sub', 'more.bin'))).toHaveLength(2 * data.length);
    expect(await readFile(join(r.folder, 'teachers.lock'), 'utf8')).toContain(
      '    beside: ["sub/more.bin","weights.bin"]\n',
    );
    // pulled again it is all there; with the pins alone it is missed by name
    expect((await r.pull()).map(({ state }) => state)).toEqual(Array(3).fill('present'));
    await rm(join(r.folder, 'store'), { recursive: true });
    await expect(locateWeights(await r.teacher())).rejects.toThrow(failing(5, { where: URI }));
  });

  it('outside the folder of the model is refused', async () => {
    const r = await rig();
    const { model } = externalChain({ two: '../../secret', three: 'weights.bin' });
    r.hub.files.set(at('main'), hubFile(model));
    await expect(r.pull()).rejects.toThrow(failing(3, { got: '"../../secret"' }));
    expect(gets(r)).toEqual([at('main')]);
  });
});

it('a file that is no model is refused as soon as it is here', async () => {
  const r = await rig();
  r.hub.files.set(at('main'), hubFile(Buffer.from('<html>please log in</html>')));
  await expect(r.pull()).rejects.toThrow(failing(3, { what: 'not an ONNX model' }));
});

describe('a revision that moves', () => {
  const move = ({ hub }: Rig): void => {
    hub.files.set(at('main'), hubFile(OTHER, OTHER_COMMIT));
    hub.files.set(at(OTHER_COMMIT), hubFile(OTHER, OTHER_COMMIT));
  };
  const forget = async ({ folder }: Rig): Promise<void> => {
    await rm(join(folder, 'store'), { recursive: true });
  };

  it('is pulled at the pinned commit by whoever has the lock file', async () => {
    const r = await rig();
    await r.pull();
    await forget(r);
    move(r);
    expect(await r.pull()).toEqual([expect.objectContaining({ sha256: sha256(MODEL) })]);
    expect(gets(r)).toEqual([at('main'), at(COMMIT)]);
  });

  it('whose pinned bytes are gone is refused with both digests', async () => {
    const r = await rig();
    await r.pull();
    await forget(r);
    r.hub.files.set(at(COMMIT), hubFile(OTHER));
    await expect(r.pull()).rejects.toThrow(
      failing(4, {
        where: r.hub.url(at(COMMIT)),
        wanted: `sha256 ${sha256(MODEL)}`,
        got: expect.stringContaining(`sha256 ${sha256(OTHER)}`),
      }),
    );
    expect((await readPins(join(r.folder, 'teachers.lock'))).get(URI)!.sha256).toBe(sha256(MODEL));
  });

  it('is pinned anew with --update, and with that only', async () => {
    const r = await rig();
    await r.pull();
    move(r);
    expect(await r.pull()).toEqual([expect.objectContaining({ state: 'present', sha256: sha256(MODEL) })]);
    expect(await r.pull({ update: true })).toEqual([
      expect.objectContaining({ state: 'downloaded', sha256: sha256(OTHER) }),
    ]);
    expect((await readPins(join(r.folder, 'teachers.lock'))).get(URI)).toEqual({
      sha256: sha256(OTHER),
      sizeBytes: OTHER.length,
      commit: OTHER_COMMIT,
    });
    expect(await locateWeights(await r.teacher())).toEqual([
      expect.objectContaining({ sha256: sha256(OTHER) }),
    ]);
  });
});

describe("a manifest's own sha256", () => {
  it('wins over the lock file, with and without --update', async () => {
    const r = await rig();
    await r.pull();
    await r.write({ uri: URI, sha256: sha256(OTHER) });
    for (const update of [false, true])
      await expect(r.pull({ update })).rejects.toThrow(
        failing(4, { wanted: `sha256 ${sha256(OTHER)}`, got: expect.stringContaining(sha256(MODEL)) }),
      );
    r.hub.files.set(at('main'), hubFile(OTHER, OTHER_COMMIT));
    expect(await r.pull()).toEqual([expect.objectContaining({ state: 'downloaded', sha256: sha256(OTHER) })]);
  });

  it('that the server only lies to fit is found out by the bytes', async () => {
    const r = await rig({ uri: URI, sha256: sha256(OTHER) });
    r.hub.files.set(at('main'), {
      ...hubFile(MODEL),
      headers: { 'x-linked-etag': `"${sha256(OTHER)}"` },
    });
    await expect(r.pull()).rejects.toThrow(
      failing(4, { wanted: `sha256 ${sha256(OTHER)}`, got: `sha256 ${sha256(MODEL)}` }),
    );
    await expect(locateWeights(await r.teacher())).rejects.toThrow(failing(5, {}));
    expect(await readdir(join(r.folder, 'store'))).not.toContain('blobs');
  });
});

describe('two pulls of one file at once', () => {
  it('download it once: the other waits and finds it', async () => {
    const r = await rig();
    const [one, two] = await Promise.all([r.pull(), r.pull()]);
    expect([one[0]!.state, two[0]!.state].sort()).toEqual(['downloaded', 'present']);
    expect(gets(r)).toHaveLength(1);
    expect(r.events.filter(({ kind }) => kind === 'waiting')).toHaveLength(1);
  });

  it('of two projects with one store pin it in both lock files', async () => {
    const r = await rig();
    const other = await rig();
    const teacher = await r.teacher();
    const options = {
      hub: { endpoint: r.hub.origin, token: null },
      update: false,
      timer: manualTimer(),
      signal: new AbortController().signal,
      onEvent: () => undefined,
    };
    const locks = [r, other].map(({ folder }) => join(folder, 'teachers.lock'));
    await Promise.all(
      locks.map((lock) => pullTeacher({ ...teacher, places: { ...teacher.places, lock } }, options)),
    );
    expect(gets(r)).toHaveLength(1);
    const [one, two] = await Promise.all(locks.map((lock) => readFile(lock, 'utf8')));
    expect(one).toBe(two);
  });
});

describe('a pull over a bad line', () => {
  it('goes on where it broke off, and across runs', async () => {
    const r = await rig();
    const large = enlarged(MODEL, 400_000);
    r.hub.files.set(at('main'), hubFile(large));
    // one for the question what there is, three broken attempts, then the first run gives up
    const head = after(() => undefined);
    r.hub.script.push(head, breakingOff(50_000), breakingOff(50_000), breakingOff(50_000));
    await expect(r.pull({ policy: { attempts: 3, firstWaitMs: 10, longestWaitMs: 100 } })).rejects.toThrow(
      failing(5, { next: expect.stringContaining('what has come is kept') }),
    );
    expect(await r.pull()).toEqual([expect.objectContaining({ state: 'downloaded', sha256: sha256(large) })]);
    // how much of a broken attempt arrives is up to the network; what arrived is never asked for again
    const starts = r.hub.requests.flatMap(({ headers: { range } }) =>
      range === undefined ? [] : [Number(/\d+/.exec(range)![0])],
    );
    expect(starts.length).toBeGreaterThan(1);
    expect(starts).toEqual([...starts].sort((a, b) => a - b));
    expect(starts.at(-1)).toBeGreaterThan(0);
    expect(r.events.filter(({ kind }) => kind === 'retry')).toHaveLength(2);
  });
});

describe('trouble with the store', () => {
  it('that may not be written is told with exit code 5', async ({ skip }) => {
    if (process.getuid?.() === 0) skip('root may write anywhere');
    const r = await rig();
    await mkdir(join(r.folder, 'store'), { mode: 0o555 });
    await expect(r.pull()).rejects.toThrow(failing(5, { what: 'no permission' }));
  });

  it('that is a file is told with exit code 5', async () => {
    const r = await rig();
    await writeFile(join(r.folder, 'store'), '');
    await expect(r.pull()).rejects.toThrow(failing(5, { got: expect.stringMatching(/ENOTDIR|EEXIST/) }));
  });
});
