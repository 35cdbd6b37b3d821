/** `teachers ls` and `teachers check`: which manifests there are, and whether one fits its model. */
import type { Command } from 'commander';
import type { Json } from '../../core/canonical-json.ts';
import { wholeNumber } from '../common-options.ts';
import { printJson } from '../print-json.ts';
import { textTable } from '../table.ts';

export function addTeachersCommands(program: Command): void {
  const teachers = program.command('teachers').description('the teacher manifests');
  teachers
    .command('ls')
    .description('name, engine, licence, sizes, where the weights come from')
    .option('--json', 'one JSON document on stdout', false)
    .action(async (options: { json: boolean }) => {
      const { listTeachers } = await import('../../teachers/registry.ts');
      const all = await listTeachers();
      if (options.json) printJson(all as unknown as Json);
      else
        process.stdout.write(
          `${textTable(
            ['teacher', 'engine', 'licence', 'sizes px', 'summary', 'spatial', 'weights'],
            all.map((t) => [t.name, t.engine, t.licence, t.sizes, t.summary, t.spatial, t.weights]),
          )}\n`,
        );
    });
  teachers
    .command('check')
    .description('run one image through a teacher; print shapes, ranges and NaN counts')
    .argument('<teacher>', 'a name from `teachers ls`, or the path of a manifest')
    .option('--size <px>', 'input side', wholeNumber('--size', 1))
    .option('--image <path>', 'an image to look at (default: a grey ramp)')
    .option('--json', 'one JSON document on stdout', false)
    .action(async (name: string, options: { size?: number; image?: string; json: boolean }) => {
      const { loadTeacher } = await import('../../teachers/registry.ts');
      const { checkTeacher } = await import('../../teachers/check.ts');
      const result = await checkTeacher(await loadTeacher(name, '.'), options);
      if (options.json) printJson(result as unknown as Json);
      else
        process.stdout.write(
          `${result.teacher} at ${result.sizePx} px: ${result.engine}\n${textTable(
            ['tap', 'shape', 'min', 'max', 'mean', 'not finite'],
            result.taps.map((t) => [t.kind, t.shape.join('x'), t.min, t.max, t.mean, t.nonFinite]),
          )}\n`,
        );
    });
}
