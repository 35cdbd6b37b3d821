/**
 * YAML files of ours, checked against a zod schema: a value of the schema's type, or one failure that names every finding with
 * its JSON pointer (RFC 6901), its line and, for a key nobody knows, the nearest key that is known there.
 */
import { readFile } from 'node:fs/promises';
import { type Document, LineCounter, isNode, parseDocument } from 'yaml';
import { z } from 'zod';
import { StillhouseError, systemCodeOf } from '../core/failure.ts';
import { nearestNames } from '../core/strict-parse.ts';

export interface CheckedYamlOptions<T> {
  readonly schema: z.ZodType<T>;
  /** What the file is, for messages: `dataset header`. */
  readonly noun: string;
  /** The file, for messages. */
  readonly where: string;
}

/** @throws StillhouseError `bad-input` when the file cannot be read, is not YAML, or does not fit the schema. */
export async function readCheckedYaml<T>(
  path: string,
  options: Omit<CheckedYamlOptions<T>, 'where'>,
): Promise<T> {
  const bytes = await readFile(path).catch((cause: unknown) => {
    throw new StillhouseError(
      {
        kind: 'bad-input',
        what: `${options.noun} cannot be read`,
        where: path,
        got: systemCodeOf(cause) ?? 'an error of the system',
        next: 'Check the path.',
      },
      cause,
    );
  });
  return checkYaml(bytes.toString('utf8'), { ...options, where: path });
}

/** As {@link readCheckedYaml}, on text. */
export function checkYaml<T>(text: string, { schema, noun, where }: CheckedYamlOptions<T>): T {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });
  const refused = (findings: readonly string[]) =>
    new StillhouseError({
      kind: 'bad-input',
      what: `${noun} has ${findings.length === 1 ? 'a mistake' : `${findings.length} mistakes`}`,
      where,
      got: findings.join('; '),
      next: 'Correct the file; manifests/README.md and manifests/schema/ state the fields.',
    });
  if (document.errors.length > 0) {
    throw refused(document.errors.map(({ message }) => message.split('\n')[0]!.replace(/:$/, '')));
  }
  const value = expanded(document, refused);
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const known = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as SchemaNode;
  const findings = result.error.issues.flatMap(leavesOf).map((issue) => {
    const node = issue.path.length === 0 ? document.contents : document.getIn(issue.path, true);
    const at = isNode(node) && node.range ? ` (line ${lines.linePos(node.range[0]).line})` : '';
    return `${pointerOf(issue.path)}${at}: ${sentenceOf(issue, known, value)}`;
  });
  throw refused(findings);
}

/** Aliases that unfold to very much (a "billion laughs" file) are refused by the parser with a ReferenceError. */
function expanded(document: Document, refused: (findings: readonly string[]) => StillhouseError): unknown {
  try {
    return document.toJS({ maxAliasCount: 100 });
  } catch (error) {
    if (error instanceof ReferenceError) throw refused([error.message]);
    throw error;
  }
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

function pointerOf(path: readonly PropertyKey[]): string {
  return `/${path.map((part) => String(part).replaceAll('~', '~0').replaceAll('/', '~1')).join('/')}`;
}

function sentenceOf(issue: Issue, known: SchemaNode, value: unknown): string {
  if (issue.code !== 'unrecognized_keys') return issue.message;
  const keys = keysAt(known, issue.path, value);
  return issue.keys
    .map((key) => {
      const [near] = nearestNames(key, keys, 1);
      return `unknown key "${key}"${near === undefined ? '' : `, did you mean "${near}"?`}`;
    })
    .join(', ');
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
