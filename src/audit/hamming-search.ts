/**
 * Pairs of 64-bit hashes within a Hamming radius, by comparing every pair, under a budget: where more pairs lie within the radius
 * than may be listed, all of them are listed up to the largest smaller distance that fits, and beyond it only the nearest of each
 * item. So the list says for every item whether it has a match at any cut within the radius, whatever was left out.
 *
 * Measured in one process on 2 cores that others used too: 960 million hashes compared a second of processor time (60,000 of them with 8
 * variants of each query), 190 by the plain loop before. So 1e9 take a second and 1e11 (a million by a hundred thousand) 1.7
 * minutes. Beyond that, multi-index hashing would take its place behind the same functions. Hashes are rows of two uint32, [n * 2].
 */
import { HammingKernel } from './hamming-kernel.ts';
import type { Hash64 } from './perceptual-hash.ts';

export interface HammingPair {
  readonly query: number;
  readonly base: number;
  /** Of the nearest variant of the query. */
  readonly distance: number;
  /** The first of the variants that are this near. */
  readonly variant: number;
}

/** [n] hashes to [n * 2] uint32. */
export function packHashes(hashes: readonly Hash64[]): Uint32Array {
  const packed = new Uint32Array(hashes.length * 2);
  hashes.forEach((hash, i) => packed.set(hash, i * 2));
  return packed;
}

export function hammingDistance(a: Hash64, b: Hash64): number {
  return popcount(a[0] ^ b[0]) + popcount(a[1] ^ b[1]);
}

export interface ListLimits {
  /** Largest distance that counts, 0..64. */
  readonly radius: number;
  /**
   * Pairs kept per query, the nearest ones, lower base index first among equals: a hash that is near everything cannot fill the
   * memory. Default: all.
   */
  readonly mostPerQuery?: number;
  /** Pairs kept in all, before the nearest of each item are added. Default: all. */
  readonly budget?: number;
}

export interface HammingSearch extends ListLimits {
  /** [m * variants * 2]: the variants of a query lie beside each other. */
  readonly queries: Uint32Array;
  /** Default 1; at most 255. */
  readonly variants?: number;
  /** [n * 2] */
  readonly base: Uint32Array;
}

export interface HammingList {
  /** Ordered by query, then base; each pair once. */
  readonly pairs: readonly HammingPair[];
  /** Every pair up to this distance is listed, but for the lists that were cut; below `radius` where the budget was too small. */
  readonly listedTo: number;
  /** Queries whose list was cut at `mostPerQuery`. */
  readonly hubs: number;
  /** Items that are within the radius of others in more pairs than are listed, ascending. Of one set: as query or as base. */
  readonly open: { readonly queries: readonly number[]; readonly base: readonly number[] };
}

/** Every (query, base) within the radius. Time O(m n variants), memory O(m + n + pairs kept). */
export function hammingPairs(search: HammingSearch): HammingList {
  const { queries, variants = 1, base } = search;
  const list = new BoundedList(search, queries.length / (2 * variants), base.length / 2);
  const kernel = new HammingKernel(base, variants);
  for (let query = 0; query < list.queryCount; query++) {
    kernel.search(queries, query, 0);
    list.addRow(query, kernel, 0);
  }
  return list.finish(false);
}

export interface HammingSelfSearch extends ListLimits {
  /** [n * 2] */
  readonly hashes: Uint32Array;
}

/** Every pair i < j of one set within the radius, as query = i and base = j. */
export function hammingSelfPairs({ hashes, ...limits }: HammingSelfSearch): HammingList {
  const count = hashes.length / 2;
  const list = new BoundedList(limits, count, count);
  const kernel = new HammingKernel(hashes, 1);
  for (let query = 0; query < count; query++) {
    kernel.search(hashes, query, query + 1);
    list.addRow(query, kernel, query + 1);
  }
  return list.finish(true);
}

const NONE = 65;

/** The nearest item of each, first among equals by index. */
class Nearest {
  readonly distance: Uint8Array;
  readonly #other: Int32Array;
  readonly #variant: Uint8Array;

  constructor(count: number) {
    this.distance = new Uint8Array(count).fill(NONE);
    this.#other = new Int32Array(count);
    this.#variant = new Uint8Array(count);
  }

  set(item: number, other: number, distance: number, variant: number): void {
    this.distance[item] = distance;
    this.#other[item] = other;
    this.#variant[item] = variant;
  }

  of(item: number): { readonly other: number; readonly distance: number; readonly variant: number } {
    return { other: this.#other[item]!, distance: this.distance[item]!, variant: this.#variant[item]! };
  }
}

class BoundedList {
  readonly queryCount: number;
  readonly #limits: ListLimits;
  /** Kept pairs by distance; those above `#listedTo` are gone. */
  readonly #byDistance: HammingPair[][];
  #kept = 0;
  #listedTo: number;
  #hubs = 0;
  /** Pairs within the radius, listed or not. */
  readonly #seenOfQuery: Uint32Array;
  readonly #seenOfBase: Uint32Array;
  readonly #ofQuery: Nearest;
  readonly #ofBase: Nearest;

