/**
 * Which targets are missing, in which units they will be computed. Pure: catalogue and wishes in, data out.
 *
 * Units have fixed borders in the list of wanted targets, not in the list of missing ones, so a run that goes on after an
 * interruption forms the same units. All views of an image are in one unit: it is decoded once.
 */
import type { ImageId } from '../core/ids.ts';
import type { ImageRow } from '../images/image-row.ts';
import { type View, viewIdOf } from '../images/view.ts';
import type { Mosaic } from '../teachers/mosaic/neighbours.ts';
import type { CachedSpace, Catalogue, RowLookup } from './catalogue.ts';
import { sourceSpaces } from './codecs/richness.ts';
import { storedRowBytes } from './codecs/stored-tensor.ts';
import { type Derivation, planDerivation } from './derivation.ts';
import { type RowKey, rowKeyOf } from './row-key.ts';
import { type SpaceDescriptor, spaceIdOf, spaceLabel } from './space.ts';

/** An image and the views of it that are wanted. */
export interface WantedImage {
  readonly image: ImageRow;
  readonly views: readonly View[];
}

/** The spaces that one teacher fills at one input size with one call. */
export interface SpaceGroup {
  readonly teacher: string;
  readonly sizePx: number;
  /** The teacher sees the views of `sizePx` on canvases, with neighbours. */
  readonly mosaic?: Mosaic;
  readonly spaces: readonly SpaceDescriptor[];
}

export interface WantedRow {
  readonly image: ImageRow;
  readonly view: View;
  readonly key: RowKey;
}

export interface CacheUnit {
  readonly rows: readonly WantedRow[];
  /** Only groups that lack some. */
  readonly missing: readonly MissingRows[];
}

/** What one teacher at one size has to compute in a unit. */
export interface MissingRows {
  readonly group: SpaceGroup;
  /** Indices into the unit's rows that at least one space of the group lacks. */
  readonly rows: readonly number[];
  /** Per space of the group: positions in `rows` that this space lacks. What it has already is not written again. */
  readonly bySpace: readonly (readonly number[])[];
}

export interface SpaceCoverage {
  readonly label: string;
  readonly teacher: string;
  readonly sizePx: number;
  readonly kind: SpaceDescriptor['tap']['kind'];
  readonly wanted: number;
  /** Already there, usable or recorded as failed. */
  readonly present: number;
  /** There in a richer space of the cache: encoded again, without the teacher. */
  readonly derived: number;
  /** What the teacher has to compute. */
  readonly missing: number;
  readonly bytesToWrite: number;
}

export interface CachePlan {
  readonly units: readonly CacheUnit[];
  readonly derivations: readonly Derivation[];
  readonly coverage: readonly SpaceCoverage[];
}

export interface CachePlanOptions {
  readonly wanted: readonly WantedImage[];
  readonly groups: readonly SpaceGroup[];
  /** With the spaces of the groups, and those that they can be derived from. */
  readonly catalogue: Catalogue;
  /** Targets per unit, or the views of one image if that is more: what is at most lost when the process dies. */
  readonly unitRows: number;
  /** Rows that failed before count as missing. Default false: a failed row is not tried again. */
  readonly retryFailed?: boolean;
}

