import { readFile, writeFile } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { sha256 } from '../../src/core/digest.ts';
import { failing } from '../support/failing.ts';
import { after, breakingOff, fallingSilent } from '../support/file-server.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { BYTES, OTHER, bytesOf, expectWhole, ranges, rig } from './download-rig.ts';

describe('a download', () => {
  it('brings the bytes as they are and tells how far it is', async () => {
    const r = await rig();
    const seen: [number, number | null][] = [];
    await expectWhole(await r.get({ onProgress: (done, total) => seen.push([done, total]) }));
    expect(seen.at(-1)).toEqual([BYTES.length, BYTES.length]);
    expect(r.server.requests).toEqual([
      expect.objectContaining({ headers: expect.objectContaining({ 'accept-encoding': 'identity' }) }),
    ]);
    expect(r.retries).toEqual([]);
  });

  it('of an empty file is an empty file', async () => {
    const r = await rig();
    r.server.files.set('/w', { bytes: new Uint8Array(0), etag: '"none"' });
    await expectWhole(await r.get(), new Uint8Array(0));
  });

  it('of a file whose size nobody tells ends with the connection', async () => {
    const r = await rig();
    r.server.script.push(({ response }) => {
      response.writeHead(200, { 'transfer-encoding': 'chunked' });
      response.end(BYTES);
    });
    await expectWhole(await r.get());
  });
});

describe('a server that breaks off in the middle', () => {
  it('several times is asked for the rest each time, and only for the rest', async () => {
    const r = await rig();
    for (const count of [1000, 50_000, 20_000]) r.server.script.push(breakingOff(count));
    await expectWhole(await r.get());
    const asked = ranges(r);
    expect(asked).toHaveLength(4);
    expect(asked[0]).toBeUndefined();
    expect(r.server.requests.slice(1).map(({ headers }) => headers['if-range'])).toEqual(
      Array(3).fill('"one"'),
    );
    const starts = asked.slice(1).map((range) => Number(/\d+/.exec(range!)![0]));
    // what arrived is never asked for again
    expect(starts).toEqual([...starts].sort((a, b) => a - b));
    expect(starts.at(-1)).toBeGreaterThan(0);
    expect(r.timer.waitsMs).toEqual([1000, 2000, 4000]);
  });

  it('every time is given up after the agreed attempts, and what came is kept', async () => {
    const r = await rig();
    for (let i = 0; i < 4; i++) r.server.script.push(breakingOff(10_000));
    await expect(r.get()).rejects.toThrow(
      failing(5, {
        got: expect.stringContaining('4 attempts'),
        next: expect.stringContaining('what has come is kept'),
      }),
    );
    const { length } = await readFile(join(r.folder, 'data'));
    expect(length).toBeGreaterThan(0);
    await expectWhole(await r.get());
    expect(ranges(r).at(-1)).toBe(`bytes=${length}-`);
  });

  it('but brings a good deal each time is asked for as long as it takes', async () => {
    const r = await rig();
    const large = bytesOf(3, 6 << 20);
    r.server.files.set('/w', { bytes: large, etag: '"large"' });
    for (let i = 0; i < 5; i++) r.server.script.push(breakingOff((1 << 20) + (1 << 19)));
    await expectWhole(await r.get({ policy: { attempts: 2, firstWaitMs: 1, longestWaitMs: 10 } }), large);
  });

  it('and ignores Range is read from the start again', async () => {
    const r = await rig();
    r.server.files.get('/w')!.ranges = false;
    r.server.script.push(breakingOff(100_000));
    await expectWhole(await r.get());
    expect(ranges(r)).toEqual([undefined, expect.stringMatching(/^bytes=/)]);
  });
});

describe('a file that changes between two attempts', () => {
  it('is read from the start, so that no file is made of two versions', async () => {
    const r = await rig();
    r.server.script.push(
      breakingOff(100_000),
      after(() => r.server.files.set('/w', { bytes: OTHER, etag: '"two"' })),
    );
    await expectWhole(await r.get(), OTHER);
  });

  it('on a server that ignores If-Range is noticed by its ETag', async () => {
    const r = await rig();
    r.server.script.push(breakingOff(100_000), ({ request, response }) => {
      const from = Number(/\d+/.exec(request.headers.range!)![0]);
      response
        .writeHead(206, {
          etag: '"two"',
          'content-range': `bytes ${from}-${OTHER.length - 1}/${OTHER.length}`,
        })
        .end(OTHER.subarray(from));
    });
    r.server.script.push(after(() => r.server.files.set('/w', { bytes: OTHER, etag: '"two"' })));
    await expectWhole(await r.get(), OTHER);
    expect(ranges(r).at(-1)).toBeUndefined();
  });

  it('and is shorter by now is read from the start', async () => {
    const r = await rig();
    const short = OTHER.subarray(0, 10);
    r.server.script.push(breakingOff(100_000), ({ response }) => {
      response.writeHead(416, { 'content-range': 'bytes */10' }).end();
    });
    r.server.script.push(after(() => r.server.files.set('/w', { bytes: short, etag: '"short"' })));
    await expectWhole(await r.get(), short);
  });

  it('while nothing ran is read from the start by the next run', async () => {
    const r = await rig();
    r.server.script.push(...Array.from({ length: 4 }, () => breakingOff(50_000)));
    await expect(r.get()).rejects.toThrow(failing(5, {}));
    r.server.files.set('/w', { bytes: OTHER, etag: '"two"' });
    await expectWhole(await r.get(), OTHER);
  });

  it('is not gone on with when the server gives nothing to tell versions by', async () => {
    const r = await rig();
    for (const etag of [undefined, 'W/"weak"']) {
      r.server.files.set('/w', { bytes: BYTES, ...(etag === undefined ? {} : { etag }) });
      r.server.script.push(breakingOff(100_000));
      await expectWhole(await r.get({ folder: await tempFolder() }));
      expect(ranges(r)).toEqual([undefined, undefined]);
      r.server.requests.length = 0;
    }
  });

  it('is told by Last-Modified where there is no ETag', async () => {
    const r = await rig();
    r.server.files.set('/w', { bytes: BYTES, lastModified: 'Wed, 21 Oct 2015 07:28:00 GMT' });
    r.server.script.push(breakingOff(100_000));
    await expectWhole(await r.get());
    expect(r.server.requests[1]!.headers['if-range']).toBe('Wed, 21 Oct 2015 07:28:00 GMT');
    expect(ranges(r)[1]).toMatch(/^bytes=\d+-$/);
  });
});

