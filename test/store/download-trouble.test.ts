import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { writeAllAt } from '../../src/store/partial-file.ts';
import { failing } from '../support/failing.ts';
import { systemError } from '../support/failing-fs.ts';
import { answering, fallingSilent, fileServer, redirecting } from '../support/file-server.ts';
import { BYTES, expectWhole, ranges, rig } from './download-rig.ts';

/** An address at which no server listens any more. */
async function nobodyThere(): Promise<string> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return `http://127.0.0.1:${port}/w`;
}

describe('an answer that is no file', () => {
  it.each([
    [404, 3, 'there is no such file on the server', /correct the address/],
    [410, 3, 'there is no such file on the server', /correct the address/],
    [401, 5, 'the server does not give this file to you', /ask the owner/],
    [403, 5, 'the server does not give this file to you', /ask the owner/],
    [400, 5, 'the server refuses the request', /in a browser/],
  ])('of status %i ends at once with exit code %i', async (status, exitCode, what, next) => {
    const r = await rig();
    r.server.script.push(answering(status, { 'x-error-message': 'as I told you' }));
    await expect(r.get()).rejects.toThrow(
      failing(exitCode, {
        what,
        where: r.server.url('/w'),
        got: `status ${status}: as I told you`,
        next: expect.stringMatching(next),
      }),
    );
    expect(r.server.requests).toHaveLength(1);
  });

  it.each([408, 425, 500, 502, 503, 504])('of status %i is asked for again', async (status) => {
    const r = await rig();
    r.server.script.push(answering(status), answering(status));
    await expectWhole(await r.get());
    expect(r.timer.waitsMs).toEqual([1000, 2000]);
  });

  it('of status 500 for ever is given up with the status', async () => {
    const r = await rig();
    r.server.script.push(...Array.from({ length: 4 }, () => answering(500)));
    await expect(r.get()).rejects.toThrow(failing(5, { got: 'status 500, 4 attempts' }));
  });

  it('of status 429 is asked for again when the server said, in seconds or as a date', async () => {
    const r = await rig();
    r.server.script.push(
      answering(429, { 'retry-after': '7' }),
      answering(429, { 'retry-after': 'Thu, 01 Jan 2026 00:00:20 GMT' }),
    );
    await expectWhole(await r.get());
    expect(r.timer.waitsMs).toEqual([7000, 13_000]);
  });

  it('of status 429 for an hour is not waited for', async () => {
    const r = await rig();
    r.server.script.push(answering(429, { 'retry-after': '3600' }));
    await expect(r.get()).rejects.toThrow(failing(5, { got: 'status 429, in 3600 s' }));
    expect(r.timer.waitsMs).toEqual([]);
  });

  it('of status 416 for a file that is whole is the end of it', async () => {
    const r = await rig();
    const whole = await r.get();
    // killed between the last byte and what the caller does with the file
    await expectWhole(await r.get());
    expect(ranges(r)).toEqual([undefined, `bytes=${whole.sizeBytes}-`]);
  });

  it('in a content coding that nobody asked for is refused', async () => {
    const r = await rig();
    r.server.files.get('/w')!.headers = { 'content-encoding': 'br' };
    await expect(r.get()).rejects.toThrow(
      failing(5, { got: expect.stringContaining('content-encoding br') }),
    );
  });

  it('of status 204 is refused', async () => {
    const r = await rig();
    r.server.script.push(answering(204));
    await expect(r.get()).rejects.toThrow(failing(5, { got: 'status 204' }));
  });
});

