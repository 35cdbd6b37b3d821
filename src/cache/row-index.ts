/**
 * Where each target of a space lies, for hundreds of thousands of rows: an open-addressing table of row numbers over the 48-byte
 * keys that the parts' indexes hold anyway. A Map of 96-digit strings would take five times the memory and most of a plan's time.
 */
import { KEY_BYTES, VIEW_BYTES } from '../format/tensor-part.ts';
import type { CachedPart } from './open-part.ts';
import { type RowKey, rowKeyAt } from './row-key.ts';

export interface RowPlace {
  readonly part: CachedPart;
  readonly row: number;
}

/** What a space's rows can be asked; a Map from key to place can be asked it too. */
export interface RowLookup {
  readonly size: number;
  has(key: RowKey): boolean;
  get(key: RowKey): RowPlace | undefined;
  keys(): IterableIterator<RowKey>;
}

const ROW_KEY_BYTES = KEY_BYTES + VIEW_BYTES;

export class RowIndex implements RowLookup {
  readonly #parts: readonly CachedPart[];
  /** Number of a row -> part and row in it; rows that another part stands in for have no slot. */
  readonly #partOf: Uint32Array;
  readonly #rowOf: Uint32Array;
  /** Row number + 1, 0 for an empty slot; the length is a power of two. */
  readonly #slots: Uint32Array;
  /** The key that is looked for, as bytes. */
  readonly #wanted = Buffer.alloc(ROW_KEY_BYTES);
  #size = 0;

  /**
   * Two parts with the same row: a usable row counts before one that failed, then the one of the part that is named first.
   * @param parts in an order that all readers agree on.
   */
  constructor(parts: readonly CachedPart[]) {
    const rows = parts.reduce((sum, { layout }) => sum + layout.rows, 0);
    this.#parts = parts;
    this.#partOf = new Uint32Array(rows);
    this.#rowOf = new Uint32Array(rows);
    this.#slots = new Uint32Array(2 ** Math.ceil(Math.log2(Math.max(8, rows * 1.6))));
    let number = 0;
    parts.forEach((part, p) => {
      for (let row = 0; row < part.layout.rows; row++, number++) {
        this.#partOf[number] = p;
        this.#rowOf[number] = row;
        this.#insert(number, part, row);
      }
    });
  }

  get size(): number {
    return this.#size;
  }

  has(key: RowKey): boolean {
    return this.#find(key) !== 0;
  }

  get(key: RowKey): RowPlace | undefined {
    const found = this.#find(key);
    if (found === 0) return undefined;
    return { part: this.#parts[this.#partOf[found - 1]!]!, row: this.#rowOf[found - 1]! };
  }

  /** In the order of parts and rows. */
  *keys(): IterableIterator<RowKey> {
    const counted = new Uint8Array(this.#partOf.length);
    for (const slot of this.#slots) if (slot !== 0) counted[slot - 1] = 1;
    for (let number = 0; number < counted.length; number++) {
      if (counted[number] === 0) continue;
      const { keys, views } = this.#parts[this.#partOf[number]!]!.index;
      yield rowKeyAt(keys, views, this.#rowOf[number]!);
    }
  }

  #insert(number: number, part: CachedPart, row: number): void {
    const { keys, views, ok } = part.index;
    const [key, view] = [row * KEY_BYTES, row * VIEW_BYTES];
    const slots = this.#slots;
    const mask = slots.length - 1;
    for (let at = hashOf(keys, key, views, view) & mask; ; at = (at + 1) & mask) {
      const there = slots[at]!;
      if (there === 0) {
        slots[at] = number + 1;
        this.#size += 1;
        return;
      }
      const other = this.#parts[this.#partOf[there - 1]!]!;
      const otherRow = this.#rowOf[there - 1]!;
      if (
        !isSame(keys, key, other.index.keys, otherRow * KEY_BYTES, KEY_BYTES) ||
        !isSame(views, view, other.index.views, otherRow * VIEW_BYTES, VIEW_BYTES)
      )
        continue;
      if (other.index.ok[otherRow] === 0 && ok[row] === 1) slots[at] = number + 1;
      return;
    }
  }

  /** The number of the row + 1, or 0. */
  #find(key: RowKey): number {
    const wanted = this.#wanted;
    if (wanted.write(key, 'hex') !== ROW_KEY_BYTES) return 0;
    const slots = this.#slots;
    const mask = slots.length - 1;
    for (let at = hashOf(wanted, 0, wanted, KEY_BYTES) & mask; ; at = (at + 1) & mask) {
      const there = slots[at]!;
      if (there === 0) return 0;
      const { index } = this.#parts[this.#partOf[there - 1]!]!;
      const row = this.#rowOf[there - 1]!;
      if (
        isSame(wanted, 0, index.keys, row * KEY_BYTES, KEY_BYTES) &&
        isSame(wanted, KEY_BYTES, index.views, row * VIEW_BYTES, VIEW_BYTES)
      )
        return there;
    }
  }
}

/** Keys are digests: their own bytes are the hash. The view tells the rows of one image apart. */
function hashOf(keys: Uint8Array, key: number, views: Uint8Array, view: number): number {
  const image = keys[key]! | (keys[key + 1]! << 8) | (keys[key + 2]! << 16) | (keys[key + 3]! << 24);
  const geometry =
    views[view]! | (views[view + 1]! << 8) | (views[view + 2]! << 16) | (views[view + 3]! << 24);
  return image ^ geometry;
}

function isSame(a: Uint8Array, aAt: number, b: Uint8Array, bAt: number, length: number): boolean {
  for (let i = 0; i < length; i++) if (a[aAt + i] !== b[bAt + i]) return false;
  return true;
}
