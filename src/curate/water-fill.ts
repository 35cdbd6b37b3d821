/** Sharing a number of images over groups as evenly as their sizes allow (ssl-data-curation's sampling, Vo et al. 2024, §3.3). */
import { drawOrder } from './draw-order.ts';
import { byText } from './keep-best.ts';

export interface Quota {
  readonly count: number;
  /** Mean of `count` over seeds: they differ where images are left over that cannot be shared evenly. */
  readonly expected: number;
}

export interface WaterLevel {
  /** Groups up to this size are taken whole, larger ones to this level ... */
  readonly level: number;
  /** ... and this many of the larger ones give one more. */
  readonly extra: number;
  /** How many are larger. */
  readonly open: number;
}

export function waterLevel(sizes: Iterable<number>, total: number): WaterLevel {
  const ascending = [...sizes].sort((x, y) => x - y);
  let left = total;
  let level = 0;
  for (let i = 0; i < ascending.length; i++) {
    const share = Math.floor(left / (ascending.length - i));
    const size = ascending[i]!;
    if (size <= share) {
      left -= size;
      level = size;
      continue;
    }
    level = share;
    left -= share * (ascending.length - i);
    break;
  }
  const open = ascending.filter((size) => size > level).length;
  return { level, extra: Math.min(left, open), open };
}

/** What is left over, fewer images than there are larger groups, goes one each to groups drawn by the seed. */
export function waterFill(
  sizes: ReadonlyMap<string, number>,
  total: number,
  seed: number,
): Map<string, Quota> {
  const { level, extra, open } = waterLevel(sizes.values(), total);
  const keys = [...sizes.keys()].sort(byText);
  const larger = keys.filter((key) => sizes.get(key)! > level);
  const lucky = new Set(drawOrder(larger, (key) => `class ${key}`, seed).slice(0, extra));
  return new Map(
    keys.map((key) => {
      const size = sizes.get(key)!;
      if (size <= level) return [key, { count: size, expected: size }];
      return [key, { count: level + (lucky.has(key) ? 1 : 0), expected: level + extra / open }];
    }),
  );
}
