/**
 * Numbers as text, the same on every machine (no locale). Whatever is null, NaN or infinite is "not measured".
 */
import type { Measured } from './input.ts';

export const NOT_MEASURED = 'not measured';

export function isMeasured(value: Measured | undefined): value is number {
  return typeof value === 'number' && Number.isFinite(value);
}

/** `1,234`. Fractions are rounded. */
export function formatCount(value: Measured): string {
  return isMeasured(value) ? grouped(value.toFixed(0)) : NOT_MEASURED;
}

/** Three significant digits, thousands grouped: `0.0123`, `1.50`, `12.3`, `1,234`, `1.2e-7`. Zero is `0`. */
export function formatNumber(value: Measured): string {
  if (!isMeasured(value)) return NOT_MEASURED;
  if (value === 0) return '0';
  const magnitude = Math.abs(value);
  if (magnitude < 1e-4 || magnitude >= 1e15) return value.toExponential(1);
  if (magnitude >= 999.5) return grouped(value.toFixed(0));
  return threeDigits(value);
}

/** `64.4 %`. A share near an end never rounds onto it: `< 0.1 %`, `> 99.9 %`. */
export function formatShare(value: Measured): string {
  if (!isMeasured(value)) return NOT_MEASURED;
  if (value === 0) return '0 %';
  if (value === 1) return '100 %';
  if (value > 0 && value < 0.0005) return '< 0.1 %';
  if (value < 1 && value >= 0.9995) return '> 99.9 %';
  return `${grouped((value * 100).toFixed(1))} %`;
}

/** Decimal units: `512 B`, `1.50 kB`, `12.3 MB`. */
export function formatBytes(value: Measured): string {
  if (!isMeasured(value)) return NOT_MEASURED;
  if (value < 999.5) return `${value.toFixed(0)} B`;
  const units = ['kB', 'MB', 'GB', 'TB', 'PB'];
  let unit = 0;
  let scaled = value / 1000;
  while (scaled >= 999.5 && unit < units.length - 1) {
    scaled /= 1000;
    unit++;
  }
  return `${scaled >= 999.5 ? grouped(scaled.toFixed(0)) : threeDigits(scaled)} ${units[unit]!}`;
}

/** `3 ms`, `0.42 s`, `12.3 s`, `1 m 20 s`, `2 h 05 m`. */
export function formatSeconds(value: Measured): string {
  if (!isMeasured(value)) return NOT_MEASURED;
  if (value === 0) return '0 s';
  if (value < 0.0995) return `${value < 0.00995 ? formatNumber(value * 1000) : (value * 1000).toFixed(0)} ms`;
  if (value < 9.95) return `${value.toFixed(2).replace(/(\.\d)0$/, '$1')} s`;
  if (value < 59.95) return `${value.toFixed(1)} s`;
  const whole = Math.round(value);
  const pad = (n: number): string => String(n).padStart(2, '0');
  if (whole < 3600) return `${Math.floor(whole / 60)} m ${pad(whole % 60)} s`;
  const minutes = Math.round(value / 60);
  return `${grouped(String(Math.floor(minutes / 60)))} h ${pad(minutes % 60)} m`;
}

/** For the axis of a chart: as few digits as tell neighbouring ticks apart. `stepSize` is their distance. */
export function formatTick(value: number, stepSize: number): string {
  if (!isMeasured(value)) return NOT_MEASURED;
  if (value === 0) return '0';
  const decimals = stepSize > 0 ? Math.max(0, Math.ceil(-Math.log10(stepSize) - 1e-9)) : 2;
  if (decimals > 6 || Math.abs(value) >= 1e15) return value.toExponential(1);
  return grouped(value.toFixed(decimals));
}

/** `1 image`, `2 images`. */
export function plural(count: number, singular: string, several = `${singular}s`): string {
  return `${formatCount(count)} ${count === 1 ? singular : several}`;
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
