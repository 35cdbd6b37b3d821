/**
 * Errors between threads. A structured clone keeps neither classes nor what they carry, so an error travels as data and is the
 * same error on the other side: its failure, its system code, its causes.
 */
import { type Failure, StillhouseError, systemCodeOf } from '../failure.ts';

export interface ThreadError {
  readonly name: string;
  readonly message: string;
  readonly stack: string | null;
  /** Of a Node system error: what `asStoreFailure` decides by. */
  readonly code: string | null;
  readonly path: string | null;
  readonly failure: Failure | null;
  readonly cause: ThreadError | null;
}

export function toThreadError(error: unknown): ThreadError {
  if (!(error instanceof Error))
    return {
      name: 'Error',
      message: String(error),
      stack: null,
      code: null,
      path: null,
      failure: null,
      cause: null,
    };
  return {
    name: error.name,
    message: error.message,
    stack: error.stack ?? null,
    code: systemCodeOf(error) ?? null,
    path: 'path' in error && typeof error.path === 'string' ? error.path : null,
    failure: error instanceof StillhouseError ? error.failure : null,
    cause: error.cause === undefined ? null : toThreadError(error.cause),
  };
}

export function fromThreadError(sent: ThreadError): Error {
  const cause = sent.cause === null ? undefined : fromThreadError(sent.cause);
  const error =
    sent.failure === null
      ? new Error(sent.message, cause === undefined ? undefined : { cause })
      : new StillhouseError(sent.failure, cause);
  error.name = sent.name;
  if (sent.stack !== null) error.stack = sent.stack;
  return Object.assign(
    error,
    sent.code === null ? {} : { code: sent.code },
    sent.path === null ? {} : { path: sent.path },
  );
}
