/**
 * What is wrong with a value that a zod schema refused: one sentence per finding with its path, and for a key nobody knows the
 * nearest key that is known there, inside unions, lists and records too.
 */
import { z } from 'zod';
import { nearestNames } from './nearest-names.ts';

export interface SchemaFinding {
  readonly path: readonly PropertyKey[];
  /** The key of the object at `path` that nobody knows; absent when something else is wrong. */
  readonly unknownKey?: string;
  readonly sentence: string;
}

export function schemaFindings(schema: z.ZodType, error: z.ZodError, value: unknown): SchemaFinding[] {
  const known = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as SchemaNode;
  return error.issues.flatMap(leavesOf).flatMap((issue) => findingsOf(issue, known, value));
}

type Issue = z.core.$ZodIssue;

/** A union fails with the issues of each branch; the branch that got furthest is the one that was meant. */
function leavesOf(issue: Issue): Issue[] {
  if (issue.code !== 'invalid_union' || issue.errors.length === 0) return [issue];
  const depthOf = (branch: readonly Issue[]) => Math.max(0, ...branch.map(({ path }) => path.length));
  const meant = issue.errors.reduce((best, branch) => (depthOf(branch) > depthOf(best) ? branch : best));
  if (depthOf(meant) === 0 && meant.every(({ code }) => code === 'invalid_type')) return [issue];
  return meant.flatMap((inner) => leavesOf({ ...inner, path: [...issue.path, ...inner.path] }));
}

/** RFC 6901, but for the root, which an empty text would hide: it shows as `/`. */
export function pointerOf(path: readonly PropertyKey[]): string {
  return `/${path.map((part) => String(part).replaceAll('~', '~0').replaceAll('/', '~1')).join('/')}`;
}

function findingsOf(issue: Issue, known: SchemaNode, value: unknown): SchemaFinding[] {
  const { path } = issue;
  if (issue.code !== 'unrecognized_keys') return [{ path, sentence: issue.message }];
  const keys = keysAt(known, path, value);
  return issue.keys.map((unknownKey) => {
    const [near] = nearestNames(unknownKey, keys, 1);
    const hint = near === undefined ? '' : `, did you mean "${near}"?`;
    return { path, unknownKey, sentence: `unknown key "${unknownKey}"${hint}` };
  });
}

interface SchemaNode {
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly items?: SchemaNode;
  readonly additionalProperties?: SchemaNode;
  readonly anyOf?: readonly SchemaNode[];
  readonly oneOf?: readonly SchemaNode[];
  readonly const?: unknown;
}

/** The property names that the schema allows at a path; of a union, those of the branches whose constants the value has. */
function keysAt(node: SchemaNode, path: readonly PropertyKey[], value: unknown): string[] {
  const branches = node.anyOf ?? node.oneOf;
  if (branches) {
    const fitting = branches.filter((branch) =>
      Object.entries(branch.properties ?? {}).every(
        ([key, property]) => property.const === undefined || property.const === memberOf(value, key),
      ),
    );
    return [...new Set(fitting.flatMap((branch) => keysAt(branch, path, value)))];
  }
  const [first, ...rest] = path;
  if (first === undefined) return Object.keys(node.properties ?? {});
  const child =
    typeof first === 'number' ? node.items : (node.properties?.[String(first)] ?? node.additionalProperties);
  return child ? keysAt(child, rest, memberOf(value, first)) : [];
}

function memberOf(value: unknown, key: PropertyKey): unknown {
  return typeof value === 'object' && value !== null
    ? (value as Record<PropertyKey, unknown>)[key]
    : undefined;
}
