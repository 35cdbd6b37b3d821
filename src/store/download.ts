/**
 * A file brought here over HTTP, in as many attempts as it takes: each goes on where the last one stopped (Range and If-Range,
 * RFC 9110 §13.1.5 and §14), and starts anew when the server has another version by now or knows no ranges.
 */
import * as fsp from 'node:fs/promises';
import { StillhouseError } from '../core/failure.ts';
import type { Timer } from '../core/clock.ts';
import type { Digest } from '../core/ids.ts';
import { type RetryPolicy, waitAfter } from './backoff.ts';
import { type BearerToken, type HttpAnswer, printableUrl, request } from './http-request.ts';
import { PassingTrouble, troubleOfError, troubleOfStatus, unreachable } from './http-trouble.ts';
import { PartialFile, type WriteAt } from './partial-file.ts';

/** What a server says about a file before it sends it. */
export interface Announcement {
  readonly sha256: Digest | null;
  readonly sizeBytes: number | null;
}

export interface DownloadOptions {
  readonly url: string;
  readonly bearer?: BearerToken;
  /** What to do about a 401 or 403. */
  readonly accessAdvice: string;
  /** For this file alone; the caller holds its lease. */
  readonly folder: string;
  /** What the file must be; null where the first use decides. */
  readonly wanted: { readonly sha256: Digest | null; readonly sizeBytes: number | null };
  /** Reads what the asked host tells about the file. */
  readonly announcement: (headers: Headers) => Announcement;
  readonly policy: RetryPolicy;
  readonly idleMs: number;
  readonly timer: Timer;
  readonly signal: AbortSignal;
  readonly onProgress: (doneBytes: number, totalBytes: number | null) => void;
  readonly onRetry: (reason: string, waitMs: number) => void;
  readonly write?: WriteAt;
}

export interface Downloaded {
  /** In `folder`, whole and synced. */
  readonly path: string;
  readonly sha256: Digest;
  readonly sizeBytes: number;
  /** What the asked host itself answered to the last attempt. */
  readonly ownHeaders: Headers;
}

/** An attempt that brought this much counts as progress: the failures before it are forgotten. */
const PROGRESS_BYTES = 1 << 20;
const MOST_ATTEMPTS = 1000;

/**
 * @throws StillhouseError integrity when the file is not the wanted or announced one, environment when the server or the disk does
 * not do its part, bad-input when there is no such file. What has come stays in `folder` unless it is known to be wrong.
 */
export async function download(options: DownloadOptions): Promise<Downloaded> {
  const partial = await PartialFile.open(options.folder, options.write);
  try {
    if (partial.state?.url !== options.url) await partial.restart();
    let inOnePiece = partial.sizeBytes === 0;
    let failures = 0;
    let markBytes = partial.sizeBytes;
    for (let attempt = 1; ; attempt++) {
      try {
        const answer = await bring(partial, options);
        const sha256 = partial.digest();
        const expected = options.wanted.sha256 ?? answer.announced.sha256;
        if (expected === null || sha256 === expected) {
          await partial.sync();
          const { path, sizeBytes } = partial;
          return { path, sha256, sizeBytes, ownHeaders: answer.ownHeaders };
        }
        await partial.restart();
        // pieces of two attempts may not belong together; a file that came in one piece is what the server has
        if (inOnePiece) throw otherFile(options.url, `sha256 ${expected}`, `sha256 ${sha256}`);
        throw new PassingTrouble('the pieces do not make the announced file');
      } catch (error) {
        const trouble = troubleOfError(error, options.url);
        if (!(trouble instanceof PassingTrouble)) throw trouble;
        inOnePiece = partial.sizeBytes === 0;
        if (partial.sizeBytes >= markBytes + PROGRESS_BYTES) failures = 0;
        markBytes = partial.sizeBytes;
        failures += 1;
        if (failures >= options.policy.attempts || attempt >= MOST_ATTEMPTS)
          throw unreachable(options.url, `${trouble.message}, ${attempt} attempts`, trouble);
        await pause(trouble, failures, options);
      }
    }
  } finally {
    await partial.close();
  }
}

async function pause(trouble: PassingTrouble, failures: number, options: DownloadOptions): Promise<void> {
  const { policy, timer, signal } = options;
  const waitMs = Math.max(trouble.waitMs ?? 0, waitAfter(failures, policy));
  if (waitMs > policy.longestWaitMs)
    throw new StillhouseError(
      {
        kind: 'environment',
        what: 'the server asks to come back later',
        where: printableUrl(options.url),
        got: `${trouble.message}, in ${Math.ceil(waitMs / 1000)} s`,
        next: 'run the same command again then; what has come is kept',
      },
      trouble,
    );
  options.onRetry(trouble.message, waitMs);
  await timer.sleep(waitMs, signal);
}

interface Brought {
  readonly announced: Announcement;
  readonly ownHeaders: Headers;
}

