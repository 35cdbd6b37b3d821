/** Where every sample's targets lie, as flat arrays, and which samples are stored together. */
import { createHash } from 'node:crypto';
import type { CachedPart, CachedSpace } from '../cache/catalogue.ts';
import type { RowKey } from '../cache/row-key.ts';
import { canonicalJson } from '../core/canonical-json.ts';
import { sha256 } from '../core/digest.ts';
import type { Digest } from '../core/ids.ts';
import type { BucketSpec } from './order-spec.ts';

/** Bytes of the widest space that make one block, the unit of shuffling: a read of 8 to 32 MiB keeps any storage busy. */
const BLOCK_BYTES = 16 * 2 ** 20;
/** Samples of a block where no target gives it a size. */
const LOOSE_BLOCK = 64;

export class RowTable {
  readonly keys: readonly RowKey[];
  readonly parts: readonly CachedPart[];
  /** By space, [samples]: index into parts, -1 without a usable target; and the row there. */
  readonly #part: readonly Int32Array[];
  readonly #row: readonly Int32Array[];
  readonly #targets: number;

  /** @param pixels spaces that are read as well, behind the others; no order depends on them. */
  constructor(keys: readonly RowKey[], targets: readonly CachedSpace[], pixels: readonly CachedSpace[] = []) {
    const spaces = [...targets, ...pixels];
    this.keys = keys;
    this.#targets = targets.length;
    const indexOf = new Map<CachedPart, number>();
    for (const { parts } of spaces) for (const part of parts) indexOf.set(part, indexOf.size);
    this.parts = [...indexOf.keys()];
    this.#part = spaces.map(() => new Int32Array(keys.length).fill(-1));
    this.#row = spaces.map(() => new Int32Array(keys.length));
    spaces.forEach((space, s) =>
      keys.forEach((key, i) => {
        const place = space.rows.get(key);
        if (place === undefined || place.part.index.ok[place.row] === 0) return;
        this.#part[s]![i] = indexOf.get(place.part)!;
        this.#row[s]![i] = place.row;
      }),
    );
  }

  /** Index into {@link parts} of the sample's target in a space; -1 when it has no usable one. */
  partOf(space: number, sample: number): number {
    return this.#part[space]![sample]!;
  }

  rowOf(space: number, sample: number): number {
    return this.#row[space]![sample]!;
  }

  /** Samples as stored, cut into blocks along the space with the largest rows that holds each. */
  blocksOf(samples: readonly number[], key: string): BucketSpec {
    const size = (space: number): number =>
      this.#part[space]!.reduce(
        (most, part) => Math.max(most, part < 0 ? 0 : this.parts[part]!.layout.rowBytes),
        0,
      );
    const bySize = Array.from({ length: this.#targets }, (_, s) => s).sort(
      (a, b) => size(b) - size(a) || a - b,
    );
    const placed = samples.map((sample, i) => {
      const space = bySize.find((s) => this.partOf(s, sample) >= 0);
      if (space === undefined)
        return { sample, home: `~${String(Math.floor(i / LOOSE_BLOCK)).padStart(9, '0')}`, row: i };
      const part = this.parts[this.partOf(space, sample)]!;
      const row = this.rowOf(space, sample);
      const block = Math.floor((row * part.layout.rowBytes) / BLOCK_BYTES);
      return { sample, home: `${part.entry.sha256}${String(block).padStart(9, '0')}`, row };
    });
    placed.sort((a, b) => (a.home < b.home ? -1 : a.home > b.home ? 1 : a.row - b.row));
    const starts = placed.flatMap(({ home }, i) => (placed[i - 1]?.home === home ? [] : [i]));
    return {
      key,
      samples: Int32Array.from(placed, ({ sample }) => sample),
      blockStarts: Int32Array.from([...starts, placed.length]),
    };
  }

  get keysDigest(): Digest {
    const hash = createHash('sha256');
    for (const key of this.keys) hash.update(key);
    return hash.digest('hex') as Digest;
  }
}

/** Digest of what is read: by space its id and the digests of all its parts in the snapshot. */
export function partsDigest(spaces: readonly CachedSpace[]): Digest {
  return sha256(
    canonicalJson(spaces.map(({ id, parts }) => [id, parts.map(({ entry }) => entry.sha256).sort()])),
  );
}
