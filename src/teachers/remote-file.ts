/** A file of weights on its server: address, who may see the token, what its answers tell, and what to do when it is refused. */
import { type Announcement } from '../store/download.ts';
import { type BearerToken, request } from '../store/http-request.ts';
import { type Hub, hubAnnouncement, hubCommit, hubFileOf, hubToken, hubUrl } from './hub.ts';

export interface RemoteFile {
  readonly url: string;
  readonly bearer?: BearerToken;
  readonly accessAdvice: string;
  readonly announcement: (headers: Headers) => Announcement;
  /** The commit behind the revision that was asked for; null where there are no commits. */
  readonly commit: (headers: Headers) => string | null;
}

/**
 * @param uri `hf:` or `https:`
 * @param commit takes the place of a revision that moves
 * @throws StillhouseError environment for a token that would cross the network in clear
 */
export function remoteFile(uri: string, hub: Hub, commit: string | null): RemoteFile {
  const file = hubFileOf(uri);
  if (file === null)
    return {
      url: uri,
      accessAdvice:
        'download the file with whatever the server asks for, and point the manifest at it with file:<path>',
      announcement: () => ({ sha256: null, sizeBytes: null }),
      commit: () => null,
    };
  const bearer = hubToken(hub);
  const page = `${hub.endpoint.replace(/\/+$/, '')}/${file.repo}`;
  return {
    url: hubUrl(file, hub, commit),
    ...(bearer === undefined ? {} : { bearer }),
    accessAdvice:
      bearer === undefined
        ? `if ${page} is private or asks to accept a licence: accept it there, and set HF_TOKEN to a token of yours that may read it`
        : `see ${page}: the token in HF_TOKEN may not read it, or its licence is not accepted yet`,
    announcement: hubAnnouncement,
    commit: hubCommit,
  };
}

export interface Probed extends Announcement {
  readonly commit: string | null;
}

/** What the server tells without sending the file. Nulls where it does not tell, or cannot be asked. */
export async function probe(
  file: RemoteFile,
  options: { readonly idleMs: number; readonly signal: AbortSignal },
): Promise<Probed> {
  try {
    const { url, bearer } = file;
    // where a hub leads to another host it has told everything before
    const answer = await request({ method: 'HEAD', url, ...(bearer ? { bearer } : {}), ...options });
    await answer.discard();
    const told = file.announcement(answer.ownHeaders);
    const length = answer.status === 200 ? Number(answer.headers.get('content-length') ?? NaN) : NaN;
    return {
      sha256: told.sha256,
      sizeBytes: told.sizeBytes ?? (Number.isSafeInteger(length) ? length : null),
      commit: file.commit(answer.ownHeaders),
    };
  } catch (error) {
    if (options.signal.aborted || !(error instanceof Error)) throw error;
    return { sha256: null, sizeBytes: null, commit: null };
  }
}
