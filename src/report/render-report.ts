/** The room's door: data in, one self-contained HTML file out. */
import type { ReportInput } from './input.ts';
import { page } from './page.ts';

/**
 * The whole report as UTF-8 HTML. Deterministic: the same input gives the same text on every machine. It loads nothing,
 * and reads without its script; hostile strings in the input are shown, never interpreted.
 */
export function renderReport(input: ReportInput): string {
  return page(input).toString();
}
