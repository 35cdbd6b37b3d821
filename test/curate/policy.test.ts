import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { curatePolicyFileSchema, curatePolicySchema, splitPolicyOf } from '../../src/curate/policy.ts';
import { readCheckedYaml } from '../../src/format/checked-yaml.ts';
import { publishedSchema } from '../images/published-schema.ts';

describe('the policy of a curation', () => {
  it('has its JSON Schema beside the manifests', async () => {
    await expect(await publishedSchema(curatePolicyFileSchema)).toMatchFileSnapshot(
      resolve('manifests/schema/curate-policy.schema.json'),
    );
  });

  it('is what the example file shows', async () => {
    const policy = await readCheckedYaml('manifests/policies/curate.yaml', {
      schema: curatePolicyFileSchema,
      noun: 'curation policy',
    });
    expect(policy.filters).toMatchObject({ minSidePx: 24 });
  });

  it('without a line removes copies by the cautious cuts and nothing else', () => {
    const policy = curatePolicySchema.parse({});
    expect(policy.deduplicate).toEqual([
      { level: 'byte' },
      { level: 'pixel' },
      { level: 'phash', maxDistance: 4 },
    ]);
    expect(policy).toMatchObject({ include: [], exclude: [], filters: {}, balance: { kind: 'none' } });
  });

  it.each([[{ shares: { train: 1 }, sizes: { val: 3 } }], [{}], [{ shares: { train: 1 }, rest: 'val' }]])(
    'refuses a split of %j: shares, or sizes and rest',
    (split) => {
      expect(curatePolicySchema.safeParse({ split }).success).toBe(false);
    },
  );

  it('keeps together what counts as a duplicate, unless a split says otherwise', () => {
    const cuts = [{ level: 'pixel' as const }];
    const split = { shares: { train: 1, val: 1 } };
    expect(splitPolicyOf(curatePolicySchema.parse({ deduplicate: cuts, split }))).toEqual({
      parts: split,
      keepTogether: cuts,
      byClass: true,
    });
  });
});
