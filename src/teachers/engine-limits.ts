/**
 * What the engine cannot load because of its own version: a model of a newer format or operator set, or with operators that it does
 * not have. The engine alone knows its limits, and says them in its messages only.
 */
import { StillhouseError } from '../core/failure.ts';

export interface RefusedModel {
  /** Names the teacher and its size. */
  readonly where: string;
  /** `onnxruntime 1.30.0`. */
  readonly engine: string;
  /** What the engine said. */
  readonly message: string;
}

interface Limit {
  readonly pattern: RegExp;
  /** Takes what the groups of the pattern found, of which an optional one may be absent. */
  readonly describe: (
    found: readonly (string | undefined)[],
    engine: string,
  ) => { readonly what: string; readonly wanted: string; readonly got: string; readonly next: string };
}

const OTHER_ENGINE = 'or install an onnxruntime-node that knows it';

const LIMITS: readonly Limit[] = [
  {
    pattern: /Unsupported model IR version: (\d+), max supported IR version: (\d+)/,
    describe: ([needed, known], engine) => ({
      what: 'a model is of a newer format than the engine reads',
      wanted: `ONNX IR version ${known} at most, the highest that ${engine} knows`,
      got: `ONNX IR version ${needed}`,
      next: `export the model again for IR version ${known}, ${OTHER_ENGINE}`,
    }),
  },
  {
    pattern: /Opset (\d+) is under development.* support for domain (\S+) is till opset (\d+)/s,
    describe: ([needed, domain, known], engine) => ({
      what: 'a model needs a newer operator set than the engine has',
      wanted: `opset ${known} of ${domain} at most, the highest that ${engine} knows`,
      got: `opset ${needed} of ${domain}`,
      next: `export the model again with opset ${known}, ${OTHER_ENGINE}`,
    }),
  },
  {
    pattern: /No Op registered for (\S+) with domain_version of (\d+)/,
    describe: ([op, opset], engine) => ({
      what: 'a model has an operator that the engine does not have',
      wanted: `operators that ${engine} has in opset ${opset}`,
      got: op!,
      next: `export the model again with an opset that has ${op}, ${OTHER_ENGINE}`,
    }),
  },
  {
    pattern: /Error Node ?(?:\(([^)]*)\) )?with schema\(\w*::(\w+):(\d+)\) has (.*?)\.?$/s,
    describe: ([node, op, since, trouble]) => ({
      what: 'a node of a model does not fit the operator set that the model declares',
      wanted: `${op} as opset ${since} introduced it`,
      got: `${node ?? op!} has ${trouble!}`,
      next: 'export the model again with the opset that its nodes are of',
    }),
  },
  {
    pattern: /(\S+?):(\w+)\(-?\d+\) is not a registered function\/op/,
    describe: ([domain, op], engine) => ({
      what: 'a model has an operator that the engine does not have',
      wanted: `operators that ${engine} has`,
      got: `${op} of ${domain}`,
      next: 'export the model again with standard operators',
    }),
  },
];

/** The failure, when it was one of the engine's own limits that refused the model; null for any other trouble. */
export function engineLimit(
  { where, engine, message }: RefusedModel,
  cause: unknown,
): StillhouseError | null {
  for (const { pattern, describe } of LIMITS) {
    const found = pattern.exec(message);
    if (found !== null)
      return new StillhouseError({ kind: 'bad-input', where, ...describe(found.slice(1), engine) }, cause);
  }
  return null;
}
