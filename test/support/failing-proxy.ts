/** An HTTP proxy in front of a real server that breaks some of the requests on their way. */
import { type IncomingMessage, type Server, type ServerResponse, createServer, request } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';

/** What becomes of a request: passed on, answered with a status, cut while it is sent or while its answer is read. */
export type Fate = 'pass' | 'cut-request' | 'cut-answer' | { readonly status: number };

export interface FailingProxy {
  readonly endpoint: string;
  /** Decides for each request, in order of arrival. */
  decide: (request: { readonly method: string; readonly url: string }) => Fate;
  readonly seen: string[];
  stop(): Promise<void>;
}

export async function failingProxy(target: string): Promise<FailingProxy> {
  const { hostname, port } = new URL(target);
  const proxy: { -readonly [K in keyof FailingProxy]: FailingProxy[K] } = {
    endpoint: '',
    decide: () => 'pass',
    seen: [],
    stop: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
  const server: Server = createServer((incoming: IncomingMessage, outgoing: ServerResponse) => {
    const { method = '', url = '' } = incoming;
    proxy.seen.push(`${method} ${url}`);
    const fate = proxy.decide({ method, url });
    if (fate === 'cut-request') {
      incoming.once('data', () => incoming.socket.destroy());
      return;
    }
    if (typeof fate === 'object') {
      incoming.resume();
      incoming.once('end', () => outgoing.writeHead(fate.status).end());
      return;
    }
    const onward = request({ hostname, port, method, path: url, headers: incoming.headers }, (answer) => {
      outgoing.writeHead(answer.statusCode!, answer.headers);
      if (fate === 'pass') answer.pipe(outgoing);
      else
        answer.once('data', (first: Buffer) => {
          outgoing.write(first.subarray(0, first.length >> 1), () => incoming.socket.destroy());
        });
    });
    onward.on('error', () => incoming.socket.destroy());
    incoming.pipe(onward);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  proxy.endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return proxy;
}
