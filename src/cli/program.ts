/** The verbs of design.md §5 as one commander program. Each file below `commands/` adds its own. */
import { Command } from 'commander';
import { STILLHOUSE_VERSION } from '../core/version.ts';
import type { ProgramContext } from './program-context.ts';
import { addCacheCommands } from './commands/cache-commands.ts';
import { addCurateCommand } from './commands/curate-command.ts';
import { addExportCommand } from './commands/export-command.ts';
import { addInspectCommand } from './commands/inspect-command.ts';
import { addPipelineCommands } from './commands/pipeline-commands.ts';
import { addLoaderCommands } from './commands/loader-command.ts';
import { addStreamCommand } from './commands/stream-command.ts';
import { addTeachersCommands } from './commands/teachers-commands.ts';

export function buildProgram(context: ProgramContext): Command {
  const program = new Command('stillhouse')
    .description('Audit overlap, curate with reasons, cache teacher targets once, distil one small student.')
    .version(STILLHOUSE_VERSION)
    .exitOverride()
    .showHelpAfterError('(add --help for the options)')
    .addHelpText(
      'after',
      '\nExamples:\n' +
        '  stillhouse audit --train photos/train --eval photos/eval\n' +
        '  stillhouse cache --data photos/train --teacher nanodet@160,224 --views 2\n' +
        '  stillhouse run pipelines/demo.yaml\n' +
        '\nExit codes: 0 done, 1 a gate said no, 2 usage, 3 bad input, 4 integrity, 5 environment, 70 defect, 130 interrupted',
    );
  addPipelineCommands(program, context);
  addCurateCommand(program, context);
  addCacheCommands(program, context);
  addExportCommand(program);
  addTeachersCommands(program, context);
  addStreamCommand(program, context);
  addLoaderCommands(program);
  addInspectCommand(program);
  return program;
}
