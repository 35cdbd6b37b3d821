/** A unit in work: the answers that have come so far, and, when all have, its parts. */
import { rowValuesOf } from '../../format/tensor-part.ts';
import type { TargetCodec } from '../codecs/target-codec.ts';
import type { CacheUnit, MissingRows, SpaceGroup, WantedRow } from '../plan.ts';
import { type SpaceDescriptor, type TapKind, spaceLabel } from '../space.ts';
import { partOf } from '../target-part.ts';
import type { PartToWrite } from '../write.ts';
import type { GroupAnswer, GroupSession } from './group-session.ts';

export interface SpacePart {
  readonly space: SpaceDescriptor;
  readonly rows: readonly WantedRow[];
  readonly part: PartToWrite;
}

const KINDS = ['summary', 'spatial', 'pixels'] as const satisfies TapKind[];

/** Where the rows of a batch go: `count` rows from row `from` of the answer to row `to` of the unit's. */
export interface AnswerRange {
  readonly from: number;
  readonly to: number;
  readonly count: number;
}

export class OpenUnit {
  readonly unit: CacheUnit;
  readonly #answers: Map<SpaceGroup, { readonly [K in TapKind]: Float32Array | null }>;
  readonly #sessions: ReadonlyMap<SpaceGroup, GroupSession>;
  #left: number;

  constructor(unit: CacheUnit, sessions: ReadonlyMap<SpaceGroup, GroupSession>) {
    this.unit = unit;
    this.#sessions = sessions;
    this.#left = unitTargets(unit);
    this.#answers = new Map(
      unit.missing.map(({ group, rows }) => {
        const room = (tap: { readonly shape: readonly number[] } | null): Float32Array | null =>
          tap && new Float32Array(rows.length * rowValuesOf(tap.shape));
        const { summary, spatial, pixels = null } = sessions.get(group)!;
        return [group, { summary: room(summary), spatial: room(spatial), pixels: room(pixels) }];
      }),
    );
  }

  get complete(): boolean {
    return this.#left === 0;
  }

  store(group: SpaceGroup, answer: GroupAnswer, { from, to, count }: AnswerRange): void {
    const session = this.#sessions.get(group)!;
    for (const kind of KINDS) {
      const [values, all] = [answer[kind], this.#answers.get(group)![kind]];
      if (values == null || all === null) continue;
      const width = rowValuesOf(session[kind]!.shape);
      all.set(values.subarray(from * width, (from + count) * width), to * width);
    }
    this.#left -= count;
  }

  /** One part per space that lacks rows, holding exactly those. `codecs` as in FillOptions. */
  parts(codecs: ReadonlyMap<SpaceDescriptor, TargetCodec> = new Map()): SpacePart[] {
    return this.unit.missing.flatMap((missing) =>
      missing.group.spaces.flatMap((space, i): SpacePart[] => {
        const positions = missing.bySpace[i]!;
        if (positions.length === 0) return [];
        const values = this.#answers.get(missing.group)![space.tap.kind];
        if (values === null) throw new Error(`internal: ${spaceLabel(space)} has no answer`);
        const rows = positions.map((position) => this.unit.rows[missing.rows[position]!]!);
        const wanted = rowsAt(values, positions, rowValuesOf(space.shape));
        const part = partOf(space, rows, wanted, codecs.get(space));
        return [{ space, rows, part }];
      }),
    );
  }
}

/** Rows of [n, width] at some positions; the array itself when it is all of them. */
function rowsAt(values: Float32Array, positions: readonly number[], width: number): Float32Array {
  if (positions.length * width === values.length) return values;
  const out = new Float32Array(positions.length * width);
  positions.forEach((position, i) =>
    out.set(values.subarray(position * width, (position + 1) * width), i * width),
  );
  return out;
}

/** Views x teachers x sizes that a unit computes. */
export const unitTargets = (unit: CacheUnit): number =>
  unit.missing.reduce((sum, { rows }) => sum + rows.length, 0);

/** Bytes that the answers of a unit take while it is in work. */
export function unitAnswerBytes(
  { missing }: { readonly missing: readonly MissingRows[] },
  sessions: ReadonlyMap<SpaceGroup, GroupSession>,
): number {
  return missing.reduce((sum, { group, rows }) => {
    const session = sessions.get(group)!;
    const values = KINDS.reduce(
      (all, kind) => all + (session[kind] ? rowValuesOf(session[kind].shape) : 0),
      0,
    );
    return sum + rows.length * values * Float32Array.BYTES_PER_ELEMENT;
  }, 0);
}
