/** Whether groups that must not be torn apart fill parts of given sizes exactly, and how (multiple subset sum, by search). */

export interface GroupSize {
  readonly size: number;
  /** Groups of this size. */
  readonly count: number;
}

/** Partial fillings that are tried before the search gives up; a second or so. */
const MOST_STATES = 300_000;

/**
 * Exact wherever it ends: groups of the largest size are shared out in every way, then the next, and what was seen to fail is not tried again. Groups of
 * one make it easy, since they fill whatever is left.
 * @param sizes each size once; the sum of size * count is that of the parts
 * @returns how many groups of each size go into each part, [sizes * parts], sizes descending; `none` when there is no such way, `unknown`
 * when the search was given up
 */
export function fitGroupSizes(
  sizes: readonly GroupSize[],
  parts: readonly number[],
  mostStates: number = MOST_STATES,
): number[][] | 'none' | 'unknown' {
  const ordered = [...sizes].sort((x, y) => y.size - x.size);
  const failed = new Set<string>();
  let states = 0;
  const fill = (at: number, left: readonly number[]): number[][] | null => {
    if (at === ordered.length) return left.every((room) => room === 0) ? [] : null;
    const key = `${at} ${left.join(' ')}`;
    if (failed.has(key) || ++states > mostStates) return null;
    const { size, count } = ordered[at]!;
    for (const shares of sharesOf(
      count,
      left.map((room) => Math.floor(room / size)),
    )) {
      const rest = fill(
        at + 1,
        left.map((room, i) => room - size * shares[i]!),
      );
      if (rest !== null) return [shares, ...rest];
      if (states > mostStates) return null;
    }
    failed.add(key);
    return null;
  };
  return fill(0, parts) ?? (states > mostStates ? 'unknown' : 'none');
}

/** Every way to share `count` equal things over places with room for so many each. */
function* sharesOf(count: number, room: readonly number[]): Generator<number[]> {
  const [first, ...others] = room;
  if (first === undefined) {
    if (count === 0) yield [];
    return;
  }
  const elsewhere = others.reduce((a, b) => a + b, 0);
  for (let here = Math.max(0, count - elsewhere); here <= Math.min(count, first); here++)
    for (const rest of sharesOf(count - here, others)) yield [here, ...rest];
}