export function planCache(options: CachePlanOptions): CachePlan {
  const { groups, catalogue, unitRows, retryFailed = false } = options;
  const rows = wantedRows(options.wanted);
  // looked up once: [rows], 1 where the teacher has to compute the row
  const lacks = new Map<SpaceDescriptor, Uint8Array>();
  const derivations = new Map<SpaceDescriptor, readonly Derivation[]>();
  for (const space of groups.flatMap((group) => group.spaces)) {
    const present = catalogue.spaces.get(spaceIdOf(space))?.rows;
    const lacking = lackingRows(rows, present, retryFailed);
    derivations.set(space, derivationsOf({ space, rows, lacking, catalogue, retryFailed }));
    lacks.set(space, lacking);
  }
  const units: CacheUnit[] = [];
  for (let start = 0, end = 0; start < rows.length; start = end) {
    end = unitEnd(rows, start, unitRows);
    const missing = groups.flatMap((group): MissingRows[] => {
      const columns = group.spaces.map((space) => lacks.get(space)!.subarray(start, end));
      if (columns.every((column) => column.indexOf(1) < 0)) return [];
      const wanted = Array.from({ length: end - start }, (_, i) => i).filter((i) =>
        columns.some((column) => column[i] === 1),
      );
      const bySpace = columns.map((column) =>
        wanted.flatMap((row, position) => (column[row] === 1 ? [position] : [])),
      );
      return [{ group, rows: wanted, bySpace }];
    });
    if (missing.length > 0) units.push({ rows: rows.slice(start, end), missing });
  }
  const coverage = groups.flatMap((group) =>
    group.spaces.map((space): SpaceCoverage => {
      const missing = lacks.get(space)!.reduce((count, one) => count + one, 0);
      const derived = derivations.get(space)!.reduce((count, one) => count + one.rows, 0);
      return {
        label: spaceLabel(space),
        teacher: group.teacher,
        sizePx: group.sizePx,
        kind: space.tap.kind,
        wanted: rows.length,
        present: rows.length - missing - derived,
        derived,
        missing,
        bytesToWrite: (missing + derived) * storedRowBytes(space),
      };
    }),
  );
  return { units, derivations: [...derivations.values()].flat(), coverage };
}

interface Lacking {
  readonly space: SpaceDescriptor;
  readonly rows: readonly WantedRow[];
  /** Set to 0 where a derivation gives the row. */
  readonly lacking: Uint8Array;
  readonly catalogue: Catalogue;
  readonly retryFailed: boolean;
}

/** What richer spaces have of the rows that a space lacks, the richest first. */
function derivationsOf({ space, rows, lacking, catalogue, retryFailed }: Lacking): Derivation[] {
  if (lacking.indexOf(1) < 0) return [];
  const sources = sourceSpaces(space).flatMap((one) => catalogue.spaces.get(spaceIdOf(one)) ?? []);
  return sources.flatMap((source: CachedSpace): Derivation[] => {
    const keys: RowKey[] = [];
    const without = lackingRows(rows, source.rows, retryFailed);
    rows.forEach(({ key }, i) => {
      if (lacking[i] === 0 || without[i] === 1) return;
      lacking[i] = 0;
      keys.push(key);
    });
    return keys.length === 0 ? [] : [planDerivation({ space, source, present: undefined, keys })];
  });
}

/** Where a unit ends that begins at an image: as many whole images as fit, at least one. */
function unitEnd(rows: readonly WantedRow[], start: number, unitRows: number): number {
  let end = start;
  for (let next = start + 1; next <= rows.length; next++) {
    if (rows[next]?.image.id === rows[next - 1]!.image.id) continue;
    if (end > start && next - start > unitRows) break;
    end = next;
  }
  return end;
}

function lackingRows(
  rows: readonly WantedRow[],
  present: RowLookup | undefined,
  retryFailed: boolean,
): Uint8Array {
  const lacking = new Uint8Array(rows.length).fill(1);
  if (present !== undefined)
    rows.forEach(({ key }, i) => {
      const place = present.get(key);
      if (place !== undefined && !(retryFailed && place.part.index.ok[place.row] === 0)) lacking[i] = 0;
    });
  return lacking;
}

/** One row per image and view, those of an image together; an image that is wanted twice (by two datasets) is wanted once. */
export function wantedRows(wanted: readonly WantedImage[]): WantedRow[] {
  const images = new Map<ImageId, { readonly image: ImageRow; readonly rows: Map<RowKey, WantedRow> }>();
  for (const { image: record, views } of wanted) {
    // the record that comes first stands for the image
    const { image, rows } = images.get(record.id) ?? { image: record, rows: new Map<RowKey, WantedRow>() };
    images.set(image.id, { image, rows });
    for (const view of views) {
      const key = rowKeyOf({ image: image.id, view: viewIdOf(view) });
      if (!rows.has(key)) rows.set(key, { image, view, key });
    }
  }
  return [...images.values()].flatMap(({ rows }) => [...rows.values()]);
}
