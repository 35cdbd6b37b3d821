/** Verbs that run stages: `run` takes a pipeline file, the others build a small pipeline from their options. */
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import type { PipelineFile } from '../../run/pipeline.ts';
import { type AdHocOptions, type AdHocVerb, adHocPipeline } from '../../stages/ad-hoc.ts';
import { CODEC_HELP, codecChoices } from '../codec-option.ts';
import { EMBEDDINGS_FORM, embeddingsOption } from '../embeddings-option.ts';
import {
  type CommonOptions,
  collected,
  needed,
  runName,
  wholeNumber,
  withCommonOptions,
} from '../common-options.ts';
import type { ProgramContext } from '../program-context.ts';
import type { SessionInput } from '../session.ts';
import { TEACHER_FORM, teacherOption } from '../teacher-option.ts';
import type { AuditDiffOptions } from './audit-diff.ts';

interface VerbOptions extends CommonOptions {
  readonly name: string;
  readonly data?: string;
  readonly train?: string;
  readonly eval?: string;
  readonly teacher?: readonly string[];
  readonly views?: number;
  readonly steps?: number;
  readonly batch?: number | 'auto';
  readonly pixels?: readonly number[];
  readonly embeddings?: readonly string[];
  readonly policy?: string;
  readonly waivers?: string;
  readonly scores?: string;
  readonly calibrate?: boolean;
  readonly retryFailed?: boolean;
  readonly codec?: readonly string[];
}

export function addPipelineCommands(program: Command, context: ProgramContext): void {
  withCommonOptions(
    program
      .command('run')
      .description('run a pipeline file; unchanged stages are skipped')
      .argument('<pipeline.yaml>', 'the pipeline'),
  ).action(async (path: string, options: CommonOptions) => {
    const { readPipelineFile } = await import('../../run/pipeline.ts');
    await runLoaded({ file: await readPipelineFile(path), path, options, ...context });
  });

  adHoc(
    program,
    context,
    'index',
    'read a dataset: identity, size, format of every image; bad ones into the ledger',
    ['data'],
  );
  const audit = program
    .command('audit')
    .description('how far do two sets overlap, at every level of evidence');
  configureAdHoc(audit, context, 'audit', ['train', 'eval', 'teacher', 'embeddings', 'gate']);
  addAuditDiff(audit);
  adHoc(
    program,
    context,
    'train',
    'audit, curate, cache the targets, and distil the teachers into one student',
    ['train', 'eval', 'teacher', 'views', 'codec', 'steps'],
  );
  adHoc(
    program,
    context,
    'eval',
    'as train (reusing what is done), and measure the student on the evaluation set',
    ['train', 'eval', 'teacher', 'views', 'codec', 'steps'],
  );
  const cache = program.command('cache').description('compute the targets of teachers over a dataset, once');
  configureAdHoc(cache, context, 'cache', [
    'data',
    'teacher',
    'views',
    'codec',
    'pixels',
    'batch',
    'retryFailed',
  ]);
}

/** Options that `audit` has too are parsed by it, wherever they stand. */
function addAuditDiff(audit: Command): void {
  audit
    .command('diff')
    .description('what changed between two audits: images, pairs, rates, distances, verdict of the gate')
    .argument('<before>', 'the run folder of the earlier audit, such as out/audit')
    .argument('<after>', 'that of the later one')
    .option('--refuse-new', 'exit code 1 when an exact or verified copy between two sets appeared', false)
    .option('--json', 'one JSON document on stdout', false)
    .action(async (before: string, after: string, _: unknown, command: Command) => {
      const { compareAudits } = await import('./audit-diff.ts');
      await compareAudits(before, after, command.optsWithGlobals<AuditDiffOptions>());
    });
}

/** The engines take a second to load: only a run pays for them, not `--help`. */
export async function runLoaded(input: SessionInput): Promise<void> {
  const { runSession } = await import('../session.ts');
  await runSession(input);
}

type Wanted =
  | 'data'
  | 'train'
  | 'eval'
  | 'teacher'
  | 'views'
  | 'steps'
  | 'gate'
  | 'retryFailed'
  | 'codec'
  | 'batch'
  | 'pixels'
  | 'embeddings';

function adHoc(
  program: Command,
  context: ProgramContext,
  verb: AdHocVerb,
  description: string,
  wanted: readonly Wanted[],
): void {
  configureAdHoc(program.command(verb).description(description), context, verb, wanted);
}

