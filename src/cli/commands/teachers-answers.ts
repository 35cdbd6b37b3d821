/** What `teachers ls` prints. */
import type { Json } from '../../core/canonical-json.ts';
import { type TeacherLine, teacherLine } from '../../teachers/list-teachers.ts';
import { teachersOf } from '../../teachers/registry.ts';
import { bytesText } from '../bytes-text.ts';
import { printJson } from '../print-json.ts';
import { textTable } from '../table.ts';
import { type WeightsOptions, weightsPlaces } from '../weights-options.ts';

export interface ListOptions extends WeightsOptions {
  readonly size?: readonly number[];
  readonly json: boolean;
}

/** @throws StillhouseError bad-input for a name or path that leads to no manifest */
export async function listTeachers(names: readonly string[], options: ListOptions): Promise<void> {
  const places = weightsPlaces(options);
  const teachers = await teachersOf(names, { baseFolder: '.', weights: places });
  const lines: TeacherLine[] = [];
  for (const teacher of teachers) lines.push(await teacherLine(teacher, options.size));
  if (options.json) {
    printJson({ ...places, teachers: lines } as unknown as Json);
    return;
  }
  const header = ['teacher', 'licence', 'px', 'summary', 'spatial', 'per image', 'weights', 'state'];
  process.stdout.write(`${textTable(header, lines.flatMap(rowsOf))}\n`);
  if (lines.some(({ weights }) => weights.state === 'missing'))
    process.stdout.write('missing weights: `stillhouse teachers pull <teacher>`\n');
}

/** One row per size; what is the same for all sizes stands in the first. */
function rowsOf(line: TeacherLine): string[][] {
  const { name, licence, weights } = line;
  const size = weights.sizeBytes === null ? '?' : bytesText(weights.sizeBytes);
  const first = [name, licence.permissive ? licence.spdx : `${licence.spdx} !`];
  const last = [size, weights.state];
  if (line.targets.length === 0) return [[...first, '-', '-', '-', '-', ...last]];
  return line.targets.map(({ sizePx, summary, spatial, bytesPerImage }, i) => [
    ...(i === 0 ? first : ['', '']),
    String(sizePx),
    shapeText(summary),
    shapeText(spatial),
    bytesPerImage === null ? '?' : bytesText(bytesPerImage),
    ...(i === 0 ? last : ['', '']),
  ]);
}

function shapeText(shape: readonly number[] | null | undefined): string {
  return shape === undefined ? '-' : (shape?.join('x') ?? '?');
}
