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
  const known = [...rows, ...removedBefore];
  const includes = include.map((entry) => matcherOf(entry, known));
  const excludes = exclude.map((entry) => matcherOf(entry, known));
  const kept: ImageRow[] = [];
  const rejected: CurateLedgerRow[] = [];
  for (const row of rows) {
    const excludedBy = excludes.find(({ matches }) => matches(row));
    if (excludedBy !== undefined)
      rejected.push(
        rejection(row, {
          reason: 'excluded',
          detail: `on the exclude list by ${excludedBy.text}`,
          threshold: excludedBy.text,
        }),
      );
    else if (includes.length > 0 && !includes.some(({ matches }) => matches(row)))
      rejected.push(
        rejection(row, {
          reason: 'not-included',
          detail: `none of the ${includes.length} entries of the include list matches`,
        }),
      );
    else kept.push(row);
  }
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

interface Matcher {
  readonly text: string;
  readonly matches: (image: ListedImage) => boolean;
}

function matcherOf(entry: ListEntry, known: readonly ListedImage[]): Matcher {
  const matcher = bareMatcherOf(entry);
  if (known.some(matcher.matches)) return matcher;
  const [wanted, names] =
    'id' in entry
      ? [entry.id, known.map(({ id }) => id.slice(0, entry.id.length))]
      : 'source' in entry
        ? [entry.source, known.map(({ source }) => source)]
        : [entry.path, known.map(pathOf)];
  const near = nearestNames(wanted, new Set(names), 1)[0];
  throw new StillhouseError({
    kind: 'bad-input',
    what: 'an entry of an include or exclude list matches no image',
    where: matcher.text,
    wanted: 'an image id or its beginning, a glob over paths, or the name of a source',
    got: near === undefined ? 'a set without images' : `nothing like it; the nearest: ${near}`,
    next: 'correct or remove the entry',
  });
}

function bareMatcherOf(entry: ListEntry): Matcher {
  if ('id' in entry) return { text: `id ${entry.id}`, matches: ({ id }) => id.startsWith(entry.id) };
  if ('source' in entry)
    return { text: `source ${entry.source}`, matches: ({ source }) => source === entry.source };
  const glob = globToRegExp(entry.path);
  return { text: `path ${entry.path}`, matches: (image) => glob.test(pathOf(image)) };
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
