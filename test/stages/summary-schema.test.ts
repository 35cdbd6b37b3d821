/** The documents that others read are described by JSON Schemas which ship with the package. */
import { describe, expect, it } from 'vitest';
import { policySchema } from '../../src/audit/gate/policy.ts';
import { waiversSchema } from '../../src/audit/gate/waivers.ts';
import { SUMMARY_SCHEMA, summarySchema } from '../../src/stages/summary-schema.ts';
import { publishedSchema } from '../images/published-schema.ts';

describe('a published JSON Schema', () => {
  it.each([
    ['summary', summarySchema],
    ['policy', policySchema],
    ['waivers', waiversSchema],
  ] as const)('of %s is what the code checks', async (name, schema) => {
    await expect(await publishedSchema(schema)).toMatchFileSnapshot(
      `../../manifests/schema/${name}.schema.json`,
    );
  });

  const least = {
    $schema: SUMMARY_SCHEMA,
    run: 'r',
    seed: 0,
    images: { train: 1 },
    stages: [{ id: 'a', stage: 'index', seen: 1, kept: 1, rejected: {}, seconds: 0.1, reused: false }],
    seconds: { a: 0.1, total: 0.1 },
  };

  it('takes the summary of a run with nothing but an index', () => {
    expect(summarySchema.parse(least)).toEqual(least);
  });

  it.each([
    ['a key it does not know', { extra: 1 }],
    ['another form of the document', { $schema: 'urn:stillhouse:summary:2' }],
    ['a rate above 1', { audit: { levels: { byte: { 'train-eval': { rate: 1.2 } } } } }],
  ])('refuses %s', (_, over) => {
    expect(summarySchema.safeParse({ ...least, ...over }).success).toBe(false);
  });
});
