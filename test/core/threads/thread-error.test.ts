import { expect, it } from 'vitest';
import { StillhouseError, isStillhouseError } from '../../../src/core/failure.ts';
import { fromThreadError, toThreadError } from '../../../src/core/threads/thread-error.ts';

const across = (error: unknown): Error => fromThreadError(structuredClone(toThreadError(error)));

it('an operator failure arrives as the same failure, with its cause', () => {
  const sent = new StillhouseError(
    { kind: 'bad-input', what: 'an image vanished', where: 'a.png', got: 'ENOENT', next: 'run again' },
    Object.assign(new Error('no such file'), { code: 'ENOENT', path: '/a.png' }),
  );
  const got = across(sent);
  expect(isStillhouseError(got, 'bad-input')).toBe(true);
  expect(got).toMatchObject({ failure: sent.failure, exitCode: 3, message: sent.message, name: sent.name });
  expect(got.cause).toMatchObject({ message: 'no such file', code: 'ENOENT', path: '/a.png' });
});

it('a defect stays a defect, with the stack of where it happened', () => {
  const sent = new TypeError('internal: x is not a function');
  const got = across(sent);
  expect(got).not.toBeInstanceOf(StillhouseError);
  expect(got).toMatchObject({ name: 'TypeError', message: sent.message, stack: sent.stack });
});

it('what is thrown and is no error arrives as its text', () => {
  expect(across('words').message).toBe('words');
});
