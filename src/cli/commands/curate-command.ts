/** `curate`: makes a set that one can defend, or tells the story of one of its images. */
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { type CommonOptions, collected, needed, runName, withCommonOptions } from '../common-options.ts';
import { SET_EMBEDDINGS_FORM, setEmbeddingsOption } from '../embeddings-option.ts';
import type { ProgramContext } from '../program-context.ts';
import { TEACHER_FORM, teacherOption } from '../teacher-option.ts';
import { runLoaded } from './pipeline-commands.ts';

interface CurateOptions extends CommonOptions {
  readonly name: string;
  readonly train?: string;
  readonly eval?: readonly string[];
  readonly seeds?: string;
  readonly teacher?: readonly string[];
  readonly embeddings?: readonly string[];
  readonly policy?: string;
  readonly explain?: string;
}

export function addCurateCommand(program: Command, context: ProgramContext): void {
  const set = 'a folder of images, a .csv or .jsonl list, or a dataset .yaml';
  const command = program
    .command('curate')
    .description(
      'keep what a policy allows, one of each group of duplicates, nothing that leaks, and say why',
    )
    .option('--train <path>', `images to curate: ${set}`)
    .option(
      '--eval <path>',
      `an evaluation set that must not overlap: ${set}; may be given several times`,
      collected,
    )
    .option('--seeds <path>', `images to retrieve more of (\`retrieve\` of the policy): ${set}`)
    .option(
      `--teacher <${TEACHER_FORM}>`,
      'a teacher whose features the policy names, as level teacher:<name>@<px>',
      collected,
    )
    .option(
      `--embeddings <${SET_EMBEDDINGS_FORM}>`,
      'embeddings computed elsewhere: a file for --train, each --eval and --seeds, in this order (.parquet with keys; .npy, .safetensors in the order of names, or with <file>.keys)',
      collected,
    )
    .option('--policy <file>', 'what to keep (.yaml), see manifests/policies/curate.yaml')
    .option(
      '--explain <image>',
      'tell why an image of the run --name was kept or not: path, id, or their parts',
    )
    .option('--name <name>', 'name of the run folder', runName, 'curate');
  withCommonOptions(command).action(async (options: CurateOptions) => {
    if (options.explain !== undefined) {
      const { explainImage } = await import('./curate-explain.ts');
      await explainImage(options.explain, {
        folder: join(resolve(options.out), options.name),
        json: options.json,
      });
      return;
    }
    await runLoaded({
      file: await pipelineOf(options),
      path: join(resolve('.'), 'curate options'),
      options,
      ...context,
    });
  });
}

async function pipelineOf(options: CurateOptions) {
  if (options.train === undefined) throw needed('curate', '--train <path>');
  const { readCheckedYaml } = await import('../../format/checked-yaml.ts');
  const { curatePolicyFileSchema, curatePolicySchema } = await import('../../curate/policy.ts');
  const { curatePipeline } = await import('../../stages/curate-pipeline.ts');
  const policy =
    options.policy === undefined
      ? curatePolicySchema.parse({})
      : await readCheckedYaml(resolve(options.policy), {
          schema: curatePolicyFileSchema,
          noun: 'curation policy',
          kind: 'usage',
        });
  return curatePipeline({
    name: options.name,
    seed: options.seed ?? 0,
    train: options.train,
    evaluations: options.eval ?? [],
    ...(options.seeds === undefined ? {} : { seeds: options.seeds }),
    teachers: (options.teacher ?? []).map(teacherOption),
    embeddingsOf: (sets) => (options.embeddings ?? []).map((text) => setEmbeddingsOption(text, sets)),
    policy,
  });
}
