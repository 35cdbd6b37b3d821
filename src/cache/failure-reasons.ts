/** Why a target is not usable, from what its part recorded when it was written. */
import { z } from 'zod';
import type { CachedPart } from './open-part.ts';
import type { RowPlace } from './row-index.ts';

const failuresSchema = z.array(z.strictObject({ row: z.int(), reason: z.string() }));

/** Each part's record is read once. */
export function failureReasons(): (place: RowPlace) => string {
  const known = new Map<CachedPart, ReadonlyMap<number, string>>();
  return ({ part, row }) => {
    let reasons = known.get(part);
    if (reasons === undefined) {
      const text = part.layout.metadata.get('stillhouse.failures') ?? '[]';
      reasons = new Map(failuresSchema.parse(JSON.parse(text)).map((one) => [one.row, one.reason]));
      known.set(part, reasons);
    }
    return reasons.get(row) ?? 'not-usable';
  };
}
