/**
 * A real HTTP server on loopback that serves files as a good server does (Range, If-Range, HEAD) and, asked to, misbehaves: one
 * entry of `script` is used up by each request, then it is good again.
 */
import { type IncomingHttpHeaders, type IncomingMessage, type ServerResponse, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';

export interface ServedFile {
  bytes: Uint8Array;
  etag?: string;
  lastModified?: string;
  /** False: Range is ignored. */
  ranges?: boolean;
  /** Sent with every answer. */
  headers?: Readonly<Record<string, string>>;
}

export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
}

/** Answers one request badly. */
export type Misbehaviour = (exchange: {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** Answers as a good server would, but stops after so many bytes of the body. */
  readonly serve: (upTo?: number) => Promise<void>;
}) => void | Promise<void>;

export interface FileServer {
  readonly origin: string;
  readonly files: Map<string, ServedFile>;
  readonly script: Misbehaviour[];
  readonly requests: SeenRequest[];
  url(path: string): string;
}

/** Closed, with all its connections, when the test ends. */
export async function fileServer(files: Readonly<Record<string, ServedFile>> = {}): Promise<FileServer> {
  const served = new Map(Object.entries(files));
  const script: Misbehaviour[] = [];
  const requests: SeenRequest[] = [];
  const server = createServer((request, response) => {
    const path = request.url ?? '';
    requests.push({ method: request.method ?? '', path, headers: request.headers });
    // the client may go away in the middle: that is what is being tested
    response.on('error', () => undefined);
    const serve = (upTo = Infinity): Promise<void> =>
      answer(request, response, served.get(path.replace(/\?.*$/, '')), upTo);
    const misbehave = script.shift();
    void (misbehave === undefined ? serve() : misbehave({ request, response, serve }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    return new Promise<void>((resolve) => server.close(() => resolve()));
  });
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { origin, files: served, script, requests, url: (path) => `${origin}${path}` };
}

/** Ends the connection after so many bytes of the body, late enough for them to be read: fetch drops what it still holds. */
export const breakingOff =
  (after: number): Misbehaviour =>
  async ({ response, serve }) => {
    await serve(after);
    setTimeout(() => response.socket?.destroy(), 40);
  };

/** Says nothing more after so many bytes of the body; null: not even the headers. */
export const fallingSilent =
  (after: number | null): Misbehaviour =>
  ({ serve }) =>
    after === null ? undefined : serve(after);

export const answering =
  (status: number, headers: Readonly<Record<string, string>> = {}, body = ''): Misbehaviour =>
  ({ response }) => {
    response.writeHead(status, headers).end(body);
  };

export const redirecting = (to: string, headers: Readonly<Record<string, string>> = {}): Misbehaviour =>
  answering(302, { location: to, ...headers });

/** Answers as it should, after the files were changed. */
export const after =
  (change: () => void): Misbehaviour =>
  ({ serve }) => {
    change();
    return serve();
  };

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  file: ServedFile | undefined,
  upTo: number,
): Promise<void> {
  if (file === undefined) {
    response.writeHead(404).end();
    return;
  }
  const { bytes, etag, lastModified } = file;
  const headers = {
    ...(etag === undefined ? {} : { etag }),
    ...(lastModified === undefined ? {} : { 'last-modified': lastModified }),
    ...file.headers,
  };
  const asked = file.ranges === false ? null : /^bytes=(\d+)-$/.exec(request.headers.range ?? '');
  const condition = request.headers['if-range'];
  const isRange = asked !== null && (condition === undefined || condition === (etag ?? lastModified));
  const from = isRange ? Number(asked[1]) : 0;
  if (isRange && from >= bytes.length) {
    response.writeHead(416, { ...headers, 'content-range': `bytes */${bytes.length}` }).end();
    return;
  }
  const body = bytes.subarray(from);
  response.writeHead(isRange ? 206 : 200, {
    'content-length': body.length,
    ...(isRange ? { 'content-range': `bytes ${from}-${bytes.length - 1}/${bytes.length}` } : {}),
    ...headers,
  });
  if (request.method === 'HEAD') {
    response.end();
    return;
  }
  if (upTo >= body.length) {
    response.end(body);
    return;
  }
  response.flushHeaders();
  await new Promise<void>((resolve) => response.write(body.subarray(0, upTo), () => resolve()));
}
