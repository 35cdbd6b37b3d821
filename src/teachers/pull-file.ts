/** One file of weights: present, waited for, or downloaded, checked and pinned. */
import * as fsp from 'node:fs/promises';
import { join } from 'node:path';
import type { Timer } from '../core/clock.ts';
import { systemCodeOf } from '../core/failure.ts';
import type { Digest } from '../core/ids.ts';
import type { RetryPolicy } from '../store/backoff.ts';
import { nodeFs } from '../store/commit-fs.ts';
import { ContentStore } from '../store/content-store.ts';
import { download } from '../store/download.ts';
import { type Lease, awaitLease } from '../store/lease.ts';
import type { Hub } from './hub.ts';
import { type Probed, probe, remoteFile } from './remote-file.ts';
import { type WeightsPin, readPins, writePin } from './weights-lock.ts';
import type { WeightsPlaces } from './weights-places.ts';

export type FilePullEvent =
  | { readonly kind: 'waiting'; readonly uri: string; readonly pid: number; readonly host: string }
  | { readonly kind: 'started'; readonly uri: string; readonly url: string }
  | {
      readonly kind: 'progress';
      readonly uri: string;
      readonly doneBytes: number;
      readonly totalBytes: number | null;
    }
  | { readonly kind: 'retry'; readonly uri: string; readonly reason: string; readonly waitMs: number };

export interface FilePullOptions {
  readonly hub: Hub;
  /** Pin what the servers have now, whatever the lock file says. A sha256 in a manifest still counts. */
  readonly update: boolean;
  readonly timer: Timer;
  readonly signal: AbortSignal;
  readonly onEvent: (event: FilePullEvent) => void;
  readonly policy?: RetryPolicy;
  readonly idleMs?: number;
}

const POLICY: RetryPolicy = { attempts: 6, firstWaitMs: 1000, longestWaitMs: 120_000 };
const PULL_IDLE_MS = 60_000;
/** A question is answered soon, or not needed. */
export const PROBE_IDLE_MS = 10_000;
const LOOK_MS = 500;
const PATIENCE_MS = 10 * 60_000;

interface Pin {
  readonly sha256: Digest | null;
  readonly sizeBytes: number | null;
  readonly commit: string | null;
}

export interface FileToPull {
  readonly uri: string;
  /** The manifest's sha256. */
  readonly sha256: Digest | null;
  /** Where nothing is pinned: the commit to take it from, so that files of one repository belong together. */
  readonly commit?: string | undefined;
}

export class FilePull {
  readonly #uri: string;
  /** The manifest's sha256. */
  readonly #own: Digest | null;
  readonly #commit: string | null;
  readonly #lock: string;
  readonly #store: ContentStore;
  readonly #options: FilePullOptions;
  /** What the server told, asked once. */
  #told: Probed | null = null;

  constructor({ uri, sha256, commit }: FileToPull, places: WeightsPlaces, options: FilePullOptions) {
    this.#uri = uri;
    this.#own = sha256;
    this.#commit = commit ?? null;
    this.#lock = places.lock;
    this.#store = new ContentStore(places.store);
    this.#options = options;
  }

  async run(): Promise<'present' | 'downloaded'> {
    if (await this.#isPresent()) return 'present';
    const { onEvent } = this.#options;
    const uri = this.#uri;
    const folder = this.#store.partialFolder(uri);
    const lease = await this.#awaitLease(uri, {
      progress: () => sizeOrNone(join(folder, 'data')),
      onWait: ({ pid, host }) => onEvent({ kind: 'waiting', uri, pid, host }),
    });
    try {
      // asked again: whoever held the lease may have brought and pinned it
      if (await this.#isPresent()) return 'present';
      await this.#bring(folder);
      return 'downloaded';
    } finally {
      await lease.release();
    }
  }

