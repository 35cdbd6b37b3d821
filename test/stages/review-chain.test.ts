/** From an audit through the report's review to the gate: the waiver file is the one that the page's own script writes. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runInNewContext } from 'node:vm';
import sharp from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import { REVIEW_BOOK } from '../../src/report/review-script.ts';
import type { PipelineFile } from '../../src/run/pipeline.ts';
import { parseHtml } from '../report/parsed-html.ts';
import { copyEmoji, emojiNames } from '../support/emoji-folder.ts';
import { suiteFolder } from '../support/temp-folder.ts';
import { type SmallRun, smallRun } from './small-run.ts';

interface Pair {
  readonly type: string;
  readonly a: string;
  readonly b: string;
}
interface Book {
  waive(pair: Pair, fields: object): string | null;
  file(): object;
}

const folder = suiteFolder();
const at = (...names: string[]): string => join(folder(), ...names);
const POLICY = 'version: 1\npairs: { train-eval: { maxRate: 0, maxExact: 0 } }\n';
const FIELDS = { reviewer: 'Ada', reason: 'licensed to both', judgement: 'exact', date: '2026-01-01' };

/** Two evaluation images lie among the training images, one as its pixels in another file and one as a JPEG. */
beforeAll(async () => {
  const names = await emojiNames(12);
  for (const side of ['train', 'eval']) await mkdir(at(side));
  await copyEmoji(at('train'), { vendor: 'twitter', names: names.slice(0, 4) });
  await copyEmoji(at('eval'), { vendor: 'google', names: names.slice(6, 10) });
  await sharp(at('eval', names[6]!)).png({ compressionLevel: 1 }).toFile(at('train', 'pixels.png'));
  const jpeg = sharp(at('eval', names[7]!)).flatten({ background: '#fff' }).jpeg({ quality: 92 });
  await jpeg.toFile(at('train', 'recoded.jpg'));
  await writeFile(at('policy.yaml'), POLICY);
});

const gated = (waivers?: string): Promise<SmallRun> => {
  const index = (id: string, dataset: string) => ({ id, stage: 'index', with: { dataset } });
  const stages: PipelineFile['stages'] = [
    index('train-images', 'train'),
    index('eval-images', 'eval'),
    { id: 'audit', stage: 'audit', with: { train: 'train-images', eval: 'eval-images', canaries: 2 } },
    {
      id: 'gate',
      stage: 'gate',
      with: { audit: 'audit', policy: 'policy.yaml', ...(waivers === undefined ? {} : { waivers }) },
    },
  ];
  return smallRun(folder(), stages);
};
const gateOf = ({ result }: SmallRun) =>
  result.results.at(-1)!.outcome.facts as {
    verdict: string;
    rules: { rule: string; verdict: string }[];
    waived: Record<string, number>;
  };

/** What a person leaves who opens the report, waives every pair between the sides, and downloads the file. */
async function reviewed(run: SmallRun, expires: string): Promise<string> {
  const { elements } = parseHtml(await readFile(run.report, 'utf8'));
  const pairs = elements.flatMap(({ tag, attributes }): Pair[] => {
    const [type, a, b] = ['data-type', 'data-a', 'data-b'].map((name) => attributes.get(name));
    return tag === 'li' && type === 'train-eval' && a !== undefined && b !== undefined
      ? [{ type, a, b }]
      : [];
  });
  const audit = elements
    .find(({ attributes }) => attributes.get('id') === 'review')!
    .attributes.get('data-audit')!;
  expect(audit).toMatch(/^[0-9a-f]{64}$/);
  const open = runInNewContext(`${REVIEW_BOOK}; reviewBook`) as (all: readonly Pair[], of: string) => Book;
  const book = open(pairs, audit);
  for (const pair of pairs) expect(book.waive(pair, { ...FIELDS, expires })).toBeNull();
  return JSON.stringify(book.file());
}

describe('an audit, its review and its gate', () => {
  it('is violated, passes with the waivers of the page, and is violated again when they expire or an image changes', async () => {
    const bare = await gated();
    expect(gateOf(bare)).toMatchObject({ verdict: 'violated', waived: {} });

    await writeFile(at('waivers.json'), await reviewed(bare, '2999-12-31'));
    const waived = await gated('waivers.json');
    expect(gateOf(waived)).toMatchObject({ verdict: 'pass', waived: { 'train-eval': 2 } });

    await writeFile(at('expired.json'), await reviewed(bare, '2026-01-02'));
    const expired = gateOf(await gated('expired.json'));
    expect(expired.verdict).toBe('violated');
    expect(expired.rules.map(({ rule }) => rule)).toContain('waivers/expired');

    // the same picture in other bytes: nobody looked at that file
    const other = await sharp(at('train', 'pixels.png')).png({ compressionLevel: 9 }).toBuffer();
    await writeFile(at('train', 'pixels.png'), other);
    const changed = gateOf(await gated('waivers.json'));
    expect(changed.verdict).toBe('violated');
    expect(changed.rules.find(({ rule }) => rule === 'waivers/stale')).toMatchObject({ verdict: 'violated' });
    expect(changed.rules.find(({ rule }) => rule === 'pairs/train-eval/maxExact')!.verdict).toBe('violated');
    expect(changed.waived).toEqual({ 'train-eval': 1 });
  });
});
