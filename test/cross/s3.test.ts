// A real S3 server (moto's, as a process of its own) under the object store, the cache and the command line, and under a proxy that
// breaks requests. Skipped, and said so, where Python has no moto.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { GetObjectCommand, ListMultipartUploadsCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { openCatalogue } from '../../src/cache/catalogue.ts';
import { digestInName } from '../../src/cache/copied-files.ts';
import { verifyCache } from '../../src/cache/verify.ts';
import { machineTimer } from '../../src/core/clock.ts';
import type { CommitFs } from '../../src/store/commit-fs.ts';
import { objectFs } from '../../src/store/object-fs.ts';
import { Replica } from '../../src/store/replica.ts';
import { type S3StoreOptions, s3Store } from '../../src/store/s3-store.ts';
import { contentOf, engine, fill, fixedClock, group, images, openWriter, partFor } from '../cache/rig.ts';
import { objectStoreContract } from '../store/object-store-contract.ts';
import { copyEmoji, emojiNames } from '../support/emoji-folder.ts';
import { failing } from '../support/failing.ts';
import { type FailingProxy, type Fate, failingProxy } from '../support/failing-proxy.ts';
import { KEYS, type S3Server, lacksPython, startS3 } from '../support/moto-server.ts';
import { type CliResult, cli, expectOneMessage } from '../support/run-cli.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { writeTinyTeacher } from '../support/tiny-teacher.ts';

const reason = lacksPython('moto.server', 'boto3');
if (reason !== null) console.error(`skipped, not passed: a real S3 server under the cache (${reason})`);

