/**
 * Checks a value from outside (YAML, JSON, options) against a schema and reports every finding at once, each with its JSON
 * pointer; an unknown key comes with the nearest known one.
 */
import type { z } from 'zod';
import { StillhouseError } from './failure.ts';
import { pointerOf, schemaFindings } from './schema-findings.ts';

/** @throws StillhouseError bad-input listing all findings. */
export function parseStrictly<T>(schema: z.ZodType<T>, value: unknown, where: string): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const findings = schemaFindings(schema, result.error, value).map(
    ({ path, sentence }) => `${pointerOf(path)}: ${sentence}`,
  );
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
