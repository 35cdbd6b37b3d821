/**
 * Checks a value from outside (YAML, JSON, options) against a schema and reports every finding at once, each with its JSON
 * pointer; an unknown key comes with the nearest known one.
 */
import type { z } from 'zod';
import { StillhouseError } from './failure.ts';

/** @throws StillhouseError bad-input listing all findings. */
export function parseStrictly<T>(schema: z.ZodType<T>, value: unknown, where: string): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const findings = result.error.issues.map((issue) => `${pointerOf(issue.path)}: ${issue.message}`);
  throw new StillhouseError({
    kind: 'bad-input',
    what:
      findings.length === 1
        ? 'a file or option does not fit its schema'
        : `${findings.length} things do not fit the schema`,
    where,
    wanted: 'only known keys with values of the right type',
    got: findings.join('; '),
    next: 'correct the named places; manifests/README.md and README.md list the keys',
  });
}

function pointerOf(path: readonly PropertyKey[]): string {
  return path.length === 0
    ? '/'
    : path.map((part) => `/${String(part).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
}

/** The known names nearest to `wanted` by edit distance, best first, at most `count`. */
export function nearestNames(wanted: string, known: Iterable<string>, count = 3): string[] {
  return [...known]
    .map((name) => ({ name, distance: editDistance(wanted.toLowerCase(), name.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance || (a.name < b.name ? -1 : 1))
    .slice(0, count)
    .map(({ name }) => name);
}

/** Levenshtein distance, two rows of memory. */
function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++)
      row.push(
        Math.min(row[j - 1]! + 1, previous[j]! + 1, previous[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)),
      );
    previous = row;
  }
  return previous[b.length]!;
}