  /** Whether the wanted bytes are here. Where nothing is pinned a hub may tell which they are. */
  async #isPresent(): Promise<boolean> {
    const pin = await this.#pin();
    if (pin.sha256 !== null) return this.#store.verify(pin.sha256);
    const { hub, signal, idleMs = PROBE_IDLE_MS } = this.#options;
    this.#told ??= await probe(remoteFile(this.#uri, hub, this.#commit), { signal, idleMs });
    const told = this.#told;
    if (told.sha256 === null || !(await this.#store.verify(told.sha256))) return false;
    const sizeBytes = (await this.#store.sizeBytes(told.sha256))!;
    await this.#writePin({ sha256: told.sha256, sizeBytes, ...commitOf(told.commit) });
    return true;
  }

  /** What the file must be. */
  async #pin(): Promise<Pin> {
    const own = this.#own;
    const pinned = (await readPins(this.#lock)).get(this.#uri);
    const isOwn = own !== null && pinned?.sha256 === own;
    if (pinned === undefined || (own !== null && !isOwn) || (this.#options.update && !isOwn))
      return { sha256: own, sizeBytes: null, commit: this.#commit };
    return { sha256: pinned.sha256, sizeBytes: pinned.sizeBytes, commit: pinned.commit ?? null };
  }

  async #bring(folder: string): Promise<void> {
    const uri = this.#uri;
    const { hub, timer, signal, onEvent, idleMs = PULL_IDLE_MS, policy = POLICY } = this.#options;
    const { commit, ...wanted } = await this.#pin();
    const file = remoteFile(uri, hub, commit);
    onEvent({ kind: 'started', uri, url: file.url });
    const downloaded = await download({
      url: file.url,
      ...(file.bearer === undefined ? {} : { bearer: file.bearer }),
      accessAdvice: file.accessAdvice,
      announcement: file.announcement,
      folder,
      wanted,
      policy,
      idleMs,
      timer,
      signal,
      onProgress: (doneBytes, totalBytes) => onEvent({ kind: 'progress', uri, doneBytes, totalBytes }),
      onRetry: (reason, waitMs) => onEvent({ kind: 'retry', uri, reason, waitMs }),
    });
    const { path, sha256, sizeBytes, ownHeaders } = downloaded;
    await this.#store.adopt(path, sha256);
    await this.#writePin({ sha256, sizeBytes, ...commitOf(commit ?? file.commit(ownHeaders)) });
    await nodeFs.remove(folder);
  }

  /** Notes the files that a pulled model names as lying beside it. */
  async pinBeside(beside: readonly string[]): Promise<void> {
    if (beside.length === 0) return;
    const pin = (await readPins(this.#lock)).get(this.#uri);
    const sha256 = this.#own ?? pin?.sha256;
    if (sha256 === undefined) throw new Error(`internal: ${this.#uri} is not pinned`);
    const known =
      pin?.sha256 === sha256 ? pin : { sha256, sizeBytes: (await this.#store.sizeBytes(sha256))! };
    await this.#writePin({ ...known, beside: [...beside] });
  }

  async #writePin(pin: WeightsPin): Promise<void> {
    const lease = await this.#awaitLease(this.#lock, {
      progress: () => Promise.resolve(0),
      onWait: () => undefined,
    });
    try {
      const replace = this.#options.update || this.#own !== null;
      await writePin(this.#lock, { uri: this.#uri, pin, replace });
    } finally {
      await lease.release();
    }
  }

  #awaitLease(
    key: string,
    on: Pick<Parameters<typeof awaitLease>[1], 'progress' | 'onWait'>,
  ): Promise<Lease> {
    const { timer, signal } = this.#options;
    const path = this.#store.leasePath(key);
    return awaitLease(path, { timer, signal, everyMs: LOOK_MS, patienceMs: PATIENCE_MS, ...on });
  }
}

const commitOf = (commit: string | null): { commit?: string } => (commit === null ? {} : { commit });

async function sizeOrNone(path: string): Promise<number | null> {
  try {
    return (await fsp.stat(path)).size;
  } catch (error) {
    if (systemCodeOf(error) === undefined) throw error;
    return null;
  }
}
