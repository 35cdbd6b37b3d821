/**
 * Evens out classes, or mixes them in given proportions, by a seeded choice that does not depend on the order of the images, and
 * says how likely each kept image was to be kept, so that later estimates can be re-weighted (audit-and-curation.md §5.9).
 */
import { StillhouseError } from '../core/failure.ts';
import { nearestNames } from '../core/nearest-names.ts';
import type { ImageRow } from '../images/image-row.ts';
import { drawOrder } from './draw-order.ts';
import { byText } from './keep-best.ts';
import { largestRemainder } from './largest-remainder.ts';
import { type CurateLedgerRow, rejection } from './ledger.ts';
import { type Quota, waterFill } from './water-fill.ts';

/** What makes images of one kind. Images without a label form a class of their own, written as the empty text. */
export type BalanceBy = 'class' | 'source' | 'licence';

export type BalancePolicy =
  | { readonly kind: 'none' }
  /** At most this many images of each class. */
  | { readonly kind: 'cap'; readonly by?: BalanceBy; readonly perClass: number }
  /** This many images in all, as evenly over the classes as their sizes allow. */
  | { readonly kind: 'equal-share'; readonly by?: BalanceBy; readonly total: number }
  | {
      readonly kind: 'weights';
      readonly by?: BalanceBy;
      /** Any scale. A class that is not named has weight 0. */
      readonly weights: Readonly<Record<string, number>>;
      /** Without it: as many as there are at these exact proportions. */
      readonly total?: number | undefined;
      /**
       * What a class does that has fewer images than its share of `total`: give all it has, so that the total is missed (`cap`), give
       * images several times (`repeat`), or stop (`error`).
       */
      readonly short?: 'cap' | 'repeat' | 'error';
    };

export interface KeptImage {
  readonly row: ImageRow;
  /** Chance, over all seeds, that this image is kept by this policy from these candidates; in (0, 1]. */
  readonly inclusionProbability: number;
  /** How often it is to be shown per pass; more than 1 where a class repeats its images. */
  readonly copies: number;
}

export interface BalanceInput {
  /** One row per image. */
  readonly rows: readonly ImageRow[];
  readonly policy: BalancePolicy;
  readonly seed: number;
}

export interface BalanceResult {
  /** Ascending by id. */
  readonly kept: readonly KeptImage[];
  readonly rejected: readonly CurateLedgerRow[];
}

/** @throws StillhouseError bad-input for weights that sum to 0, or that a class is too small for. */
export function balance({ rows, policy, seed }: BalanceInput): BalanceResult {
  const classes = classesOf(rows, policy.kind === 'none' ? 'class' : (policy.by ?? 'class'));
  const quotas = quotasOf(classes, policy, seed);
  const kept: KeptImage[] = [];
  const rejected: CurateLedgerRow[] = [];
  for (const [key, members] of classes) {
    const { count, expected } = quotas.get(key)!;
    const size = members.length;
    drawOrder(members, (row) => row.id, seed).forEach((row, i) => {
      if (i < count)
        kept.push({
          row,
          inclusionProbability: Math.min(1, expected / size),
          copies: Math.max(1, Math.floor((count - i - 1) / size) + 1),
        });
      else if (policy.kind === 'weights' && count === 0 && !(weightOf(policy.weights, key) > 0))
        rejected.push(rejection(row, { reason: 'outside-mix', detail: `${nameOf(key)} has no weight` }));
      else
        rejected.push(
          rejection(row, {
            reason: 'over-class-share',
            detail: `${nameOf(key)} keeps ${count} of ${size}`,
            value: i + 1,
            threshold: `first ${count} of ${size}`,
          }),
        );
    });
  }
  return { kept: kept.sort((x, y) => byText(x.row.id, y.row.id)), rejected };
}

function quotasOf(
  classes: ReadonlyMap<string, readonly ImageRow[]>,
  policy: BalancePolicy,
  seed: number,
): Map<string, Quota> {
  const sizes = new Map([...classes].map(([key, members]) => [key, members.length]));
  if (policy.kind === 'equal-share') return waterFill(sizes, policy.total, seed);
  if (policy.kind === 'weights') return mixQuotas(sizes, policy);
  const cap = policy.kind === 'cap' ? policy.perClass : Infinity;
  return new Map(
    [...sizes].map(([key, size]) => {
      const count = Math.min(size, cap);
      return [key, { count, expected: count }];
    }),
  );
}

