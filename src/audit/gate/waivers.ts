/**
 * Pairs that a person looked at and let pass. A waiver names both images by the digest of their bytes, so it dies with the
 * content; it may expire; and it says who, when and why.
 */
import { z } from 'zod';
import { PAIR_TYPES } from '../evidence.ts';

const sha256 = (of: string) => z.string().regex(/^[0-9a-f]{64}$/, `the sha256 of ${of}, 64 hex digits`);
const imageDigest = sha256('an image file');
const date = z.iso.date();

export const JUDGEMENTS = ['exact', 'near', 'very similar', 'different'] as const;

export const waiversSchema = z.strictObject({
  version: z.literal(1),
  /** Digest of the audit whose report made the file: told to whoever opens it beside another. Waivers hold by their images alone. */
  audit: sha256('an audit').optional(),
  waivers: z.array(
    z.strictObject({
      type: z.enum(PAIR_TYPES),
      a: imageDigest,
      b: imageDigest,
      /** ciFAIR's words, and `different` for two images that only look alike to a detector. */
      judgement: z.enum(JUDGEMENTS),
      reviewer: z.string().min(1),
      date,
      reason: z.string().min(1),
      /** Last day on which it holds; without one it holds as long as the content does. */
      expires: date.optional(),
    }),
  ),
});
export type Waiver = z.infer<typeof waiversSchema>['waivers'][number];

export interface SortedWaivers {
  /** Keys of pairs that may pass. */
  readonly holding: ReadonlySet<string>;
  readonly expired: readonly Waiver[];
  /** Waivers for content that this audit did not see: it was changed, or the wrong file was given. */
  readonly stale: readonly Waiver[];
}

export function waiverKey({
  type,
  a,
  b,
}: {
  readonly type: string;
  readonly a: string;
  readonly b: string;
}): string {
  return a <= b || !type.startsWith('within-') ? `${type} ${a} ${b}` : `${type} ${b} ${a}`;
}

/** @param today `YYYY-MM-DD` */
export function sortWaivers(
  waivers: readonly Waiver[],
  { images, today }: { readonly images: ReadonlySet<string>; readonly today: string },
): SortedWaivers {
  const holding = new Set<string>();
  const expired: Waiver[] = [];
  const stale: Waiver[] = [];
  for (const waiver of waivers) {
    if (!images.has(waiver.a) || !images.has(waiver.b)) stale.push(waiver);
    else if (isExpired(waiver, today)) expired.push(waiver);
    else holding.add(waiverKey(waiver));
  }
  return { holding, expired, stale };
}

export function isExpired({ expires }: Waiver, today: string): boolean {
  return expires !== undefined && expires < today;
}
