import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { isStillhouseError } from '../../src/core/failure.ts';
import { pointerOf, schemaFindings } from '../../src/core/schema-findings.ts';
import { parseStrictly } from '../../src/core/strict-parse.ts';

const schema = z.strictObject({
  name: z.string(),
  seed: z.int().default(0),
  crop: z.strictObject({ areaMin: z.number(), areaMax: z.number() }).optional(),
  parts: z.array(z.strictObject({ kind: z.string() })).optional(),
  weights: z.record(z.string(), z.strictObject({ summary: z.number() })).optional(),
  source: z
    .discriminatedUnion('type', [
      z.strictObject({ type: z.literal('folder'), path: z.string() }),
      z.strictObject({ type: z.literal('list'), file: z.string(), delimiter: z.string().optional() }),
    ])
    .optional(),
});

function failureOf(value: unknown) {
  try {
    parseStrictly(schema, value, 'demo.yaml: stage "index"');
  } catch (error) {
    if (isStillhouseError(error, 'bad-input')) return error.failure;
    throw error;
  }
  throw new Error('nothing was thrown');
}
const findingsOf = (value: unknown): string[] => {
  const result = schema.safeParse(value);
  if (result.success) return [];
  return schemaFindings(schema, result.error, value).map(
    ({ path, sentence }) => `${pointerOf(path)}: ${sentence}`,
  );
};

describe('a strict parse', () => {
  it('gives the value with its defaults', () => {
    expect(parseStrictly(schema, { name: 'x' }, 'x')).toEqual({ name: 'x', seed: 0 });
  });

  it('reports everything at once, each with its JSON pointer', () => {
    const failure = failureOf({
      seed: 1.5,
      crop: { areaMin: 'x', areaMax: 1 },
      parts: [{ kind: 'a' }, {}],
      extra: 1,
    });
    expect(failure.where).toBe('demo.yaml: stage "index"');
    expect(failure.what).toBe('5 things do not fit the schema');
    const pointers = failure.got?.split('; ').map((finding) => finding.slice(0, finding.indexOf(':')));
    expect(pointers?.sort()).toEqual(['/', '/crop/areaMin', '/name', '/parts/1/kind', '/seed']);
  });

  it('speaks of one finding in the singular', () => {
    expect(failureOf({ name: 1 })).toMatchObject({
      kind: 'bad-input',
      what: 'a file or option does not fit its schema',
      got: expect.stringMatching(/^\/name: .*string/) as string,
    });
  });

  it('names the nearest known key for every unknown one, where it stands', () => {
    expect(findingsOf({ name: 'x', sed: 1, corp: {} })).toEqual([
      '/: unknown key "sed", did you mean "seed"?',
      '/: unknown key "corp", did you mean "crop"?',
    ]);
    expect(findingsOf({ name: 'x', crop: { areaMin: 0, areaMax: 1, areaMn: 0 } })).toEqual([
      '/crop: unknown key "areaMn", did you mean "areaMin"?',
    ]);
    expect(findingsOf({ name: 'x', parts: [{ kind: 'a' }, { kind: 'b', knd: 'c' }] })).toEqual([
      '/parts/1: unknown key "knd", did you mean "kind"?',
    ]);
    expect(findingsOf({ name: 'x', weights: { clip: { summary: 1, sumary: 1 } } })).toEqual([
      '/weights/clip: unknown key "sumary", did you mean "summary"?',
    ]);
  });

  it('suggests only keys of the branch that the value chose', () => {
    expect(findingsOf({ name: 'x', source: { type: 'list', file: 'a', delimeter: ',' } })).toEqual([
      '/source: unknown key "delimeter", did you mean "delimiter"?',
    ]);
    expect(findingsOf({ name: 'x', source: { type: 'folder', path: 'a', fil: 'b' } })).toEqual([
      '/source: unknown key "fil", did you mean "path"?',
    ]);
  });

  it('finds no fault with what fits', () => {
    expect(findingsOf({ name: 'x', source: { type: 'folder', path: 'a' }, weights: {} })).toEqual([]);
  });

  it('refuses a value of quite another type', () => {
    for (const value of [null, undefined, 3, 'x', []]) expect(failureOf(value).got).toMatch(/^\/: /);
  });
});

describe('a JSON pointer', () => {
  it('escapes as RFC 6901 says', () => {
    expect(pointerOf(['a/b', 'm~n', 0, '~1'])).toBe('/a~1b/m~0n/0/~01');
  });

  it('shows the root as a slash', () => {
    expect(pointerOf([])).toBe('/');
  });
});
