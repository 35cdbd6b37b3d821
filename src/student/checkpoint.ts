/** A training state as one safetensors file, and back. Any reader of safetensors sees the parameters by name. */
import { canonicalJson } from '../core/canonical-json.ts';
import { sha256 } from '../core/digest.ts';
import { StillhouseError } from '../core/failure.ts';
import { studentParameters } from './heads.ts';
import { type ParameterSpec, sizeOf } from './parameters.ts';
import { type NamedTensor, decodeSafetensors, encodeSafetensors } from '../format/safetensors.ts';
import { parseStudentConfig } from './student-config.ts';
import { momentNames } from './train-step.ts';
import type { TrainState } from './trainer.ts';

const FORMAT = 'stillhouse.train-state/1';
const PARAMETER = 'parameter/';
const OPTIMISER = 'optimiser/';

/** The same state gives the same bytes. Metadata: `format`, `step`, `config` (canonical JSON) and `sha256` of all the rest. */
export function encodeCheckpoint(state: TrainState): Uint8Array {
  const tensors = new Map(
    expectedTensors(studentParameters(state.config)).map(({ key, group, name, shape }) => {
      const values = state[group].get(name);
      if (values === undefined) throw new Error(`internal: state lacks ${group} ${name}`);
      return [key, { shape, values }];
    }),
  );
  const metadata = {
    format: FORMAT,
    step: String(state.step),
    config: canonicalJson(state.config),
  };
  const digest = digestOfContent(tensors, metadata);
  return encodeSafetensors({ tensors, metadata: { ...metadata, sha256: digest } });
}

/** @throws StillhouseError integrity when a byte has changed or tensors are not exactly those of the configuration. */
export function decodeCheckpoint(bytes: Uint8Array, where: string): TrainState {
  const { tensors, metadata } = decodeSafetensors(bytes, where);
  const { sha256: wanted, ...rest } = metadata;
  if (rest['format'] !== FORMAT) throw damaged(where, `format ${FORMAT}`, rest['format'] ?? 'none');
  const got = digestOfContent(tensors, rest);
  if (wanted !== got) throw damaged(where, `sha256 ${wanted ?? '(none)'}`, got);

  const config = parseStudentConfig(parsedJson(rest['config'] ?? '', where), `${where}, config`);
  const step = Number(rest['step']);
  if (!Number.isSafeInteger(step) || step < 0) throw damaged(where, 'a step number', rest['step'] ?? 'none');
  const expected = expectedTensors(studentParameters(config));
  if (expected.length !== tensors.size) throw damaged(where, `${expected.length} tensors`, `${tensors.size}`);
  const groups = { parameters: new Map<string, Float32Array>(), optimiser: new Map<string, Float32Array>() };
  for (const { key, group, name, shape } of expected) {
    const tensor = tensors.get(key);
    if (tensor?.shape.join() !== shape.join())
      throw damaged(
        `${where}, tensor ${key}`,
        `shape [${shape.join(', ')}]`,
        `[${tensor?.shape.join(', ') ?? ''}]`,
      );
    groups[group].set(name, tensor.values);
  }
  return { step, config, ...groups };
}

function parsedJson(text: string, where: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw damaged(where, 'a configuration in JSON', error instanceof Error ? error.message : String(error));
  }
}

interface ExpectedTensor {
  readonly key: string;
  readonly group: 'parameters' | 'optimiser';
  readonly name: string;
  readonly shape: readonly number[];
}

function expectedTensors(specs: readonly ParameterSpec[]): ExpectedTensor[] {
  return specs.flatMap(({ name, shape }): ExpectedTensor[] => [
    { key: PARAMETER + name, group: 'parameters', name, shape },
    ...momentNames(name).map((moment): ExpectedTensor => ({
      key: OPTIMISER + moment,
      group: 'optimiser',
      name: moment,
      shape,
    })),
  ]);
}

/** Covers names, shapes, values and metadata: sha256 of the file as it would be without the digest. */
function digestOfContent(
  tensors: ReadonlyMap<string, NamedTensor>,
  metadata: Record<string, string>,
): string {
  for (const [name, { shape, values }] of tensors)
    if (sizeOf(shape) !== values.length) throw new Error(`internal: ${name} has ${values.length} values`);
  return sha256(encodeSafetensors({ tensors, metadata }));
}

function damaged(where: string, wanted: string, got: string): StillhouseError {
  return new StillhouseError({
    kind: 'integrity',
    what: 'a checkpoint is damaged',
    where,
    wanted,
    got,
    next: 'delete the file and use an earlier checkpoint, or train again',
  });
}
