/** Which of several equal or near-equal images stays. */
import type { ImageRow } from '../images/image-row.ts';

/** A total order over records, the better one first: it must tell any two distinct records apart. */
export interface KeepOrder {
  readonly name: string;
  readonly compare: (x: ImageRow, y: ImageRow) => number;
}

/** Larger in pixels, then larger in bytes, then the smaller id; records of one image by uri, name, source. */
export const keepLargest: KeepOrder = {
  name: 'largest',
  compare: (x, y) =>
    y.width * y.height - x.width * x.height ||
    y.sizeBytes - x.sizeBytes ||
    byText(x.id, y.id) ||
    byText(x.uri, y.uri) ||
    byText(x.name, y.name) ||
    byText(x.source, y.source),
};

/** By UTF-16 code unit: the same on every machine, unlike a locale's order. */
export function byText(x: string, y: string): number {
  return x < y ? -1 : x > y ? 1 : 0;
}
