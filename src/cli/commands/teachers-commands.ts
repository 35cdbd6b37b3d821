/** `teachers ls`, `pull` and `check`. What they do is loaded when they run: {@link file://./teachers-answers.ts}. */
import type { Command } from 'commander';
import { DEVICE_HELP, deviceOption, usage } from '../common-options.ts';
import type { ProgramContext } from '../program-context.ts';
import { withWeightsOptions } from '../weights-options.ts';
import type { CheckCommandOptions } from './check-answer.ts';
import type { PullCommandOptions } from './pull-answer.ts';
import type { ListOptions } from './teachers-answers.ts';

export function addTeachersCommands(program: Command, context: ProgramContext): void {
  const teachers = program
    .command('teachers')
    .description('the teachers: what they give and cost, their weights');
  const given = 'names from `teachers ls`, paths of manifests, or folders of manifests';
  withWeightsOptions(
    teachers
      .command('ls')
      .description('licence, shapes and cost of each teacher, and where its weights are')
      .argument('[teachers...]', `${given} (default: the bundled ones)`)
      .option('--size <px,...>', 'input sides to tell the cost at', sizes)
      .option('--json', 'one JSON document on stdout', false),
  ).action(async (names: readonly string[], options: ListOptions) => {
    const { listTeachers } = await import('./teachers-answers.ts');
    await listTeachers(names, options);
  });
  withWeightsOptions(
    teachers
      .command('pull')
      .description('download the weights of teachers, once and verified; goes on where it was interrupted')
      .argument('<teachers...>', given)
      .option('--update', 'pin what the servers have now, in place of what was pinned before', false)
      .option('--dry-run', 'print what would be downloaded from where, and write nothing', false)
      .option('--json', 'one JSON document on stdout; progress stays on stderr', false)
      .addHelpText(
        'after',
        '\nEnvironment: HF_TOKEN (sent to the hub only), HF_ENDPOINT (default https://huggingface.co), STILLHOUSE_HOME',
      ),
  ).action(async (names: readonly string[], options: PullCommandOptions) => {
    const { pullTeachers } = await import('./pull-answer.ts');
    await pullTeachers(names, options, context);
  });
  withWeightsOptions(
    teachers
      .command('check')
      .description(
        'run one picture through teachers: shapes, ranges, NaN counts, time; exit code 3 when one does not fit',
      )
      .argument('[teachers...]', `${given} (default: the bundled ones whose weights are here)`)
      .option('--size <px,...>', 'input sides to check at (default: those that `teachers ls` tells)', sizes)
      .option('--image <path>', 'the picture (default: a synthetic one of 320 x 240 px)')
      .option('--device <name>', DEVICE_HELP, deviceOption, 'cpu')
      .option('--json', 'one JSON document on stdout', false),
  ).action(async (names: readonly string[], options: CheckCommandOptions) => {
    const { checkTeachers } = await import('./check-answer.ts');
    await checkTeachers(names, options);
  });
}

function sizes(text: string): number[] {
  const found = text.split(',').map(Number);
  if (found.every((px) => Number.isSafeInteger(px) && px > 0)) return found;
  throw usage('--size', 'whole numbers from 1, separated by commas', text);
}
