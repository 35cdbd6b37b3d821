/** A file on a server that can misbehave, and a download of it whose waits take no time. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import { sha256 } from '../../src/core/digest.ts';
import { Rng } from '../../src/core/rng.ts';
import { type DownloadOptions, type Downloaded, download } from '../../src/store/download.ts';
import { type FileServer, fileServer } from '../support/file-server.ts';
import { type ManualTimer, manualTimer } from '../support/manual-timer.ts';
import { tempFolder } from '../support/temp-folder.ts';

export const bytesOf = (seed: number, length = 300_000): Uint8Array => {
  const rng = new Rng(seed, 'a file to download');
  return Uint8Array.from({ length }, () => rng.below(256));
};
export const BYTES = bytesOf(1);
export const OTHER = bytesOf(2);

export interface Rig {
  readonly server: FileServer;
  readonly folder: string;
  readonly timer: ManualTimer;
  readonly retries: string[];
  get(change?: Partial<DownloadOptions>): Promise<Downloaded>;
}

export async function rig(): Promise<Rig> {
  const server = await fileServer({ '/w': { bytes: BYTES, etag: '"one"' } });
  const folder = join(await tempFolder(), 'partial');
  const timer = manualTimer();
  const retries: string[] = [];
  const get: Rig['get'] = (change = {}) =>
    download({
      url: server.url('/w'),
      accessAdvice: 'ask the owner',
      folder,
      wanted: { sha256: null, sizeBytes: null },
      announcement: () => ({ sha256: null, sizeBytes: null }),
      policy: { attempts: 4, firstWaitMs: 1000, longestWaitMs: 60_000 },
      idleMs: 5000,
      timer,
      signal: new AbortController().signal,
      onProgress: () => undefined,
      onRetry: (reason) => retries.push(reason),
      ...change,
    });
  return { server, folder, timer, retries, get };
}

export const ranges = ({ server }: Rig): (string | undefined)[] =>
  server.requests.map(({ headers }) => headers.range);

export async function expectWhole(downloaded: Downloaded, bytes = BYTES): Promise<void> {
  expect(downloaded).toMatchObject({ sha256: sha256(bytes), sizeBytes: bytes.length });
  expect(Buffer.compare(await readFile(downloaded.path), bytes)).toBe(0);
}