describe.skipIf(reason !== null)('S3', () => {
  let server: S3Server;
  beforeAll(async () => {
    Object.assign(process.env, KEYS, { AWS_EC2_METADATA_DISABLED: 'true' });
    server = await startS3();
  });
  afterAll(() => server.stop());

  /** Waits a tenth of the time between attempts. */
  const timer = { ...machineTimer, sleep: (waitMs: number) => machineTimer.sleep(waitMs / 10) };
  const open = async (options: Partial<S3StoreOptions> = {}) => {
    const bucket = options.bucket ?? (await server.bucket());
    const store = s3Store({ prefix: 'team/cache', endpoint: server.endpoint, timer, ...options, bucket });
    onTestFinished(() => store.close());
    return { store, bucket };
  };
  /** A store behind a proxy that decides what becomes of each request. */
  const behind = async (decide: FailingProxy['decide'], options: Partial<S3StoreOptions> = {}) => {
    const proxy = await failingProxy(server.endpoint);
    onTestFinished(() => proxy.stop());
    const made = await open({ ...options, endpoint: proxy.endpoint });
    proxy.decide = decide;
    return { ...made, proxy };
  };
  /** Breaks the first `times` requests that match. */
  const breaking = (match: RegExp, fate: Fate, times = Infinity): FailingProxy['decide'] => {
    let broken = 0;
    return ({ method, url }) => (match.test(`${method} ${url}`) && broken++ < times ? fate : 'pass');
  };
  const bigFile = async (): Promise<{ path: string; bytes: Buffer }> => {
    const path = join(await tempFolder(), 'big');
    const bytes = Buffer.alloc(11 << 20, 'stillhouse');
    await writeFile(path, bytes);
    return { path, bytes };
  };
  const uploadsIn = async (Bucket: string): Promise<number> =>
    (await server.client.send(new ListMultipartUploadsCommand({ Bucket }))).Uploads?.length ?? 0;
  const pieceBytes = 5 << 20;

  objectStoreContract('S3', async () => (await open()).store);
  objectStoreContract('a whole bucket of S3', async () => (await open({ prefix: '' })).store);

  describe('a large file', () => {
    it('is sent in pieces, and comes back as it was', async () => {
      const { store, bucket } = await open({ pieceBytes });
      const { path, bytes } = await bigFile();
      await store.putFile('part', path);
      expect(await store.head('part')).toBe(bytes.length);
      expect(Buffer.compare((await store.get('part'))!, bytes)).toBe(0);
      expect(await uploadsIn(bucket)).toBe(0);
    });

    it('whose connection is cut once in a piece is sent all the same', async () => {
      const { store, proxy } = await behind(breaking(/^PUT .*partNumber=2/, 'cut-request', 1), {
        pieceBytes,
      });
      const { path, bytes } = await bigFile();
      await store.putFile('part', path);
      expect(Buffer.compare((await store.get('part'))!, bytes)).toBe(0);
      expect(proxy.seen.filter((line) => /^PUT .*partNumber=2/.test(line))).toHaveLength(2);
    });

    it('whose connection is cut in each attempt is given up: typed failure, no object, no piece left', async () => {
      const { store, bucket } = await behind(breaking(/^PUT .*partNumber=2/, 'cut-request'), {
        pieceBytes,
        attempts: 2,
      });
      await expect(store.putFile('part', (await bigFile()).path)).rejects.toThrow(
        failing(5, { where: `s3://${bucket}/team/cache/part` }),
      );
      expect([await store.head('part'), await uploadsIn(bucket)]).toEqual([null, 0]);
    });
  });

  describe('a failing server', () => {
    it.each([500, 503])('that says %i once is asked again', async (status) => {
      const { store, proxy } = await behind(breaking(/^PUT/, { status }, 1));
      await store.put('a', Buffer.from('x'));
      expect(proxy.seen.filter((line) => line.startsWith('PUT'))).toHaveLength(2);
    });

    it('that says 503 each time is a typed failure with exit code 5', async () => {
      const { store } = await behind(breaking(/./, { status: 503 }), { attempts: 2 });
      await expect(store.get('a')).rejects.toThrow(
        failing(5, { what: 'the object store failed, also when asked again' }),
      );
    });

    it('that breaks off an answer is asked again; each time, it is a typed failure', async () => {
      const { store, bucket } = await open();
      const bytes = Buffer.alloc(1 << 20, 'y');
      await store.put('a', bytes);
      const once = await behind(breaking(/^GET .*\/a/, 'cut-answer', 1), { bucket });
      expect(Buffer.compare((await once.store.get('a'))!, bytes)).toBe(0);
      const always = await behind(breaking(/^GET .*\/a/, 'cut-answer'), { bucket, attempts: 2 });
      await expect(always.store.get('a')).rejects.toThrow(failing(5, {}));
    });

    it('that cannot be reached is a typed failure', async () => {
      const proxy = await failingProxy(server.endpoint);
      await proxy.stop();
      const { store } = await open({ endpoint: proxy.endpoint, attempts: 1 });
      await expect(store.get('a')).rejects.toThrow(
        failing(5, { what: 'the object store cannot be reached' }),
      );
    });
  });

  it('a bucket that does not exist is a typed failure, not an empty store', async () => {
    const { store } = await open({ bucket: 'no-such-bucket' });
    for (const call of [() => store.get('a'), () => store.list(''), () => store.put('a', Buffer.from('x'))])
      await expect(call()).rejects.toThrow(failing(5, { what: 'there is no such bucket' }));
  });

  describe('a cache', () => {
    const sums = group();
    const machine = async (made: { bucket?: string; maxBytes?: number } = {}) => {
      const { store, bucket } = await open(made.bucket === undefined ? {} : { bucket: made.bucket });
      const root = await tempFolder();
      const { maxBytes = 1e9 } = made;
      const replica = new Replica({ store, root, maxBytes, digestOf: digestInName, clock: fixedClock });
      const fs: CommitFs = objectFs({ store, root, replica });
      return { store, bucket, root, fs, replica };
    };

    it('filled in a bucket holds what one in a folder holds, through a replica too small for it', async () => {
      const world = { wanted: images(12), engines: [engine(sums)] };
      const local = await tempFolder();
      await fill({ ...world, root: local });
      const here = await machine();
      await fill({ ...world, root: here.root, fs: here.fs });
      const other = await machine({ bucket: here.bucket, maxBytes: 1500 });
      expect(await contentOf(other.root, other.fs)).toEqual(await contentOf(local));
      expect(other.replica.counts.evicted).toBeGreaterThan(0);
      const checkFs = objectFs({ store: other.store, root: other.root, replica: null });
      const { findings, rows } = await verifyCache({
        root: other.root,
        level: 'rows',
        repair: null,
        fs: checkFs,
      });
      expect([findings, rows]).toEqual([[], 24]);
    });

    it('loses nothing to four writers that commit and publish at once', async () => {
      const first = await machine();
      await Promise.all(
        [0, 1, 2, 3].map(async (i) => {
          const { root, fs } = await machine({ bucket: first.bucket });
          const { writer } = await openWriter(root, `w${i}`, fs);
          for (const from of [0, 2])
            await writer.commit(
              sums.spaces.map((space) => partFor(space, images(9 * i + from + 2).slice(9 * i + from))),
            );
          await writer.close();
        }),
      );
      const { spaces, missingParts } = await openCatalogue(first.root, { fs: first.fs });
      expect([...spaces.values()].map(({ rows }) => rows.size)).toEqual([16, 16]);
      expect(missingParts).toEqual([]);
    });

    it('whose object is changed in the bucket is refused when it is read', async () => {
      const here = await machine();
      await fill({ wanted: images(4), engines: [engine(sums)], root: here.root, fs: here.fs });
      const { spaces } = await openCatalogue(here.root, { fs: here.fs });
      const { entry, layout } = [...spaces.values()][0]!.parts[0]!;
      const { file } = entry;
      const at = { Bucket: here.bucket, Key: `team/cache/data/${file}` };
      const { Body } = await server.client.send(new GetObjectCommand(at));
      const bytes = await Body!.transformToByteArray();
      bytes[layout.at.payload]! ^= 1;
      await server.client.send(new PutObjectCommand({ ...at, Body: bytes }));
      const other = await machine({ bucket: here.bucket });
      await expect(contentOf(other.root, other.fs)).rejects.toThrow(
        failing(4, { what: 'the object store gave other bytes than were written' }),
      );
    });
  });

  describe('the command line', () => {
    const work = async () => {
      const cwd = await tempFolder();
      await copyEmoji(join(cwd, 'photos'), { vendor: 'twitter', names: await emojiNames(8) });
      await writeTinyTeacher(cwd);
      return cwd;
    };
    const env = (more: Record<string, string> = {}) => ({
      ...KEYS,
      AWS_ENDPOINT_URL_S3: server.endpoint,
      ...more,
    });
    const run = (cwd: string, args: string[], more: Record<string, string> = {}): Promise<CliResult> =>
      cli([...args, '--replica', join(cwd, 'replica')], { cwd, env: env(more) });
    const FILL = ['cache', '--data', 'photos', '--teacher', 'tiny.yaml@16', '--cache'];

    it('fills a bucket, lists, verifies, exports and collects it; a second machine reuses all', async () => {
      const cwd = await work();
      const url = `s3://${await server.bucket()}/tiny`;
      const first = await run(cwd, [...FILL, url]);
      expect(first, first.stderr).toMatchObject({ code: 0 });
      expect(first.stdout).toMatch(/^targets: 16 written, 0 reused$/m);
      const second = await work();
      expect((await run(second, [...FILL, url])).stdout).toMatch(/^targets: 0 written, 16 reused$/m);
      const json = async (...args: string[]): Promise<unknown> => {
        const result = await run(second, ['cache', ...args, '--cache', url, '--json']);
        expect(result, result.stderr).toMatchObject({ code: 0 });
        return JSON.parse(result.stdout) as unknown;
      };
      expect(await json('ls')).toMatchObject({ spaces: [{ rows: 8 }, { rows: 8 }] });
      expect(await json('verify', '--level', 'rows')).toMatchObject({ rows: 16, findings: [] });
      // measured through copies, kept in the bucket, and found there by another machine
      const stats = {
        spaces: [
          { reused: false, rows: 8 },
          { reused: false, rows: 8 },
        ],
      };
      expect(await json('stats')).toMatchObject(stats);
      const elsewhere = await run(cwd, ['cache', 'stats', '--cache', url, '--json']);
      const again = JSON.parse(elsewhere.stdout) as { spaces: { reused: boolean }[] };
      expect(again.spaces.map(({ reused }) => reused)).toEqual([true, true]);
      expect(await json('derive', 'tiny@16.spatial', '--codec', 'i8p')).toMatchObject({
        spaces: [{ rows: 8, failed: 0 }],
      });
      expect(
        await json('export', '--to', 'exported', 'tiny@16.summary.f16', 'tiny@16.spatial.f16'),
      ).toMatchObject({ spaces: [{ rows: 8 }, { rows: 8 }] });
      await json('drop', 'tiny');
      expect(await json('gc', '--keep', '1')).toMatchObject({ dryRun: false });
      expect(await json('ls')).toMatchObject({ spaces: [{ rows: 0 }, { rows: 0 }, { rows: 0 }] });
    });

    it('says of a missing bucket, of missing and of refused credentials, of no server and of a bad URL what to do', async () => {
      const cwd = await work();
      const missing = await run(cwd, [...FILL, 's3://no-such-bucket/x']);
      expect(expectOneMessage(missing, 5)).toContain('there is no such bucket');
      const url = `s3://${await server.bucket()}`;
      const none = {
        AWS_ACCESS_KEY_ID: '',
        AWS_SECRET_ACCESS_KEY: '',
        AWS_EC2_METADATA_DISABLED: 'true',
        HOME: cwd,
      };
      expect(expectOneMessage(await run(cwd, [...FILL, url], none), 5)).toContain('there are no credentials');
      const closed = await run(cwd, [...FILL, url], {
        AWS_ENDPOINT_URL_S3: 'http://127.0.0.1:9',
        AWS_MAX_ATTEMPTS: '1',
      });
      expect(expectOneMessage(closed, 5)).toContain('cannot be reached');
      expectOneMessage(await run(cwd, [...FILL, 's3://UPPER/..']), 2);
      expectOneMessage(await run(cwd, ['cache', 'ls', '--cache', `${url}/nothing`]), 3);
    });
  });
});
