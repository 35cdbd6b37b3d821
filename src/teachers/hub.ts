/**
 * `hf:<owner>/<repo>@<revision>/<path>` on a Hugging Face hub: the address of the file, whom a token may be sent to, and what the
 * hub's own headers say about a file before another host sends it.
 */
import { StillhouseError } from '../core/failure.ts';
import type { Digest } from '../core/ids.ts';
import type { Announcement } from '../store/download.ts';
import type { BearerToken } from '../store/http-request.ts';

export interface Hub {
  /** `https://huggingface.co`, or a mirror. */
  readonly endpoint: string;
  /** Null: anonymous. */
  readonly token: string | null;
}

export const PUBLIC_HUB: Hub = { endpoint: 'https://huggingface.co', token: null };

export interface HubFile {
  /** `<owner>/<repo>` */
  readonly repo: string;
  readonly revision: string;
  readonly path: string;
}

/** Null for a URI of another kind. */
export function hubFileOf(uri: string): HubFile | null {
  const found = /^hf:([^/@]+\/[^/@]+)@([^/]+)\/(.+)$/.exec(uri);
  return found === null ? null : { repo: found[1]!, revision: found[2]!, path: found[3]! };
}

/** @param commit takes the place of a revision that moves */
export function hubUrl({ repo, revision, path }: HubFile, hub: Hub, commit: string | null): string {
  const parts = [...repo.split('/'), 'resolve', commit ?? revision, ...path.split('/')];
  // a revision with a slash (refs/pr/1) is written refs%2Fpr%2F1 in the URI
  return `${hub.endpoint.replace(/\/+$/, '')}/${parts.map((part) => encodeURIComponent(decoded(part))).join('/')}`;
}

/**
 * What may be sent to the hub, and to the hub alone. Undefined without a token.
 * @throws StillhouseError environment for a token that would cross the network in clear
 */
export function hubToken({ endpoint, token }: Hub): BearerToken | undefined {
  if (token === null) return undefined;
  const { protocol, origin, hostname } = new URL(endpoint);
  if (protocol === 'https:' || /^(localhost|127(\.\d+){3}|\[::1\])$/.test(hostname)) return { token, origin };
  throw new StillhouseError({
    kind: 'environment',
    what: 'a token is not sent over a connection that is not encrypted',
    where: origin,
    wanted: 'an https endpoint',
    got: endpoint,
    next: 'set HF_ENDPOINT to an https address, or unset HF_TOKEN',
  });
}

/** The sha256 of files kept in large-file storage, and the size, from the answer of the hub itself. */
export function hubAnnouncement(headers: Headers): Announcement {
  const tag = /^"?([0-9a-f]{64})"?$/.exec(headers.get('x-linked-etag') ?? '')?.[1];
  const size = headers.get('x-linked-size') ?? '';
  return {
    sha256: tag === undefined ? null : (tag as Digest),
    sizeBytes: /^\d+$/.test(size) ? Number(size) : null,
  };
}

/** The commit that a revision stands for, null when the hub does not say. */
export function hubCommit(headers: Headers): string | null {
  const commit = headers.get('x-repo-commit') ?? '';
  return /^[0-9a-f]{40}$/.test(commit) ? commit : null;
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch (error) {
    if (error instanceof URIError) return part;
    throw error;
  }
}
