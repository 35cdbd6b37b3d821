/** Axes: finite domains, round ticks, and the map from values to pixels. */

export interface Domain {
  readonly low: number;
  readonly high: number;
}

/**
 * The finite range of the values, never empty: no finite value gives [0, 1], a single one is widened around itself.
 * With `fromZero` the range includes zero.
 */
export function domainOf(values: Iterable<number | null>, fromZero = false): Domain {
  let low = fromZero ? 0 : Infinity;
  let high = fromZero ? 0 : -Infinity;
  for (const value of values) {
    if (value === null || !Number.isFinite(value)) continue;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  if (low > high || (low === 0 && high === 0)) return { low: 0, high: 1 };
  if (low === high) {
    const half = Math.abs(low) / 2;
    return { low: Math.max(-Number.MAX_VALUE, low - half), high: Math.min(Number.MAX_VALUE, high + half) };
  }
  return { low, high };
}

export interface Axis {
  /** Widened to whole ticks. */
  readonly domain: Domain;
  readonly ticks: readonly number[];
  readonly stepSize: number;
}

/** Ticks at 1, 2 or 5 times a power of ten, about `wanted` of them, covering the domain. */
export function axisOf(domain: Domain, wanted = 5): Axis {
  const span = domain.high - domain.low;
  // Ranges that doubles cannot divide (infinite, or a few of the smallest numbers wide) are drawn on a unit axis.
  if (!(span > 1e-290 && Number.isFinite(span)))
    return { domain: { low: 0, high: 1 }, ticks: [0, 1], stepSize: 1 };
  const rough = span / Math.max(1, wanted);
  const power = 10 ** Math.floor(Math.log10(rough));
  const stepSize = ([1, 2, 5].find((factor) => factor * power >= rough * 0.999) ?? 10) * power;
  const first = Math.floor(domain.low / stepSize + 1e-9);
  const last = Math.ceil(domain.high / stepSize - 1e-9);
  const ticks: number[] = [];
  // Ticks from whole numbers: adding the step up would drift. A range below the values' precision keeps its two ends.
  if (last - first > 4 * wanted + 4) return { domain, ticks: [domain.low, domain.high], stepSize: span };
  for (let i = first; i <= last; i++) ticks.push(Number((i * stepSize).toPrecision(12)));
  const covered = { low: ticks[0]!, high: ticks.at(-1)! };
  // Near the largest numbers a tick overflows, and close together twelve digits do not tell ticks apart.
  const slack = span * 1e-6;
  const isSound =
    Number.isFinite(covered.high - covered.low) &&
    covered.low < covered.high &&
    covered.low <= domain.low + slack &&
    covered.high >= domain.high - slack;
  if (!isSound) return { domain, ticks: [domain.low, domain.high], stepSize: span };
  return { domain: covered, ticks, stepSize };
}

/** Linear map of a domain onto [from, to] pixels, clamped to it, rounded to a tenth. */
export function scaleOf(domain: Domain, fromPx: number, toPx: number): (value: number) => number {
  return (value) => {
    const share = Math.min(1, Math.max(0, (value - domain.low) / (domain.high - domain.low)));
    return px(fromPx + share * (toPx - fromPx));
  };
}

/** A coordinate with one decimal: enough for a screen, half the bytes. */
export function px(value: number): number {
  return Math.round(value * 10) / 10;
}

/** Cut to a width of so many characters, by code point. */
export function shortened(text: string, characters: number): string {
  const points = Array.from(text);
  return points.length <= characters ? text : `${points.slice(0, characters - 1).join('')}…`;
}
