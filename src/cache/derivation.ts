/** Which targets of a space come from a richer one, and in which units. Pure. */
import { StillhouseError } from '../core/failure.ts';
import { rowValuesOf } from '../format/tensor-part.ts';
import type { CachedSpace, RowLookup } from './catalogue.ts';
import { codecName } from './codecs/codec.ts';
import { canDerive, sourceCodecs } from './codecs/richness.ts';
import { storedRowBytes } from './codecs/stored-tensor.ts';
import type { RowKey } from './row-key.ts';
import { type SpaceDescriptor, codedLabel, exactSpaceIdOf } from './space.ts';

/** What is derived for one space from one source. Pure data. */
export interface Derivation {
  readonly space: SpaceDescriptor;
  readonly source: CachedSpace;
  /** In the order in which they lie in the source, by unit. */
  readonly units: readonly (readonly RowKey[])[];
  readonly rows: number;
  readonly bytesToWrite: number;
}

const UNIT_BYTES = 64 * 2 ** 20;
const UNIT_ROWS = 512;

export interface DerivationOptions {
  readonly space: SpaceDescriptor;
  readonly source: CachedSpace;
  /** What the space has already. */
  readonly present: RowLookup | undefined;
  /** Default: all that the source has. */
  readonly keys?: Iterable<RowKey>;
  /** Rows of a unit. Default: 512, or fewer where those take more than 64 MiB decoded. */
  readonly unitRows?: number;
}

/**
 * Units have fixed borders in the source, not in what is missing, so a derivation that goes on forms the same ones.
 * @throws StillhouseError bad-input when the source has lost what the space needs.
 */
export function planDerivation(options: DerivationOptions): Derivation {
  const { space, source, present, keys, unitRows = unitRowsOf(space) } = options;
  if (exactSpaceIdOf(space) !== exactSpaceIdOf(source.descriptor))
    throw new Error('internal: a space is derived from what another teacher said');
  if (!canDerive(source.descriptor.codec, space.codec)) throw sourceTooPoor(source, space);
  const wanted = keys === undefined ? null : new Set(keys);
  const units = new Map<number, RowKey[]>();
  let [at, rows] = [0, 0];
  for (const key of source.rows.keys()) {
    const unit = Math.floor(at++ / unitRows);
    if (wanted?.has(key) === false || present?.has(key) === true) continue;
    const list = units.get(unit);
    if (list === undefined) units.set(unit, [key]);
    else list.push(key);
    rows += 1;
  }
  return { space, source, units: [...units.values()], rows, bytesToWrite: rows * storedRowBytes(space) };
}

/** What is lost at most when the process dies. */
const unitRowsOf = ({ shape }: SpaceDescriptor): number =>
  Math.max(
    1,
    Math.min(UNIT_ROWS, Math.floor(UNIT_BYTES / (rowValuesOf(shape) * Float32Array.BYTES_PER_ELEMENT))),
  );

export function sourceTooPoor({ root, descriptor }: CachedSpace, space: SpaceDescriptor): StillhouseError {
  return new StillhouseError({
    kind: 'bad-input',
    what: 'a space cannot be derived from a poorer one: the values are no longer there',
    where: `${root}, ${codedLabel(descriptor)}`,
    wanted: `${sourceCodecs(space.codec).map(codecName).join(' or ')}, for ${codecName(space.codec)}`,
    got: codecName(descriptor.codec),
    next: 'name a richer space (`stillhouse cache ls`), or let the teacher compute it: `stillhouse cache --codec ...`',
  });
}
