/** What an HTTP answer or a broken connection means for a download: go on, try again later, or stop with a message. */
import { type Failure, StillhouseError } from '../core/failure.ts';
import { HttpSilence, printableUrl } from './http-request.ts';

/** Trouble that may pass: another attempt may succeed. */
export class PassingTrouble extends Error {
  /** What the server asked for by Retry-After, null when it did not. */
  readonly waitMs: number | null;

  constructor(what: string, waitMs: number | null = null, cause?: unknown) {
    super(what, cause === undefined ? undefined : { cause });
    this.name = 'PassingTrouble';
    this.waitMs = waitMs;
  }
}

/** Statuses that say "later": RFC 9110 §15, RFC 6585, RFC 8470. */
const LATER: ReadonlySet<number> = new Set([408, 425, 429, 500, 502, 503, 504]);

export interface HttpTroubleContext {
  readonly url: string;
  /** Wall time, to make something of a Retry-After that is a date. */
  readonly nowIso: string;
  /** What to do about a 401 or 403, told by whoever knows the host. */
  readonly accessAdvice: string;
}

/** The trouble that a status above 399 is. @param headers of the answer; hubs tell the reason there. */
export function troubleOfStatus(
  status: number,
  headers: Headers,
  context: HttpTroubleContext,
): PassingTrouble | StillhouseError {
  const got = [`status ${status}`, headers.get('x-error-message') ?? '']
    .filter((text) => text !== '')
    .join(': ');
  if (LATER.has(status)) return new PassingTrouble(got, retryAfterMs(headers, context.nowIso));
  const where = printableUrl(context.url);
  return new StillhouseError({ where, got, ...meaningOf(status, context) });
}

function meaningOf(
  status: number,
  { accessAdvice }: HttpTroubleContext,
): Pick<Failure, 'kind' | 'what' | 'next'> {
  if (status === 401 || status === 403)
    return { kind: 'environment', what: 'the server does not give this file to you', next: accessAdvice };
  if (status === 404 || status === 410)
    return {
      kind: 'bad-input',
      what: 'there is no such file on the server',
      next: 'correct the address in the manifest: its repository, revision or path may have changed',
    };
  return {
    kind: 'environment',
    what: 'the server refuses the request',
    next: 'open the address in a browser to see why',
  };
}

/** Milliseconds that a Retry-After header asks to wait: seconds or a date (RFC 9110 §10.2.3). Null when there is none. */
export function retryAfterMs(headers: Headers, nowIso: string): number | null {
  const text = headers.get('retry-after')?.trim() ?? '';
  if (/^\d+$/.test(text)) return Number(text) * 1000;
  const at = Date.parse(text);
  return Number.isNaN(at) ? null : Math.max(0, at - Date.parse(nowIso));
}

/** Codes of a connection that no second attempt mends. */
const LASTING: ReadonlySet<string> = new Set(['ENOTFOUND', 'EPROTO', 'ERR_SSL_WRONG_VERSION_NUMBER']);

/** The trouble that an error of fetch is; anything else comes back as it is. */
export function troubleOfError(error: unknown, url: string): unknown {
  if (error instanceof HttpSilence) return new PassingTrouble(error.message, null, error);
  // what fetch rejects with is a TypeError with a cause; a TypeError of ours has none
  if (!(error instanceof TypeError) || !(error.cause instanceof Error)) return error;
  const { code, text } = causeOf(error);
  const lasting = LASTING.has(code) || /CERT|SELF_SIGNED|UNABLE_TO_VERIFY/.test(code);
  return lasting ? unreachable(url, text, error) : new PassingTrouble(text, null, error);
}

/** After the last attempt. */
export function unreachable(url: string, got: string, cause: unknown): StillhouseError {
  return new StillhouseError(
    {
      kind: 'environment',
      what: 'the server cannot be reached, or does not answer as it should',
      where: printableUrl(url),
      got,
      next: 'check the network and run the same command again: what has come is kept. Offline, copy the file from elsewhere and point the manifest at it with file:<path>',
    },
    cause,
  );
}

/** fetch hides the reason in a chain of causes: the innermost tells most. */
function causeOf(error: Error): { readonly code: string; readonly text: string } {
  let [innermost, code] = [error, ''];
  for (let at: unknown = error; at instanceof Error; at = at.cause) {
    innermost = at;
    if ('code' in at && typeof at.code === 'string') code = at.code;
  }
  const { message } = innermost;
  return { code, text: [code, message].filter((part) => part !== '').join(': ') };
}