describe('a redirect', () => {
  it('to another host is followed without the token, which stays with its own host', async () => {
    const r = await rig();
    const cdn = await fileServer({ '/blob': { bytes: BYTES, etag: '"cdn"' } });
    r.server.script.push(redirecting('/moved'), redirecting(cdn.url('/blob')));
    const bearer = { token: 'secret-token', origin: r.server.origin };
    await expectWhole(await r.get({ bearer }));
    expect(r.server.requests.map(({ path, headers }) => [path, headers.authorization])).toEqual([
      ['/w', 'Bearer secret-token'],
      ['/moved', 'Bearer secret-token'],
    ]);
    expect(cdn.requests).toHaveLength(1);
    expect(JSON.stringify(cdn.requests)).not.toContain('secret-token');
  });

  it('back to the host of the token gives it the token again, and nobody in between', async () => {
    const r = await rig();
    const between = await fileServer();
    r.server.script.push(redirecting(between.url('/x')));
    between.script.push(redirecting(r.server.url('/w')));
    await expectWhole(await r.get({ bearer: { token: 'secret-token', origin: r.server.origin } }));
    expect(between.requests[0]!.headers).not.toHaveProperty('authorization');
    expect(r.server.requests[1]!.headers.authorization).toBe('Bearer secret-token');
  });

  it('in circles, to nowhere or to something that is no web address is refused', async () => {
    for (const [script, got] of [
      [Array.from({ length: 12 }, () => redirecting('/w')), 'more than 10 redirects'],
      [[answering(302)], 'status 302 without an address to go on at'],
    ] as const) {
      const r = await rig();
      r.server.script.push(...script);
      await expect(r.get()).rejects.toThrow(failing(5, { got }));
    }
    const r = await rig();
    r.server.script.push(redirecting('file:///etc/passwd'));
    await expect(r.get()).rejects.toThrow(
      failing(3, { wanted: 'an https address without a user name in it' }),
    );
  });

  it('with a signature in its query keeps it out of messages', async () => {
    const r = await rig();
    r.server.script.push(redirecting('ftp://cdn.example.org/w?signature=secret'));
    const error: unknown = await r.get().catch((e: unknown) => e);
    expect(String(error)).not.toContain('secret');
  });
});

describe('a server that falls silent', () => {
  it.each([null, 0, 50_000])('after %s bytes is asked again', async (bytes) => {
    const r = await rig();
    r.server.script.push(fallingSilent(bytes));
    await expectWhole(await r.get({ idleMs: 150 }));
    expect(r.retries).toEqual(['nothing came for 0.15 s']);
  });

  it('is not mixed up with a slow disk of ours', async () => {
    const r = await rig();
    const write: typeof writeAllAt = async (file, bytes, at) => {
      await new Promise((resolve) => setTimeout(resolve, 60));
      await writeAllAt(file, bytes, at);
    };
    await expectWhole(await r.get({ idleMs: 50, write }));
    expect(r.retries).toEqual([]);
  });
});

describe('trouble on this side', () => {
  it('of the network is told with what to do, after a few attempts', async () => {
    const r = await rig();
    const url = await nobodyThere();
    await expect(r.get({ url })).rejects.toThrow(
      failing(5, {
        where: url,
        got: expect.stringMatching(/^ECONNREFUSED.*4 attempts$/),
        next: expect.stringContaining('Offline'),
      }),
    );
  });

  it('of a name that nobody knows is told at once', async () => {
    const r = await rig();
    await expect(r.get({ url: 'http://no-such-host.invalid/w' })).rejects.toThrow(failing(5, {}));
    expect(r.timer.waitsMs.length).toBeLessThan(4);
  });

  it('of an address that cannot be meant is told without a request', async () => {
    const r = await rig();
    for (const url of ['no address', 'ftp://example.org/w', 'https://me:secret@example.org/w'])
      await expect(r.get({ url })).rejects.toThrow(
        failing(3, { got: expect.not.stringContaining('secret') }),
      );
  });

  it('of a full disk keeps what fitted, so that the next run goes on there', async () => {
    const r = await rig();
    let written = 0;
    const write: typeof writeAllAt = async (file, bytes, at) => {
      if (written + bytes.length > 150_000) throw systemError('ENOSPC');
      await writeAllAt(file, bytes, at);
      written += bytes.length;
    };
    await expect(r.get({ write })).rejects.toThrow(
      failing(5, { what: 'the disk is full', where: join(r.folder, 'data') }),
    );
    await expectWhole(await r.get());
    expect(ranges(r).at(-1)).toBe(`bytes=${written}-`);
  });

  it('of a file in the place of the folder is told', async () => {
    const r = await rig();
    await mkdir(join(r.folder, '..'), { recursive: true });
    await writeFile(r.folder, '');
    await expect(r.get()).rejects.toThrow(failing(5, { got: expect.stringMatching(/ENOTDIR|EEXIST/) }));
  });

  it('of a room too small for the file is told before it is read', async () => {
    const r = await rig();
    r.server.script.push(({ response }) => {
      response.writeHead(200, { 'content-length': '9007199254740991' });
      response.write('x');
    });
    await expect(r.get()).rejects.toThrow(
      failing(5, { what: 'there is not enough room for the file', got: expect.stringContaining('MB free') }),
    );
    expect(await readdir(r.folder)).toEqual(['data']);
  });
});
