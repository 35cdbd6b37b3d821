/**
 * What can go wrong for an operator, as one closed union.
 *
 * Record-level trouble (a corrupt image) is data and becomes a ledger row; it never gets here. A failure stops a command and
 * says what, where, wanted, got and the next step. Anything that is not a {@link StillhouseError} is a defect (exit code 70).
 */

/** Each kind with the exit code of the table in design.md §5. */
export const EXIT_CODE_OF = {
  'gate-refused': 1,
  usage: 2,
  'bad-input': 3,
  integrity: 4,
  environment: 5,
  interrupted: 130,
} as const;

export type FailureKind = keyof typeof EXIT_CODE_OF;

export const EXIT_DONE = 0;
export const EXIT_DEFECT = 70;

export interface Failure {
  readonly kind: FailureKind;
  /** What went wrong, in one clause: `dataset is empty`. */
  readonly what: string;
  /** The file, row, key or tensor it went wrong at. */
  readonly where?: string;
  readonly wanted?: string;
  readonly got?: string;
  /** What the person should do now. */
  readonly next: string;
}

export class StillhouseError extends Error {
  readonly failure: Failure;

  constructor(failure: Failure, cause?: unknown) {
    super(messageOf(failure), cause === undefined ? undefined : { cause });
    this.name = 'StillhouseError';
    this.failure = failure;
  }

  get exitCode(): number {
    return EXIT_CODE_OF[this.failure.kind];
  }
}

/** The one place that builds the message a person reads. Control characters are shown escaped, never sent to a terminal. */
export function messageOf(failure: Failure): string {
  const lines = [failure.what];
  if (failure.where !== undefined) lines.push(`  where:  ${failure.where}`);
  if (failure.wanted !== undefined) lines.push(`  wanted: ${failure.wanted}`);
  if (failure.got !== undefined) lines.push(`  got:    ${failure.got}`);
  lines.push(`  next:   ${failure.next}`);
  return lines.map(printable).join('\n');
}

/**
 * Escapes control characters (newlines in file names, terminal escapes) so that one line stays one line, and marks of writing
 * direction, which would show a name in another order than it has.
 */
export function printable(text: string): string {
  return text.replace(
    /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** Narrows an unknown error to an operator failure of one of the given kinds (any kind when none is given). */
export function isStillhouseError(error: unknown, ...kinds: FailureKind[]): error is StillhouseError {
  return error instanceof StillhouseError && (kinds.length === 0 || kinds.includes(error.failure.kind));
}

/** The `code` of a Node system error (`ENOENT`, `ENOSPC`), or undefined. */
export function systemCodeOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}