/** One attempt: appends what the server sends until the file is whole. */
async function bring(partial: PartialFile, options: DownloadOptions): Promise<Brought> {
  const { url, signal, idleMs, bearer } = options;
  const state = partial.state;
  const isKnown = options.wanted.sha256 !== null || (state !== null && state.sha256 !== null);
  if (partial.sizeBytes > 0 && state?.validator === null && !isKnown) await partial.restart();
  const from = partial.sizeBytes;
  const range = from === 0 ? {} : { range: `bytes=${from}-`, ...ifRange(state?.validator ?? null) };
  const answer = await request({
    method: 'GET',
    url,
    headers: range,
    idleMs,
    signal,
    ...(bearer ? { bearer } : {}),
  });
  let isRead = false;
  try {
    const announced = options.announcement(answer.ownHeaders);
    const brought = { announced, ownHeaders: answer.ownHeaders };
    if (answer.status === 416 && from > 0) {
      if (rangeOf(answer.headers)?.totalBytes === from) return brought;
      await partial.restart();
      throw new PassingTrouble('the server has another version of the file');
    }
    const totalBytes = await begin(partial, answer, announced, options);
    isRead = true;
    for await (const piece of answer.body()) {
      if (totalBytes !== null && partial.sizeBytes + piece.length > totalBytes) {
        await partial.restart();
        throw new PassingTrouble('the server sent more than it announced');
      }
      await partial.append(piece);
      options.onProgress(partial.sizeBytes, totalBytes);
    }
    if (totalBytes !== null && partial.sizeBytes < totalBytes)
      throw new PassingTrouble(`the server stopped at ${partial.sizeBytes} of ${totalBytes} bytes`);
    return brought;
  } finally {
    if (!isRead) await answer.discard();
  }
}

/** Checks that what comes is wanted and goes on where `partial` ends, or lets it start anew. Returns the whole size. */
async function begin(
  partial: PartialFile,
  answer: HttpAnswer,
  announced: Announcement,
  options: DownloadOptions,
): Promise<number | null> {
  const { url, wanted, timer, accessAdvice } = options;
  const { status, headers } = answer;
  if (status >= 400) throw troubleOfStatus(status, headers, { url, nowIso: timer.nowIso(), accessAdvice });
  if ((headers.get('content-encoding') ?? 'identity') !== 'identity')
    throw unreachable(
      url,
      `content-encoding ${headers.get('content-encoding')}, though none was asked for`,
      null,
    );
  const range = status === 206 ? rangeOf(headers) : null;
  if (status !== 200 && range === null) throw unreachable(url, `status ${status}`, null);
  const totalBytes = range === null ? lengthOf(headers) : range.totalBytes;
  if (wanted.sha256 !== null && announced.sha256 !== null && announced.sha256 !== wanted.sha256)
    throw otherFile(url, `sha256 ${wanted.sha256}`, `sha256 ${announced.sha256}, as the server says`);
  const sizeBytes = announced.sizeBytes ?? totalBytes;
  if (wanted.sizeBytes !== null && sizeBytes !== null && sizeBytes !== wanted.sizeBytes)
    throw otherFile(url, `${wanted.sizeBytes} bytes`, `${sizeBytes} bytes`);
  const validator = validatorOf(headers);
  const before = partial.state;
  const goesOn =
    range !== null &&
    range.from === partial.sizeBytes &&
    (before === null ||
      (before.validator === validator &&
        before.totalBytes === totalBytes &&
        before.sha256 === announced.sha256));
  if (range !== null && !goesOn) {
    await partial.restart();
    throw new PassingTrouble('the server has another version of the file');
  }
  if (range === null && partial.sizeBytes > 0) await partial.restart();
  if (totalBytes !== null) await checkRoom(options.folder, totalBytes - partial.sizeBytes);
  if (partial.state === null)
    await partial.begin({ v: 1, url, validator, totalBytes, sha256: announced.sha256 });
  return totalBytes;
}

/** A strong ETag, else Last-Modified: what If-Range can carry. */
function validatorOf(headers: Headers): string | null {
  const tag = headers.get('etag');
  return tag !== null && tag.startsWith('"') ? tag : headers.get('last-modified');
}

const ifRange = (validator: string | null): Record<string, string> =>
  validator === null ? {} : { 'if-range': validator };

function lengthOf(headers: Headers): number | null {
  const text = headers.get('content-length');
  return text !== null && /^\d+$/.test(text) ? Number(text) : null;
}

/** Of a Content-Range header: `bytes 5-9/10`, or a star for what is not told. */
function rangeOf(
  headers: Headers,
): { readonly from: number | null; readonly totalBytes: number | null } | null {
  const found = /^bytes (?:(\d+)-\d+|\*)\/(\d+|\*)$/.exec(headers.get('content-range')?.trim() ?? '');
  if (found === null) return null;
  const [, from, total] = found;
  return {
    from: from === undefined ? null : Number(from),
    totalBytes: total === '*' ? null : Number(total),
  };
}

/** Stops before the disk is full rather than in the middle. */
async function checkRoom(folder: string, wantedBytes: number): Promise<void> {
  const { bavail, bsize } = await fsp.statfs(folder);
  if (bavail * bsize > wantedBytes) return;
  throw new StillhouseError({
    kind: 'environment',
    what: 'there is not enough room for the file',
    where: folder,
    wanted: `${Math.ceil(wantedBytes / 1e6)} MB`,
    got: `${Math.floor((bavail * bsize) / 1e6)} MB free`,
    next: 'free some space, or choose another --store',
  });
}

function otherFile(url: string, wanted: string, got: string): StillhouseError {
  return new StillhouseError({
    kind: 'integrity',
    what: 'the file on the server is not the one that was pinned or announced',
    where: printableUrl(url),
    wanted,
    got,
    next: 'find out why it changed before you trust it. If the change is meant: correct sha256 in the manifest, or pull with --update to pin the new file',
  });
}
