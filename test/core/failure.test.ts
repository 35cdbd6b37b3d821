import { describe, expect, it } from 'vitest';
import {
  EXIT_CODE_OF,
  EXIT_DEFECT,
  EXIT_DONE,
  StillhouseError,
  isStillhouseError,
  messageOf,
  printable,
  systemCodeOf,
} from '../../src/core/failure.ts';

const failure = {
  kind: 'bad-input',
  what: 'dataset is empty',
  where: 'photos/',
  wanted: 'at least one image',
  got: 'no file',
  next: 'put images there',
} as const;

describe('exit codes', () => {
  it('are those of the command line reference', () => {
    expect({ done: EXIT_DONE, ...EXIT_CODE_OF, defect: EXIT_DEFECT }).toEqual({
      done: 0,
      'gate-refused': 1,
      usage: 2,
      'bad-input': 3,
      integrity: 4,
      environment: 5,
      defect: 70,
      interrupted: 130,
    });
  });

  it('follow from the kind of a failure', () => {
    for (const kind of Object.keys(EXIT_CODE_OF) as (keyof typeof EXIT_CODE_OF)[])
      expect(new StillhouseError({ ...failure, kind }).exitCode).toBe(EXIT_CODE_OF[kind]);
  });
});

describe('the message of a failure', () => {
  it('holds every field on a line of its own, in the order a person reads', () => {
    const text = [
      'dataset is empty',
      '  where:  photos/',
      '  wanted: at least one image',
      '  got:    no file',
      '  next:   put images there',
    ].join('\n');
    expect(messageOf(failure)).toBe(text);
    expect(new StillhouseError(failure).message).toBe(text);
  });

  it('leaves out the lines of fields that are not there', () => {
    expect(messageOf({ kind: 'usage', what: 'no verb', next: 'name one' })).toBe(
      'no verb\n  next:   name one',
    );
  });

  it('stays as many lines as it has fields, whatever a file name holds', () => {
    const nasty = 'a\nb\r\u001b[2J\u0007\u0085\u2028\u2029\u0000"<script>';
    const all = { kind: 'usage', what: nasty, where: nasty, wanted: nasty, got: nasty, next: nasty } as const;
    const lines = messageOf(all).split(/[\n\r\u0085\u2028\u2029]/);
    expect(lines).toHaveLength(5);
    for (const line of lines)
      expect(line).toContain('a\\u000ab\\u000d\\u001b[2J\\u0007\\u0085\\u2028\\u2029\\u0000"<script>');
  });

  it('shows every control character and mark of direction escaped, and nothing else', () => {
    const hidden = /^[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]$/u;
    for (let code = 0; code <= 0xffff; code++) {
      const c = String.fromCharCode(code);
      const shown = printable(c);
      if (hidden.test(c)) expect(shown).toBe(`\\u${code.toString(16).padStart(4, '0')}`);
      else if (shown !== c) expect.fail(`U+${code.toString(16)} became ${shown}`);
    }
  });
});

describe('an error', () => {
  it('keeps its fields, its cause and a name', () => {
    const cause = new Error('inner');
    const error = new StillhouseError(failure, cause);
    expect(error.failure).toEqual(failure);
    expect(error.cause).toBe(cause);
    expect(String(error)).toMatch(/^StillhouseError: dataset is empty\n/);
    expect('cause' in new StillhouseError(failure)).toBe(false);
  });

  it('is told from a defect, and by its kind', () => {
    const error: unknown = new StillhouseError(failure);
    expect(isStillhouseError(error)).toBe(true);
    expect(isStillhouseError(error, 'usage', 'bad-input')).toBe(true);
    expect(isStillhouseError(error, 'usage')).toBe(false);
    expect(isStillhouseError(new Error('internal: x'))).toBe(false);
    expect(isStillhouseError({ failure })).toBe(false);
  });

  it('gives up its system code only when it is a system error', () => {
    expect(systemCodeOf(Object.assign(new Error('x'), { code: 'ENOENT' }))).toBe('ENOENT');
    expect(systemCodeOf(Object.assign(new Error('x'), { code: 2 }))).toBeUndefined();
    expect(systemCodeOf(new Error('x'))).toBeUndefined();
    expect(systemCodeOf({ code: 'ENOENT' })).toBeUndefined();
    expect(systemCodeOf(undefined)).toBeUndefined();
  });
});
