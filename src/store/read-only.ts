/** Whether a store can be read but not written: a read-only medium, another's folder, or keys of a bucket that only let read. */
import { StillhouseError, systemCodeOf } from '../core/failure.ts';
import { isAccessDenied } from './s3-trouble.ts';

const REFUSED: ReadonlySet<string | undefined> = new Set(['EACCES', 'EPERM', 'EROFS']);

/** Whether an error says that writing is not allowed. A disk that is full or a store that cannot be reached is no such thing. */
export function isReadOnly(error: unknown): boolean {
  const said = error instanceof StillhouseError ? error.cause : error;
  return REFUSED.has(systemCodeOf(said)) || isAccessDenied(said);
}
