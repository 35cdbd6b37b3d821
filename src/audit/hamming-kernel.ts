/**
 * Hamming distances of one 64-bit hash, in all its variants, to sixteen hashes at a time. The base lies in planes: vector j of a group
 * holds byte j of its sixteen hashes, so that set bits add up lane by lane.
 */
import {
  type Code,
  advance,
  againWhile,
  constant,
  get,
  i8x16,
  lanes32,
  loadVector,
  loop,
  set,
  storeVector,
  v128,
} from '../core/wasm/instructions.ts';
import { kernelModule } from '../core/wasm/kernels.ts';

const GROUP = 16;
const HASH_BYTES = 8;
const GROUP_BYTES = GROUP * HASH_BYTES;

/** More than any distance. */
const NONE = 65;

const [BASE, QUERY, VARIANTS, DISTANCES, NEAREST, GROUPS] = [0, 1, 2, 3, 4, 5] as const;
const PARAMETERS = 6;
const [VARIANT_AT, LEFT] = [6, 7] as const;
const PLANES = Array.from({ length: HASH_BYTES }, (_, i) => 8 + i);
const [SUM, LEAST, BEST, VARIANT] = [16, 17, 18, 19] as const;

const inAllBytes = (value: number): Code => lanes32(value * 0x01010101);

const distances: Code = loop([
  ...PLANES.flatMap((plane, i) => [...get(BASE), ...loadVector(i * GROUP), ...set(plane)]),
  ...inAllBytes(NONE),
  ...set(LEAST),
  ...inAllBytes(0),
  ...set(BEST),
  ...inAllBytes(0),
  ...set(VARIANT),
  ...get(QUERY),
  ...set(VARIANT_AT),
  ...get(VARIANTS),
  ...set(LEFT),
  ...loop([
    ...PLANES.flatMap((plane, i) => [
      ...get(plane),
      ...get(VARIANT_AT),
      ...loadVector(i * GROUP),
      ...v128.xor,
      ...i8x16.popcount,
      ...(i === 0 ? [] : i8x16.add),
    ]),
    ...set(SUM),
    // the first of the variants that are this near
    ...get(VARIANT),
    ...get(BEST),
    ...get(SUM),
    ...get(LEAST),
    ...i8x16.lessUnsigned,
    ...v128.select,
    ...set(BEST),
    ...get(LEAST),
    ...get(SUM),
    ...i8x16.leastUnsigned,
    ...set(LEAST),
    ...get(VARIANT),
    ...inAllBytes(1),
    ...i8x16.add,
    ...set(VARIANT),
    ...advance(VARIANT_AT, constant(GROUP_BYTES)),
    ...againWhile(LEFT),
  ]),
  ...get(DISTANCES),
  ...get(LEAST),
  ...storeVector(0),
  ...get(NEAREST),
  ...get(BEST),
  ...storeVector(0),
  ...advance(BASE, constant(GROUP_BYTES)),
  ...advance(DISTANCES, constant(GROUP)),
  ...advance(NEAREST, constant(GROUP)),
  ...againWhile(GROUPS),
]);

const open = kernelModule(() => [
  { name: 'distances', parameters: PARAMETERS, integers: 2, vectors: 12, code: distances },
]);

export class HammingKernel {
  /** Of the nearest variant of the last query, [n]; entries before its `from` are of no meaning. */
  readonly distances: Uint8Array;
  /** The first variant that is this near, [n]. */
  readonly variants: Uint8Array;
  readonly #groups: number;
  readonly #variantCount: number;
  readonly #query: Uint8Array;
  readonly #kernels: ReturnType<typeof open>;

  /**
   * @param base [n * 2]
   * @param variantCount of every query, 1..255
   */
  constructor(base: Uint32Array, variantCount: number) {
    const count = base.length / 2;
    this.#groups = Math.ceil(count / GROUP);
    this.#variantCount = variantCount;
    const baseBytes = this.#groups * GROUP_BYTES;
    const queryBytes = variantCount * GROUP_BYTES;
    this.#kernels = open(baseBytes + queryBytes + 2 * this.#groups * GROUP);
    const memory = this.#kernels.buffer;
    const planes = new Uint8Array(memory, 0, baseBytes);
    for (let i = 0; i < count; i++)
      for (let byte = 0; byte < HASH_BYTES; byte++)
        planes[Math.floor(i / GROUP) * GROUP_BYTES + byte * GROUP + (i % GROUP)] = byteOf(base, i, byte);
    this.#query = new Uint8Array(memory, baseBytes, queryBytes);
    this.distances = new Uint8Array(memory, baseBytes + queryBytes, count);
    this.variants = new Uint8Array(memory, baseBytes + queryBytes + this.#groups * GROUP, count);
  }

  /**
   * Writes {@link distances} and {@link variants} of one query.
   * @param queries [m * variants * 2]
   * @param from first base hash that is asked for
   */
  search(queries: Uint32Array, query: number, from: number): void {
    const first = Math.floor(from / GROUP);
    if (first >= this.#groups) return;
    for (let variant = 0; variant < this.#variantCount; variant++)
      for (let byte = 0; byte < HASH_BYTES; byte++) {
        const at = (variant * HASH_BYTES + byte) * GROUP;
        this.#query.fill(byteOf(queries, query * this.#variantCount + variant, byte), at, at + GROUP);
      }
    this.#kernels.run.distances(
      first * GROUP_BYTES,
      this.#query.byteOffset,
      this.#variantCount,
      this.distances.byteOffset + first * GROUP,
      this.variants.byteOffset + first * GROUP,
      this.#groups - first,
    );
  }
}

function byteOf(hashes: Uint32Array, index: number, byte: number): number {
  return (hashes[index * 2 + (byte >> 2)]! >>> ((byte & 3) * 8)) & 255;
}
