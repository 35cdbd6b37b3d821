/** Include and exclude lists by image, path or source, and the licences that are allowed. */
import { z } from 'zod';
import { StillhouseError } from '../core/failure.ts';
import { nearestNames } from '../core/nearest-names.ts';
import type { ImageRow } from '../images/image-row.ts';
import { bytesOfUri } from '../images/locate.ts';
import { type CurateLedgerRow, type StepResult, rejection } from './ledger.ts';

/** `id`: an image id, or its first 8 digits and more. `path`: a glob over names (`*` within a folder, `**` across). */
export const listEntrySchema = z.union([
  z.strictObject({ id: z.string().regex(/^[0-9a-f]{8,64}$/, '8 to 64 lower-case hex digits') }),
  z.strictObject({ path: z.string().min(1) }),
  z.strictObject({ source: z.string().min(1) }),
]);
export type ListEntry = z.infer<typeof listEntrySchema>;

export const licenceSchema = z.union([
  z.strictObject({ allow: z.array(z.string().min(1)).min(1) }),
  z.strictObject({ deny: z.array(z.string().min(1)).min(1) }),
]);
export type LicencePolicy = z.infer<typeof licenceSchema>;

/** What an entry is matched against; also of images that an earlier curation removed, which a policy may still name. */
export type ListedImage = Pick<ImageRow, 'id' | 'uri' | 'source' | 'label' | 'licence'>;

export interface ListInput {
  readonly rows: readonly ImageRow[];
  /** With entries: only images that match one of them stay. */
  readonly include: readonly ListEntry[];
  readonly exclude: readonly ListEntry[];
  /** Images that are known although they are not in `rows`: an entry that matches only these is no mistake. */
  readonly removedBefore?: readonly ListedImage[];
}

/**
 * Exclusion counts more than inclusion.
 * @throws StillhouseError bad-input for an entry that matches no image, with the nearest that exists.
 */
export function chooseListed({ rows, include, exclude, removedBefore = [] }: ListInput): StepResult {
  const [includes, excludes] = [new ListMatcher(include), new ListMatcher(exclude)];
  const kept: ImageRow[] = [];
  const rejected: CurateLedgerRow[] = [];
  for (const row of rows) {
    const isIncluded = includes.firstMatch(row) !== null;
    const excludedBy = excludes.firstMatch(row);
    if (excludedBy !== null) {
      const text = textOf(excludedBy);
      rejected.push(
        rejection(row, { reason: 'excluded', detail: `on the exclude list by ${text}`, threshold: text }),
      );
    } else if (include.length > 0 && !isIncluded)
      rejected.push(
        rejection(row, {
          reason: 'not-included',
          detail: `none of the ${include.length} entries of the include list matches`,
        }),
      );
    else kept.push(row);
  }
  for (const image of removedBefore) {
    includes.firstMatch(image);
    excludes.firstMatch(image);
  }
  const unmatched = includes.unmatched()[0] ?? excludes.unmatched()[0];
  if (unmatched !== undefined) throw matchesNothing(unmatched, [...rows, ...removedBefore]);
  return { kept, rejected };
}

/** Licences are compared without regard to case. */
export function chooseLicensed(rows: readonly ImageRow[], policy: LicencePolicy): StepResult {
  const listed = new Set(
    ('allow' in policy ? policy.allow : policy.deny).map((licence) => licence.toLowerCase()),
  );
  const isAllowed = ({ licence }: ImageRow): boolean =>
    listed.has(licence.toLowerCase()) === 'allow' in policy;
  const threshold = 'allow' in policy ? `allow ${policy.allow.join(', ')}` : `deny ${policy.deny.join(', ')}`;
  return {
    kept: rows.filter(isAllowed),
    rejected: rows
      .filter((row) => !isAllowed(row))
      .map((row) =>
        rejection(row, {
          reason: 'licence-not-allowed',
          detail: `licence ${JSON.stringify(row.licence)}`,
          threshold,
        }),
      ),
  };
}