function configureAdHoc(
  command: Command,
  context: ProgramContext,
  verb: AdHocVerb,
  wanted: readonly Wanted[],
): void {
  const set = 'a folder of images, a .csv or .jsonl list, or a dataset .yaml';
  if (wanted.includes('data')) command.option('--data <path>', set);
  if (wanted.includes('train')) command.option('--train <path>', `training images: ${set}`);
  if (wanted.includes('eval')) command.option('--eval <path>', `evaluation images: ${set}`);
  if (wanted.includes('teacher'))
    command.option(
      `--teacher <${TEACHER_FORM}>`,
      'a teacher and its input sizes, such as nanodet@160,224; @256m4 shows 4 x 4 views on one canvas',
      collected,
    );
  if (wanted.includes('embeddings'))
    command.option(
      `--embeddings <${EMBEDDINGS_FORM}>`,
      'embeddings computed elsewhere (.parquet with keys; .npy, .safetensors in the order of names, or with <file>.keys), copy: for those trained to recognise copies',
      collected,
    );
  if (wanted.includes('views'))
    command.option('--views <n>', 'views per training image, the full one first', wholeNumber('--views', 1));
  if (wanted.includes('codec')) command.option('--codec <codec>', CODEC_HELP, collected);
  if (wanted.includes('batch'))
    command.option('--batch <n>', 'images per engine call at most, or auto (default: auto)', (text) =>
      text === 'auto' ? text : wholeNumber('--batch', 1)(text),
    );
  if (wanted.includes('pixels'))
    command.option(
      '--pixels <px,...>',
      'keep what a student sees of every view at these sides as well, uint8: training then decodes no image',
      (text: string) => text.split(',').map(wholeNumber('--pixels', 1)),
    );
  if (wanted.includes('retryFailed'))
    command.option('--retry-failed', 'try targets again that failed before', false);
  if (wanted.includes('steps')) command.option('--steps <n>', 'training steps', wholeNumber('--steps', 1));
  if (wanted.includes('gate'))
    command
      .option('--scores <file>', 'per-item scores (.parquet: item, model, score): what overlap does to them')
      .option('--calibrate', 'measure recall and precision on altered copies of your own images')
      .option(
        '--policy <file>',
        'a policy (.yaml): exit code 1 when it is violated, 4 when it cannot be measured',
      )
      .option('--waivers <file>', 'pairs that a person let pass (.json)');
  // `cache` itself is where the targets lie by default
  command.option('--name <name>', 'name of the run folder', runName, verb === 'cache' ? 'targets' : verb);
  withCommonOptions(command).action(async (options: VerbOptions) => {
    await runLoaded({
      file: pipelineOf(verb, wanted, options),
      path: join(resolve('.'), `${verb} options`),
      options,
      ...context,
    });
  });
}

function pipelineOf(verb: AdHocVerb, wanted: readonly Wanted[], options: VerbOptions): PipelineFile {
  for (const name of ['data', 'train', 'eval'] as const)
    if (wanted.includes(name) && options[name] === undefined) throw needed(verb, `--${name} <path>`);
  const teachers = (options.teacher ?? []).map(teacherOption);
  const codecs = codecChoices(
    options.codec ?? [],
    teachers.map(({ name }) => name),
  );
  const adHocOptions: AdHocOptions = {
    name: options.name,
    seed: options.seed ?? 0,
    ...(options.data === undefined ? {} : { data: options.data }),
    ...(options.train === undefined ? {} : { train: options.train }),
    ...(options.eval === undefined ? {} : { evaluation: options.eval }),
    teachers: teachers.map((teacher) => {
      const codec = codecs.byTeacher.get(teacher.name);
      return codec === undefined ? teacher : { ...teacher, codec };
    }),
    ...(codecs.all === null ? {} : { codec: codecs.all }),
    views: options.views ?? 1,
    retryFailed: options.retryFailed ?? false,
    ...(options.steps === undefined ? {} : { steps: options.steps }),
    ...(options.batch === undefined ? {} : { batch: options.batch }),
    ...(options.pixels === undefined ? {} : { pixels: options.pixels }),
    embeddings: (options.embeddings ?? []).map(embeddingsOption),
    ...(options.policy === undefined ? {} : { policy: options.policy }),
    ...(options.waivers === undefined ? {} : { waivers: options.waivers }),
    ...(options.scores === undefined ? {} : { scores: options.scores }),
    ...(options.calibrate === undefined ? {} : { calibrate: options.calibrate }),
  };
  if ((verb === 'cache' || verb === 'train' || verb === 'eval') && adHocOptions.teachers.length === 0)
    throw needed(verb, `--teacher <${TEACHER_FORM}>, at least once`);
  if (verb === 'eval' && adHocOptions.teachers.every(({ mosaic }) => mosaic !== undefined))
    throw needed(verb, '--teacher without a mosaic: features of whole pictures are compared');
  return adHocPipeline(verb, adHocOptions);
}
