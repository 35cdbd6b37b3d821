/**
 * Evens out classes by a seeded choice that does not depend on the order of the images, and says how likely each kept image
 * was to be kept, so that later estimates can be re-weighted (audit-and-curation.md §5.9).
 */
import { sha256 } from '../core/digest.ts';
import type { ImageRow } from '../images/image-row.ts';
import { byText } from './keep-best.ts';
import { type CurateLedgerRow, rejection } from './ledger.ts';

export type BalancePolicy =
  | { readonly kind: 'none' }
  /** At most this many images of each class. */
  | { readonly kind: 'cap'; readonly perClass: number }
  /** This many images in all, as evenly over the classes as their sizes allow. */
  | { readonly kind: 'equal-share'; readonly total: number };

export interface KeptImage {
  readonly row: ImageRow;
  /** Chance, over all seeds, that this image is kept by this policy from these candidates; in (0, 1]. */
  readonly inclusionProbability: number;
}

export interface BalanceInput {
  /** One row per image. Images without a label form a class of their own. */
  readonly rows: readonly ImageRow[];
  readonly policy: BalancePolicy;
  readonly seed: number;
}

export interface BalanceResult {
  /** Ascending by id. */
  readonly kept: readonly KeptImage[];
  readonly rejected: readonly CurateLedgerRow[];
}

export function balance({ rows, policy, seed }: BalanceInput): BalanceResult {
  const classes = classesOf(rows);
  const quotas = quotasOf(classes, policy, seed);
  const kept: KeptImage[] = [];
  const rejected: CurateLedgerRow[] = [];
  for (const [key, members] of classes) {
    const { count, expected } = quotas.get(key)!;
    drawOrder(members, (row) => row.id, seed).forEach((row, i) => {
      if (i < count) kept.push({ row, inclusionProbability: expected / members.length });
      else
        rejected.push(
          rejection(row, {
            reason: 'over-class-share',
            detail: shareDetail(row, count, members.length),
            value: i + 1,
            threshold: `first ${count} of ${members.length}`,
          }),
        );
    });
  }
  return { kept: kept.sort((x, y) => byText(x.row.id, y.row.id)), rejected };
}

function shareDetail(row: ImageRow, count: number, size: number): string {
  const name = row.label === null ? 'images without a label' : `class ${JSON.stringify(row.label)}`;
  return `${name} keeps ${count} of ${size}`;
}

interface Quota {
  readonly count: number;
  /** Mean of `count` over seeds: they differ where images are left over that cannot be shared evenly. */
  readonly expected: number;
}

function quotasOf(
  classes: ReadonlyMap<string, readonly ImageRow[]>,
  policy: BalancePolicy,
  seed: number,
): Map<string, Quota> {
  const sizes = new Map([...classes].map(([key, members]) => [key, members.length]));
  if (policy.kind === 'equal-share') return waterFill(sizes, policy.total, seed);
  const cap = policy.kind === 'cap' ? policy.perClass : Infinity;
  return new Map(
    [...sizes].map(([key, size]) => {
      const count = Math.min(size, cap);
      return [key, { count, expected: count }];
    }),
  );
}

/**
 * Water-filling: classes smaller than the level are taken whole, the others to the level. What is left over, fewer images than
 * there are larger classes, goes one each to classes drawn by the seed.
 */
export function waterFill(
  sizes: ReadonlyMap<string, number>,
  total: number,
  seed: number,
): Map<string, Quota> {
  const ascending = [...sizes].sort((x, y) => x[1] - y[1] || byText(x[0], y[0]));
  let left = total;
  let level = 0;
  for (let i = 0; i < ascending.length; i++) {
    const share = Math.floor(left / (ascending.length - i));
    const size = ascending[i]![1];
    if (size <= share) {
      left -= size;
      level = size;
      continue;
    }
    level = share;
    left -= share * (ascending.length - i);
    break;
  }
  const open = ascending.filter(([, size]) => size > level).map(([key]) => key);
  const extra = open.length === 0 ? 0 : Math.min(left, open.length);
  const lucky = new Set(drawOrder(open, (key) => `class ${key}`, seed).slice(0, extra));
  return new Map(
    ascending.map(([key, size]) => {
      if (size <= level) return [key, { count: size, expected: size }];
      return [key, { count: level + (lucky.has(key) ? 1 : 0), expected: level + extra / open.length }];
    }),
  );
}

/** A seeded permutation that an added or missing item does not disturb. */
function drawOrder<T>(items: readonly T[], nameOf: (item: T) => string, seed: number): T[] {
  return items
    .map((item) => ({ item, draw: sha256(`balance ${seed} ${nameOf(item)}`) }))
    .sort((x, y) => byText(x.draw, y.draw))
    .map(({ item }) => item);
}

/** Rows by class, classes in the order of their keys: `=label`, or the empty key for none. */
function classesOf(rows: readonly ImageRow[]): Map<string, ImageRow[]> {
  const classes = new Map<string, ImageRow[]>();
  for (const row of rows) {
    const key = row.label === null ? '' : `=${row.label}`;
    const members = classes.get(key);
    if (members) members.push(row);
    else classes.set(key, [row]);
  }
  return new Map([...classes].sort((x, y) => byText(x[0], y[0])));
}