const ID_PREFIX = 8;

/**
 * A list that is looked at once for each image, however many entries it has: ids by their first digits, sources and plain paths by their
 * names, and only globs one by one. Remembers which entries matched anything.
 */
class ListMatcher {
  readonly #entries: readonly ListEntry[];
  readonly #byIdPrefix = new Map<string, number[]>();
  readonly #bySource = new Map<string, number[]>();
  readonly #byPath = new Map<string, number[]>();
  readonly #globs: { readonly at: number; readonly pattern: RegExp }[] = [];
  readonly #isMatched: boolean[];

  constructor(entries: readonly ListEntry[]) {
    this.#entries = entries;
    this.#isMatched = entries.map(() => false);
    entries.forEach((entry, at) => {
      if ('id' in entry) addTo(this.#byIdPrefix, entry.id.slice(0, ID_PREFIX), at);
      else if ('source' in entry) addTo(this.#bySource, entry.source, at);
      else if (/[*?]/.test(entry.path)) this.#globs.push({ at, pattern: globToRegExp(entry.path) });
      else addTo(this.#byPath, entry.path, at);
    });
  }

  /** The first entry of the list that matches. */
  firstMatch(image: ListedImage): ListEntry | null {
    const ids = (this.#byIdPrefix.get(image.id.slice(0, ID_PREFIX)) ?? []).filter((at) => {
      const entry = this.#entries[at]!;
      return 'id' in entry && image.id.startsWith(entry.id);
    });
    const found = [...ids, ...(this.#bySource.get(image.source) ?? [])];
    if (this.#byPath.size + this.#globs.length > 0) {
      const path = pathOf(image);
      found.push(...(this.#byPath.get(path) ?? []));
      for (const { at, pattern } of this.#globs) if (pattern.test(path)) found.push(at);
    }
    for (const at of found) this.#isMatched[at] = true;
    return found.length === 0 ? null : this.#entries[Math.min(...found)]!;
  }

  unmatched(): ListEntry[] {
    return this.#entries.filter((_, at) => !this.#isMatched[at]);
  }
}

function addTo(places: Map<string, number[]>, key: string, at: number): void {
  const known = places.get(key);
  if (known) known.push(at);
  else places.set(key, [at]);
}

function textOf(entry: ListEntry): string {
  if ('id' in entry) return `id ${entry.id}`;
  return 'source' in entry ? `source ${entry.source}` : `path ${entry.path}`;
}

function matchesNothing(entry: ListEntry, known: readonly ListedImage[]): StillhouseError {
  const [wanted, names] =
    'id' in entry
      ? [entry.id, known.map(({ id }) => id.slice(0, entry.id.length))]
      : 'source' in entry
        ? [entry.source, known.map(({ source }) => source)]
        : [entry.path, known.map(pathOf)];
  const near = nearestNames(wanted, new Set(names), 1)[0];
  return new StillhouseError({
    kind: 'bad-input',
    what: 'an entry of an include or exclude list matches no image',
    where: textOf(entry),
    wanted: 'an image id or its beginning, a glob over paths, or the name of a source',
    got: near === undefined ? 'a set without images' : `nothing like it; the nearest: ${near}`,
    next: 'correct or remove the entry',
  });
}

/** The path as a person writes it; bytes that are no UTF-8 show as replacement characters. */
export function pathOf({ uri }: Pick<ImageRow, 'uri'>): string {
  return bytesOfUri(uri).toString('utf8');
}

/** `*` and `?` stay within a folder, `**` crosses folders; everything else stands for itself. */
function globToRegExp(glob: string): RegExp {
  const source = glob.replace(/\*\*\/?|\*|\?|[.+^${}()|[\]\\]/g, (part) => {
    if (part === '**/') return '(?:.*/)?';
    if (part === '**') return '.*';
    if (part === '*') return '[^/]*';
    if (part === '?') return '[^/]';
    return `\\${part}`;
  });
  return new RegExp(`^${source}$`, 'su');
}
