/**
 * One HTTP request as a download needs it: redirects followed by hand, so that a token never leaves the host it is meant for;
 * bytes as they are (no content coding), so that offsets mean what they say; and an end to servers that fall silent.
 */
import { StillhouseError } from '../core/failure.ts';

/** Sent to one origin only, never to where a redirect leads. */
export interface BearerToken {
  readonly token: string;
  /** `https://huggingface.co` */
  readonly origin: string;
}

export interface HttpRequest {
  readonly method: 'GET' | 'HEAD';
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly bearer?: BearerToken;
  /** Longest silence: before the answer, and between two pieces of its body. */
  readonly idleMs: number;
  readonly signal: AbortSignal;
  /** False: the first answer counts, wherever it leads. Default true. */
  readonly followRedirects?: boolean;
}

export interface HttpAnswer {
  readonly status: number;
  /** Of the last answer. */
  readonly headers: Headers;
  /** Of the last answer that the asked host itself gave: a hub tells there about a file that another host then sends. */
  readonly ownHeaders: Headers;
  /** Pieces of the body. Ends early with {@link HttpSilence} when the server falls silent, or with the error of the connection. */
  body(): AsyncGenerator<Uint8Array, void, void>;
  /** Lets the connection go without the body. */
  discard(): Promise<void>;
}

/** The server said nothing for too long. */
export class HttpSilence extends Error {
  constructor(idleMs: number) {
    super(`nothing came for ${idleMs / 1000} s`);
    this.name = 'HttpSilence';
  }
}

const MAX_REDIRECTS = 10;
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

/**
 * Any status is an answer; what it means is for the caller ({@link file://./http-trouble.ts}).
 * Rejects with fetch's error when there is no answer, and with the signal's reason when it is aborted.
 * @throws StillhouseError environment on a redirect that leads in circles, nowhere, or from https to http
 */
export async function request(options: HttpRequest): Promise<HttpAnswer> {
  const idle = idleGuard(options);
  try {
    idle.listen();
    let url = checkedUrl(options.url);
    let ownHeaders = new Headers();
    const ownOrigin = url.origin;
    for (let hop = 0; hop <= MAX_REDIRECTS; hop++) {
      const response = await fetch(url, {
        method: options.method,
        redirect: 'manual',
        signal: idle.signal,
        headers: {
          ...options.headers,
          'accept-encoding': 'identity',
          ...(options.bearer?.origin === url.origin
            ? { authorization: `Bearer ${options.bearer.token}` }
            : {}),
        },
      });
      idle.listen();
      if (url.origin === ownOrigin) ownHeaders = response.headers;
      if (!REDIRECTS.has(response.status) || options.followRedirects === false)
        return answerOf(response, ownHeaders, idle);
      await response.body?.cancel();
      url = nextUrl(url, response);
    }
    throw badRedirect(options.url, `more than ${MAX_REDIRECTS} redirects`);
  } catch (error) {
    idle.stop();
    throw idle.reasonFor(error);
  }
}

/** Address without what may be secret: signed queries and user names. */
export function printableUrl(url: string | URL): string {
  const { origin, pathname } = new URL(url);
  return `${origin}${pathname}`;
}

function checkedUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url !== null && /^https?:$/.test(url.protocol) && url.username === '' && url.password === '')
    return url;
  throw new StillhouseError({
    kind: 'bad-input',
    what: 'an address cannot be downloaded from',
    wanted: 'an https address without a user name in it',
    got: url === null ? text : printableUrl(url),
    next: 'correct the address',
  });
}

function nextUrl(from: URL, response: Response): URL {
  const location = response.headers.get('location');
  if (location === null || !URL.canParse(location, from.href))
    throw badRedirect(from, `status ${response.status} without an address to go on at`);
  const to = checkedUrl(new URL(location, from).href);
  if (from.protocol === 'https:' && to.protocol !== 'https:')
    throw badRedirect(from, `a redirect to ${printableUrl(to)}, which is not encrypted`);
  return to;
}

function badRedirect(where: string | URL, got: string): StillhouseError {
  return new StillhouseError({
    kind: 'environment',
    what: 'a server leads astray',
    where: printableUrl(where),
    wanted: 'the file, or a redirect to it',
    got,
    next: 'check the address; a proxy or a login page may stand in between',
  });
}

interface IdleGuard {
  readonly signal: AbortSignal;
  /** Starts to wait for the server, anew when it was waited for already. */
  listen(): void;
  /** It is not the server that is waited for now. */
  stop(): void;
  /** The silence when that is what ended the request, else the error itself. */
  reasonFor(error: unknown): unknown;
}

function idleGuard({ idleMs, signal }: HttpRequest): IdleGuard {
  const silence = new HttpSilence(idleMs);
  const controller = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const stop = (): void => clearTimeout(timer);
  return {
    signal: AbortSignal.any([signal, controller.signal]),
    listen: () => {
      stop();
      timer = setTimeout(() => controller.abort(silence), idleMs);
    },
    stop,
    reasonFor: (error) => {
      if (signal.aborted) return signal.reason as unknown;
      return controller.signal.aborted ? silence : error;
    },
  };
}

function answerOf(response: Response, ownHeaders: Headers, idle: IdleGuard): HttpAnswer {
  return {
    status: response.status,
    headers: response.headers,
    ownHeaders,
    discard: async () => {
      idle.stop();
      await response.body?.cancel();
    },
    body: async function* () {
      try {
        if (response.body === null) return;
        idle.listen();
        for await (const piece of response.body as ReadableStream<Uint8Array>) {
          // a slow disk of ours is no silence of the server
          idle.stop();
          yield piece;
          idle.listen();
        }
      } catch (error) {
        throw idle.reasonFor(error);
      } finally {
        idle.stop();
      }
    },
  };
}