describe('a server that lies about the length', () => {
  it('and sends less is asked for the rest; when there is none, it is given up', async () => {
    const r = await rig();
    const lying = ({ response }: { response: ServerResponse }): void => {
      response.writeHead(200, { 'content-length': BYTES.length + 5, etag: '"one"' });
      response.write(BYTES, () => response.socket?.destroy());
    };
    r.server.script.push(lying, lying, lying, lying);
    await expect(r.get()).rejects.toThrow(failing(5, { got: expect.stringContaining('attempts') }));
  });

  it('and sends more in chunks is not believed', async () => {
    const r = await rig();
    r.server.script.push(breakingOff(100_000), ({ response, request }) => {
      const from = Number(/\d+/.exec(request.headers.range!)![0]);
      response.writeHead(206, {
        etag: '"one"',
        'transfer-encoding': 'chunked',
        'content-range': `bytes ${from}-${BYTES.length - 1}/${BYTES.length}`,
      });
      response.end(Buffer.concat([BYTES.subarray(from), Buffer.alloc(100)]));
    });
    await expectWhole(await r.get());
    expect(r.retries.at(-1)).toContain('more than it announced');
  });

  it('of a pinned file is refused before anything is read', async () => {
    const r = await rig();
    await expect(r.get({ wanted: { sha256: sha256(BYTES), sizeBytes: 7 } })).rejects.toThrow(
      failing(4, { wanted: '7 bytes', got: `${BYTES.length} bytes` }),
    );
    expect(await readFile(join(r.folder, 'data'))).toHaveLength(0);
  });
});

describe('a file that is not the pinned one', () => {
  it('is refused with both digests, and its bytes are dropped', async () => {
    const r = await rig();
    const wanted = { sha256: sha256(OTHER), sizeBytes: null };
    await expect(r.get({ wanted })).rejects.toThrow(
      failing(4, {
        where: r.server.url('/w'),
        wanted: `sha256 ${sha256(OTHER)}`,
        got: `sha256 ${sha256(BYTES)}`,
        next: expect.stringContaining('--update'),
      }),
    );
    expect(r.server.requests).toHaveLength(1);
    expect(await readFile(join(r.folder, 'data'))).toHaveLength(0);
  });

  it('is refused without a byte when the server says so by itself', async () => {
    const r = await rig();
    await expect(
      r.get({
        wanted: { sha256: sha256(OTHER), sizeBytes: null },
        announcement: () => ({ sha256: sha256(BYTES), sizeBytes: null }),
      }),
    ).rejects.toThrow(failing(4, { wanted: `sha256 ${sha256(OTHER)}` }));
  });

  it('although the server announced it is refused: the server lies, or the bytes were changed on the way', async () => {
    const r = await rig();
    const announcement = () => ({ sha256: sha256(OTHER), sizeBytes: null });
    await expect(r.get({ announcement })).rejects.toThrow(failing(4, { wanted: `sha256 ${sha256(OTHER)}` }));
  });

  it('because its beginning was damaged on this disk is read once more from the start', async () => {
    const r = await rig();
    r.server.script.push(...Array.from({ length: 4 }, () => breakingOff(50_000)));
    await expect(r.get()).rejects.toThrow(failing(5, {}));
    const partial = await readFile(join(r.folder, 'data'));
    await writeFile(join(r.folder, 'data'), partial.fill(0, 0, 100));
    await expectWhole(await r.get({ wanted: { sha256: sha256(BYTES), sizeBytes: null } }));
    expect(ranges(r).at(-1)).toBeUndefined();
  });
});

it('asked to stop, a download stops with the reason, keeps what came and goes on later', async () => {
  const r = await rig();
  const controller = new AbortController();
  r.server.script.push(fallingSilent(50_000));
  const stopped = new Error('stopped');
  await expect(
    r.get({ signal: controller.signal, onProgress: (done) => done >= 50_000 && controller.abort(stopped) }),
  ).rejects.toBe(stopped);
  await expectWhole(await r.get());
  expect(ranges(r)).toEqual([undefined, 'bytes=50000-']);
});
