/** The one JSON document that `--json` puts on stdout. */
import type { Json } from '../core/canonical-json.ts';

export function printJson(value: Json): void {
  process.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
}
