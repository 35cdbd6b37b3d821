/** What `teachers check` prints: one row per teacher, one per tap and size, and the failure of those that do not fit. */
import type { Json } from '../../core/canonical-json.ts';
import { type TeacherCheck, checkTeacher, troubleIn } from '../../teachers/check.ts';
import { type CheckPicture, checkPicture } from '../../teachers/check-picture.ts';
import { teachersOf } from '../../teachers/registry.ts';
import { printJson } from '../print-json.ts';
import { type Cell, textTable } from '../table.ts';
import { type WeightsOptions, weightsPlaces } from '../weights-options.ts';

export interface CheckCommandOptions extends WeightsOptions {
  readonly size?: readonly number[];
  readonly image?: string;
  readonly device: string;
  readonly json: boolean;
}

/**
 * @throws StillhouseError bad-input when a teacher does not fit its manifest or gives values that are not finite, for a picture that
 * is none, and for a name that leads to no manifest; environment or integrity for weights that are absent or other ones
 */
export async function checkTeachers(names: readonly string[], options: CheckCommandOptions): Promise<void> {
  const picture = await checkPicture(options.image);
  const teachers = await teachersOf(names, { baseFolder: '.', weights: weightsPlaces(options) });
  const checks: TeacherCheck[] = [];
  for (const teacher of teachers)
    checks.push(
      await checkTeacher(teacher, {
        picture,
        sizesPx: options.size,
        device: options.device,
        isNamed: names.includes(teacher.given),
      }),
    );
  if (options.json) printJson(documentOf(picture, checks));
  else process.stdout.write(textOf(picture, checks));
  const trouble = troubleIn(checks);
  if (trouble !== null) throw trouble;
}

function documentOf({ source, pixels }: CheckPicture, teachers: readonly TeacherCheck[]): Json {
  return {
    picture: { source, widthPx: pixels.widthPx, heightPx: pixels.heightPx },
    teachers: teachers as unknown as Json,
  };
}

function textOf({ source, pixels }: CheckPicture, checks: readonly TeacherCheck[]): string {
  const lines = [`picture: ${source}, ${pixels.widthPx} x ${pixels.heightPx} px`, ''];
  lines.push(
    textTable(
      ['teacher', 'licence', 'engine', 'provider', 'precision', 'weights', 'verdict'],
      checks.map(({ teacher, licence, runtime, weights, verdict, reason }) => [
        teacher,
        licence.permissive ? licence.spdx : `${licence.spdx} !`,
        runtime && `${runtime.engine} ${runtime.version}`,
        runtime && runtime.provider,
        runtime && runtime.precision,
        weights.sha256 && weights.sha256.slice(0, 16),
        reason === null ? verdict : `${verdict}: ${reason}`,
      ]),
    ),
  );
  const taps = checks.flatMap(tapRows);
  const header = [
    'teacher',
    'px',
    'tap',
    'shape',
    'dtype',
    'grid',
    'min',
    'max',
    'mean',
    'std',
    'NaN',
    'inf',
    'ms/image',
  ];
  if (taps.length > 0) lines.push('', textTable(header, taps));
  return `${lines.join('\n')}\n`;
}

/** The engine call gives both taps: its time stands at the first. */
function tapRows({ teacher, sizes }: TeacherCheck): Cell[][] {
  return sizes.flatMap(({ sizePx, taps, engineMs }) =>
    taps.map((tap, i) => [
      teacher,
      sizePx,
      tap.kind,
      tap.shape.join('x'),
      tap.dtype,
      tap.grid && `${tap.grid.rows}x${tap.grid.columns} of ${tap.grid.cellPx} px`,
      tap.min,
      tap.max,
      tap.mean,
      tap.std,
      tap.nan,
      tap.infinite,
      i === 0 ? engineMs : null,
    ]),
  );
}
