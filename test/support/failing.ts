/** Matcher for an operator failure: its exit code and the given parts of its message, for `toThrow` and `toEqual`. */
import { expect } from 'vitest';

export function failing(exitCode: number, failure: Readonly<Record<string, unknown>>): object {
  return expect.objectContaining({ exitCode, failure: expect.objectContaining(failure) }) as object;
}
