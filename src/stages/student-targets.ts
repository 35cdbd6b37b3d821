/** From cached spaces to a student's targets: shapes, loss weights, and statistics over the training set. */
import type { z } from 'zod';
import type { CachedSpace } from '../cache/catalogue.ts';
import { TargetReader } from '../cache/read.ts';
import { rowKeyOf } from '../cache/row-key.ts';
import { rowValuesOf } from '../format/tensor-part.ts';
import { viewIdOf } from '../images/view.ts';
import type { Sample } from '../loader/samples.ts';
import { ChannelMoments } from '../student/channel-moments.ts';
import type { StudentConfig, TargetSpec } from '../student/student-config.ts';
import { type NamedSpace, RESIDENT_TARGET_BYTES, type cacheFactsSchema } from './cached-spaces.ts';

export function targetSpecs(spaces: readonly NamedSpace[]): TargetSpec[] {
  const specs = new Map<string, TargetSpec>();
  for (const { teacher, sizePx, kind, shape } of spaces) {
    const key = `${teacher}@${sizePx}`;
    const known = specs.get(key) ?? { teacher, sizePx, summaryWidth: null, spatialShape: null };
    specs.set(
      key,
      kind === 'summary'
        ? { ...known, summaryWidth: shape[0]! }
        : { ...known, spatialShape: [shape[0]!, shape[1]!, shape[2]!] },
    );
  }
  return [...specs.values()];
}

/** Weights from the manifests, unless the pipeline sets others. */
export function teacherWeights(
  facts: z.infer<typeof cacheFactsSchema>,
  given: StudentConfig['weights'],
): StudentConfig['weights'] {
  const teachers = facts['teachers'] as readonly {
    name: string;
    lossWeights: { summary: number; spatial: number };
  }[];
  return Object.fromEntries(teachers.map(({ name, lossWeights }) => [name, given[name] ?? lossWeights]));
}

export interface StandardisationInput {
  readonly spaces: readonly NamedSpace[];
  readonly byLabel: ReadonlyMap<string, CachedSpace>;
  readonly samples: readonly Sample[];
  readonly weights: StudentConfig['weights'];
}

/** Per-channel mean and deviation of each target, over all samples. */
export async function standardisationOf(
  input: StandardisationInput,
): Promise<StudentConfig['standardisation']> {
  const found: StudentConfig['standardisation'] = {};
  const reader = new TargetReader({ residentBytes: RESIDENT_TARGET_BYTES });
  try {
    for (const { label, teacher, kind, shape } of input.spaces) {
      if ((input.weights[teacher]?.[kind] ?? 0) === 0) continue;
      const sums = new ChannelMoments(shape.at(-1)!);
      const row = new Float32Array(rowValuesOf(shape));
      for (const { image, view } of input.samples)
        if (
          await reader.readInto(
            input.byLabel.get(label)!,
            rowKeyOf({ image: image.id, view: viewIdOf(view) }),
            row,
          )
        )
          sums.add(row);
      found[label] = sums.standardisation();
    }
  } finally {
    await reader.close();
  }
  return found;
}
