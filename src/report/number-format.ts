/**
 * Numbers as text, the same on every machine (no locale). Whatever is null, NaN or infinite is "not measured".
 * Between a number and its unit stands a no-break space, written as a plain one in the comments here.
 */
import type { Measured } from './input.ts';

export const NOT_MEASURED = 'not measured';

const GAP = '\u00a0';

export function isMeasured(value: Measured | undefined): value is number {
  return typeof value === 'number' && Number.isFinite(value);
}

/** `1,234`. Fractions are rounded. */
export function formatCount(value: Measured): string {
  return isMeasured(value) ? grouped(value.toFixed(0)) : NOT_MEASURED;
}

/** Whole numbers as they are, others with three significant digits: `8`, `0.0123`, `1.50`, `1,234`, `1.2e-7`. */
export function formatNumber(value: Measured): string {
  if (!isMeasured(value)) return NOT_MEASURED;
  if (Number.isInteger(value) && Math.abs(value) < 1e15) return formatCount(value);
  const magnitude = Math.abs(value);
  if (magnitude < 1e-4 || magnitude >= 1e15) return value.toExponential(1);
  if (magnitude >= 999.5) return grouped(value.toFixed(0));
  return threeDigits(value);
}

/** `64.4 %`. A share near an end never rounds onto it: `< 0.1 %`, `> 99.9 %`. */
export function formatShare(value: Measured): string {
  if (!isMeasured(value)) return NOT_MEASURED;
  if (value === 0) return `0${GAP}%`;
  if (value === 1) return `100${GAP}%`;
  if (value > 0 && value < 0.0005) return `<${GAP}0.1${GAP}%`;
  if (value < 1 && value >= 0.9995) return `>${GAP}99.9${GAP}%`;
  return `${grouped((value * 100).toFixed(1))}${GAP}%`;
}

/** Decimal units: `512 B`, `1.50 kB`, `12.3 MB`. */
export function formatBytes(value: Measured): string {
  if (!isMeasured(value)) return NOT_MEASURED;
  if (value < 999.5) return `${value.toFixed(0)}${GAP}B`;
  const units = ['kB', 'MB', 'GB', 'TB', 'PB'];
  let unit = 0;
  let scaled = value / 1000;
  while (scaled >= 999.5 && unit < units.length - 1) {
    scaled /= 1000;
    unit++;
  }
  return `${scaled >= 999.5 ? grouped(scaled.toFixed(0)) : threeDigits(scaled)}${GAP}${units[unit]!}`;
}

/** `3${GAP}ms`, `0.42 s`, `12.3 s`, `1 m 20 s`, `2 h 05 m`. */
export function formatSeconds(value: Measured): string {
  if (!isMeasured(value)) return NOT_MEASURED;
  if (value === 0) return `0${GAP}s`;
  if (value < 0.0995)
    return `${value < 0.00995 ? formatNumber(value * 1000) : (value * 1000).toFixed(0)}${GAP}ms`;
  if (value < 9.95) return `${value.toFixed(2).replace(/(\.\d)0$/, '$1')}${GAP}s`;
  if (value < 59.95) return `${value.toFixed(1)}${GAP}s`;
  const whole = Math.round(value);
  const pad = (n: number): string => String(n).padStart(2, '0');
  if (whole < 3600) return `${Math.floor(whole / 60)}${GAP}m${GAP}${pad(whole % 60)}${GAP}s`;
  const minutes = Math.round(value / 60);
  return `${grouped(String(Math.floor(minutes / 60)))}${GAP}h${GAP}${pad(minutes % 60)}${GAP}m`;
}

/** For the axis of a chart: as few digits as tell neighbouring ticks apart. `stepSize` is their distance. */
export function formatTick(value: number, stepSize: number): string {
  if (!isMeasured(value)) return NOT_MEASURED;
  if (value === 0) return '0';
  let decimals = 0;
  while (decimals <= 6 && !isNearlyWhole(stepSize * 10 ** decimals)) decimals++;
  if (decimals > 6 || Math.abs(value) >= 1e15) return value.toExponential(1);
  return grouped(value.toFixed(decimals));
}

/** Up to the rounding of a decimal fraction; a step of zero has no digits to ask for. */
function isNearlyWhole(value: number): boolean {
  return value === 0 || (value > 0.5 && Math.abs(value - Math.round(value)) < 1e-6 * value);
}

/** `1 image`, `2 images`. */
export function plural(count: number, singular: string, several = `${singular}s`): string {
  return `${formatCount(count)}${GAP}${count === 1 ? singular : several}`;
}

function threeDigits(value: number): string {
  // toPrecision rounds first, so 0.99999 becomes 1.00 and not 1.000.
  const text = value.toPrecision(3);
  return text.includes('e') ? Number(text).toFixed(0) : text;
}

function grouped(digits: string): string {
  const [whole, fraction] = digits.split('.');
  const text = whole!.replace(/\B(?=(?:\d{3})+$)/g, ',');
  return fraction === undefined ? text : `${text}.${fraction}`;
}
