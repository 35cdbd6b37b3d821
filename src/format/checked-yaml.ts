/**
 * YAML files of ours, checked against a zod schema: a value of the schema's type, or one failure that names every finding with
 * its JSON pointer (RFC 6901), its line and, for a key nobody knows, the nearest key that is known there.
 */
import { readFile } from 'node:fs/promises';
import { type Document, LineCounter, isMap, isNode, isScalar, parseDocument } from 'yaml';
import type { z } from 'zod';
import { StillhouseError, systemCodeOf } from '../core/failure.ts';
import { type SchemaFinding, pointerOf, schemaFindings } from '../core/schema-findings.ts';

export interface CheckedYamlOptions<T> {
  readonly schema: z.ZodType<T>;
  /** What the file is, for messages: `dataset header`. */
  readonly noun: string;
  /** The file, for messages. */
  readonly where: string;
  /** What a mistake in the file is. Default `bad-input`; `usage` for what a person writes to say what a command shall do. */
  readonly kind?: 'bad-input' | 'usage';
}

/** @throws StillhouseError `bad-input` when the file cannot be read, `kind` when it is not YAML or does not fit the schema. */
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
export function checkYaml<T>(
  text: string,
  { schema, noun, where, kind = 'bad-input' }: CheckedYamlOptions<T>,
): T {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });
  const refused = (findings: readonly string[]) =>
    new StillhouseError({
      kind,
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
  const findings = schemaFindings(schema, result.error, value).map((finding) => {
    const node = nodeOf(document, finding);
    const at = isNode(node) && node.range ? ` (line ${lines.linePos(node.range[0]).line})` : '';
    return `${pointerOf(finding.path)}${at}: ${finding.sentence}`;
  });
  throw refused(findings);
}

/** What a finding is about: an unknown key itself, else the value at the path. */
function nodeOf(document: Document, { path, unknownKey }: SchemaFinding): unknown {
  const node = path.length === 0 ? document.contents : document.getIn(path, true);
  if (unknownKey === undefined || !isMap(node)) return node;
  return node.items.find(({ key }) => isScalar(key) && String(key.value) === unknownKey)?.key ?? node;
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