/** Classes that have a weight but no image left take part with nothing to give. */
function mixQuotas(
  sizes: ReadonlyMap<string, number>,
  { weights, total, short = 'cap' }: Extract<BalancePolicy, { kind: 'weights' }>,
): Map<string, Quota> {
  const keys = [...new Set([...sizes.keys(), ...Object.keys(weights).map(keyOf)])].sort(byText);
  const shares = keys.map((key) => weightOf(weights, key));
  const counts = keys.map((key) => sizes.get(key) ?? 0);
  if (!(shares.reduce((a, b) => a + b, 0) > 0))
    throw refused('the weights of a mix sum to 0', 'one weight above 0', JSON.stringify(weights));
  const wanted = total === undefined ? largestExact(shares, counts) : largestRemainder(shares, total);
  return new Map(
    keys.map((key, i) => {
      const size = counts[i]!;
      const isShort = wanted[i]! > size;
      if (isShort && (short === 'error' || (short === 'repeat' && size === 0)))
        throw refused(
          'a class is too small for its share of a mix',
          `${wanted[i]!} images of ${nameOf(key)}`,
          String(size),
        );
      const count = isShort && short === 'cap' ? size : wanted[i]!;
      return [key, { count, expected: count }];
    }),
  );
}

/**
 * The shares of the largest total for which no class is too small and none is left without an image: proportions are exact up to
 * rounding. Classes without images stand aside: with them there would be no total at all.
 */
function largestExact(weights: readonly number[], sizes: readonly number[]): number[] {
  const usable = weights.map((weight, i) => (sizes[i]! > 0 ? weight : 0));
  const sum = usable.reduce((a, b) => a + b, 0);
  if (sum === 0) return usable;
  const bounds = usable.flatMap((weight, i) => (weight > 0 ? [((sizes[i]! + 1) * sum) / weight] : []));
  const classes = bounds.length;
  for (let total = Math.floor(Math.min(...bounds)); total >= classes; total--) {
    const shares = largestRemainder(usable, total);
    if (shares.every((share, i) => share <= sizes[i]! && (share > 0 || usable[i] === 0))) return shares;
  }
  throw refused(
    'there are too few images for these proportions: a class would have none',
    `at least one image of each of ${classes} classes`,
    `at most ${Math.floor(Math.min(...bounds))} images in all`,
    'set `balance.total` with `short: cap`, or make the weights less uneven',
  );
}

const keyOf = (name: string | null): string => (name === null || name === '' ? '' : `=${name}`);

function weightOf(weights: Readonly<Record<string, number>>, key: string): number {
  const name = key.slice(1);
  return Object.hasOwn(weights, name) ? weights[name]! : 0;
}

function nameOf(key: string): string {
  return key === '' ? 'images without a label' : `class ${JSON.stringify(key.slice(1))}`;
}

type Candidate = Pick<ImageRow, 'label' | 'source' | 'licence'>;

function classOf(image: Candidate, by: BalanceBy): string | null {
  return by === 'class' ? image.label : image[by];
}

/** Rows by class, classes in the order of their keys: `=label`, or the empty key for none. */
function classesOf(rows: readonly ImageRow[], by: BalanceBy): Map<string, ImageRow[]> {
  const classes = new Map<string, ImageRow[]>();
  for (const row of rows) {
    const key = keyOf(classOf(row, by));
    const members = classes.get(key);
    if (members) members.push(row);
    else classes.set(key, [row]);
  }
  return new Map([...classes].sort((x, y) => byText(x[0], y[0])));
}

/**
 * @param known every image that was ever a candidate.
 * @throws StillhouseError bad-input when a mix names a class that none of them has.
 */
export function checkMix(policy: BalancePolicy, known: readonly Candidate[]): void {
  if (policy.kind !== 'weights') return;
  const names = new Set(known.map((image) => classOf(image, policy.by ?? 'class') ?? ''));
  for (const name of Object.keys(policy.weights))
    if (!names.has(name))
      throw refused(
        'a mix gives weight to a class that no image has',
        `one of ${nearestNames(name, names).join(', ')}`,
        JSON.stringify(name),
      );
}

function refused(
  what: string,
  wanted: string,
  got: string,
  next = 'correct `balance` in the policy',
): StillhouseError {
  return new StillhouseError({
    kind: 'bad-input',
    what,
    where: 'balance.weights',
    wanted,
    got,
    next,
  });
}