  constructor(limits: ListLimits, queryCount: number, baseCount: number) {
    this.queryCount = queryCount;
    this.#limits = limits;
    this.#listedTo = limits.radius;
    this.#byDistance = Array.from({ length: limits.radius + 1 }, () => []);
    this.#seenOfQuery = new Uint32Array(queryCount);
    this.#seenOfBase = new Uint32Array(baseCount);
    this.#ofQuery = new Nearest(queryCount);
    this.#ofBase = new Nearest(baseCount);
  }

  /** @param nearest distances of this query to the base, from `from` on */
  addRow(query: number, { distances, variants }: HammingKernel, from: number): void {
    const { radius, mostPerQuery: most = Infinity } = this.#limits;
    const [ofQuery, ofBase] = [this.#ofQuery, this.#ofBase];
    // falls when the list of this query is cut, so that what is added later is nearer than what was dropped
    let listTo = this.#listedTo;
    let found: HammingPair[] = [];
    let isCut = false;
    for (let at = from; at < distances.length; at++) {
      const distance = distances[at]!;
      if (distance > radius) continue;
      const variant = variants[at]!;
      this.#seenOfQuery[query]! += 1;
      this.#seenOfBase[at]! += 1;
      if (distance < ofQuery.distance[query]!) ofQuery.set(query, at, distance, variant);
      if (distance < ofBase.distance[at]!) ofBase.set(at, query, distance, variant);
      if (distance > listTo) continue;
      found.push({ query, base: at, distance, variant });
      if (found.length <= 2 * most) continue;
      found = nearest(found, most);
      isCut = true;
      listTo = found.at(-1)!.distance - 1;
    }
    if (found.length > most) {
      found = nearest(found, most);
      isCut = true;
    }
    if (isCut) this.#hubs += 1;
    for (const pair of found) this.#byDistance[pair.distance]!.push(pair);
    this.#kept += found.length;
    const { budget = Infinity } = this.#limits;
    while (this.#kept > budget) {
      const dropped = this.#byDistance[this.#listedTo]!;
      this.#kept -= dropped.length;
      dropped.length = 0;
      this.#listedTo -= 1;
    }
  }

  /** @param isSelf both sides are one set: an item is near as a query or as a base. */
  finish(isSelf: boolean): HammingList {
    const pairs = this.#byDistance.flat();
    const [ofQuery, ofBase] = [this.#ofQuery, this.#ofBase];
    const listedQuery = new Uint8Array(ofQuery.distance.length).fill(NONE);
    const listedBase = isSelf ? listedQuery : new Uint8Array(ofBase.distance.length).fill(NONE);
    const add = (pair: HammingPair): void => {
      listedQuery[pair.query] = Math.min(listedQuery[pair.query]!, pair.distance);
      listedBase[pair.base] = Math.min(listedBase[pair.base]!, pair.distance);
    };
    pairs.forEach(add);
    const addNearest = (pair: HammingPair, isListed: boolean): void => {
      if (pair.distance === NONE || isListed) return;
      pairs.push(pair);
      add(pair);
    };
    for (let query = 0; query < ofQuery.distance.length; query++) {
      const { other, ...rest } = ofQuery.of(query);
      // of one set, the nearest before an item counts as well as the nearest after it
      if (isSelf && ofBase.distance[query]! < rest.distance) continue;
      addNearest({ query, base: other, ...rest }, listedQuery[query]! <= rest.distance);
    }
    for (let base = 0; base < ofBase.distance.length; base++) {
      const { other, ...rest } = ofBase.of(base);
      if (isSelf && ofQuery.distance[base]! < rest.distance) continue;
      addNearest({ query: other, base, ...rest }, listedBase[base]! <= rest.distance);
    }
    pairs.sort((x, y) => x.query - y.query || x.base - y.base);
    const [queries, base] = [this.#seenOfQuery, isSelf ? this.#seenOfQuery : this.#seenOfBase];
    if (isSelf) this.#seenOfBase.forEach((seen, i) => (queries[i]! += seen));
    for (const pair of pairs) {
      queries[pair.query]! -= 1;
      base[pair.base]! -= 1;
    }
    const open = { queries: placesAboveZero(queries), base: placesAboveZero(base) };
    return { pairs, listedTo: this.#listedTo, hubs: this.#hubs, open };
  }
}

function placesAboveZero(counts: Uint32Array): number[] {
  const places: number[] = [];
  counts.forEach((count, i) => {
    if (count > 0) places.push(i);
  });
  return places;
}

function nearest(found: readonly HammingPair[], most: number): HammingPair[] {
  return [...found].sort((x, y) => x.distance - y.distance || x.base - y.base).slice(0, most);
}

/** Set bits of a 32-bit integer (SWAR: sums in fields of 2, 4, then 8 bits). */
function popcount(word: number): number {
  let x = word - ((word >>> 1) & 0x55555555);
  x = (x & 0x33333333) + ((x >>> 2) & 0x33333333);
  x = (x + (x >>> 4)) & 0x0f0f0f0f;
  return Math.imul(x, 0x01010101) >>> 24;
}
