/** `--teacher`: which teacher, and at which sizes. */
import type { TargetsRequest } from '../stages/cache-groups.ts';
import { usage } from './common-options.ts';

export const TEACHER_FORM = 'name@px[,px]...';

/** Sizes are px of whole pictures; with m<k> those of tiles, k x k on a canvas. */
const FORM = /^(.+?)(?:@(\d+(?:,\d+)*)(?:m([1-9]\d*))?)?$/s;

/** @throws StillhouseError usage for one without sizes. */
export function teacherOption(text: string): TargetsRequest['teachers'][number] {
  const [, name, sizes, tilesPerSide] = FORM.exec(text) ?? [];
  if (name === undefined || sizes === undefined)
    throw usage('--teacher', 'name@px, name@px,px or name@pxm<k> for a mosaic of k x k', text);
  return {
    name,
    sizesPx: sizes.split(',').map(Number),
    ...(tilesPerSide === undefined ? {} : { mosaic: Number(tilesPerSide) }),
  };
}

/** The teacher alone, where sizes are known from elsewhere and may be left out. */
export const teacherNameOption = (text: string): string => FORM.exec(text)?.[1] ?? text;
