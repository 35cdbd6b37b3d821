/**
 * Emoji drawn by one vendor, from the npm packages `emoji-datasource-<vendor>`. The packages share one `emoji.json`, so the same
 * code point of two vendors is a known semantic twin, and skin-tone variations of one base are known near-duplicates.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { StillhouseError } from '../../core/failure.ts';
import { sha256 } from '../../core/digest.ts';
import { parseStrictly } from '../../core/strict-parse.ts';
import { packageFolder, uriOfBytes } from '../locate.ts';
import type { SourceRecord } from '../source-record.ts';

export const emojiSourceSchema = z.strictObject({
  kind: z.literal('emoji-datasource'),
  vendor: z.enum(['twitter', 'google', 'apple', 'facebook']),
  categories: z.array(z.string()).min(1).optional().describe('Default: all.'),
  everyNth: z
    .int()
    .min(1)
    .default(1)
    .describe('Every n-th base, in code point order within the chosen categories.'),
  sample: z
    .strictObject({ share: z.number().gt(0).max(1), seed: z.int().min(0).default(0) })
    .optional()
    .describe(
      'A share of the bases, drawn by a hash of (seed, code points): the same bases for every vendor.',
    ),
  variants: z.boolean().default(true).describe('Skin-tone variations of the chosen bases as well.'),
});

export type EmojiSource = z.infer<typeof emojiSourceSchema>;

const drawing = z.object({ unified: z.string(), image: z.string() }).loose();
const emojiJson = z.array(
  drawing.extend({ category: z.string(), skin_variations: z.record(z.string(), drawing).optional() }),
);
type Drawing = z.infer<typeof drawing>;

/**
 * One record per base emoji and per variation that the vendor draws: name = its code points (`1F385-1F3FB`), group = those of
 * its base, label = category. A record is a variation exactly when its name differs from its group.
 * @throws StillhouseError `environment` when the package is not installed, `bad-input` when it holds something else.
 */
export async function* emojiRecords(
  source: EmojiSource,
  packagesFrom: readonly string[],
): AsyncGenerator<SourceRecord> {
  const name = `emoji-datasource-${source.vendor}`;
  const where = join(packageFolder(name, packagesFrom), 'emoji.json');
  const emoji = parseStrictly(emojiJson, parsedJson(await readFile(where, 'utf8')), where);
  checkCategories(source, new Set(emoji.map(({ category }) => category)));
  const bases = emoji
    .filter(({ category }) => source.categories?.includes(category) ?? true)
    .sort((a, b) => (a.unified < b.unified ? -1 : 1))
    .filter((_, index) => index % source.everyNth === 0)
    .filter(({ unified }) => isDrawn(unified, source.sample));
  const flag = `has_img_${source.vendor}`;
  for (const base of bases) {
    const variants = source.variants ? Object.values(base.skin_variations ?? {}) : [];
    for (const item of [base, ...variants].filter((drawn) => drawn[flag] === true)) {
      yield recordOf(item, base.unified, base.category, name, source.vendor);
    }
  }
}

/** Undefined for text that is no JSON, which the schema then refuses. */
function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function recordOf(item: Drawing, group: string, label: string, pack: string, vendor: string): SourceRecord {
  const path = uriOfBytes(Buffer.from(`img/${vendor}/64/${item.image}`));
  return { uri: `npm:${pack}/${path}`, name: item.unified, label, split: null, group };
}

/** The first 32 bits of the hash as a share of one. */
function isDrawn(unified: string, sample: EmojiSource['sample']): boolean {
  if (sample === undefined) return true;
  return parseInt(sha256(`${sample.seed}:${unified}`).slice(0, 8), 16) / 2 ** 32 < sample.share;
}

function checkCategories(source: EmojiSource, known: ReadonlySet<string>): void {
  const unknown = (source.categories ?? []).filter((category) => !known.has(category));
  if (unknown.length === 0) return;
  throw new StillhouseError({
    kind: 'bad-input',
    what: 'an emoji category that does not exist',
    where: 'source.categories of the dataset header',
    wanted: [...known].sort().join(', '),
    got: unknown.join(', '),
    next: 'Correct the category.',
  });
}
