/**
 * A stage as a value: what it reads, a pure plan, one place of effects, and a balance that the engine checks.
 */
import type { z } from 'zod';
import type { Json } from '../core/canonical-json.ts';
import type { Clock } from '../core/clock.ts';
import type { FileDigests } from '../core/file-digests.ts';
import type { Digest } from '../core/ids.ts';
import { parseStrictly } from '../core/strict-parse.ts';
import type { CommitFs } from '../store/commit-fs.ts';
import type { StageEvents } from './events.ts';

/** One declared output. `digest` names the content, not the path: two runs with equal digests are interchangeable. */
export interface StageOutput {
  readonly name: string;
  /** Relative to the stage's folder, also for things kept outside the run (cache parts). */
  readonly path: string;
  readonly digest: Digest;
  /** Files that must still be there, with these sizes, for the output to count as present. Defaults to `path` alone. */
  readonly files: readonly { readonly path: string; readonly sizeBytes: number }[];
}

/** What a stage says when it is done. The engine refuses an outcome whose `seen` is not `kept` plus every rejection. */
export interface Outcome {
  readonly seen: number;
  readonly kept: number;
  readonly rejected: Readonly<Record<string, number>>;
  readonly outputs: readonly StageOutput[];
  /** Figures for summary.json and the report. Must not hold times or paths of the machine. */
  readonly facts: Json;
  /** Times and loads of this run on this machine, for people. Nothing is compared or computed with them. */
  readonly measured?: Json | undefined;
}

export interface StageContext {
  /** The stage's own folder; everything it writes lies below it or below the cache root. */
  readonly folder: string;
  /** For state that lets a killed stage go on (checkpoints): one per fingerprint, removed when the stage is done. */
  readonly workFolder: string;
  /** Relative paths in parameters start here: the folder of the pipeline file. */
  readonly baseFolder: string;
  /** Where targets live; shared by runs. */
  readonly cacheRoot: string;
  /** What the cache is read and written with. */
  readonly cacheFs: CommitFs;
  /** Store and lock file of pulled weights; the user's own when left out. */
  readonly weights?: { readonly store: string; readonly lock: string } | undefined;
  /** Digests of files outside the run, each hashed once in it. */
  readonly digests: FileDigests;
  readonly seed: number;
  readonly device: string;
  readonly workers: number;
  /** Engines keep the process below it where they can choose. */
  readonly memoryLimitBytes: number;
  readonly clock: Clock;
  readonly events: StageEvents;
  readonly signal: AbortSignal;
}

/** A finished upstream stage as its consumers see it. */
export interface UpstreamResult {
  readonly id: string;
  /** Name of the stage that ran under this id: `index`, `cache`. */
  readonly stage: string;
  readonly folder: string;
  readonly outcome: Outcome;
}

export interface Stage<Params = unknown, Plan = unknown> {
  readonly name: string;
  /** Raised whenever the code would give other output for the same inputs. Part of the fingerprint. */
  readonly version: number;
  readonly params: z.ZodType<Params>;
  /** Ids of the stages this one reads, from its parameters. Order of execution follows from it. */
  readonly inputs: (params: Params) => readonly string[];
  /**
   * Everything outside parameters and inputs that can change the output (weights digest, decoder version). Reads files, writes
   * nothing. Its value is hashed into the fingerprint.
   */
  readonly sources: (params: Params, context: StageContext) => Promise<Json>;
  /** Pure data that says what would be done; `--dry-run` prints it. Reads, writes nothing. */
  readonly plan: (params: Params, inputs: Inputs, context: StageContext) => Promise<Plan>;
  readonly execute: (plan: Plan, context: StageContext) => Promise<Outcome>;
  /** The plan in a form fit for people and `--json`; counts, bytes, seconds, never whole tables. */
  readonly describe: (plan: Plan) => Json;
}

/** Finished upstream stages by id. */
export type Inputs = ReadonlyMap<string, UpstreamResult>;

/** A stage whose types are closed over, so that stages of different parameters fit one registry. */
export interface AnyStage {
  readonly name: string;
  readonly version: number;
  /** Checks raw parameters and binds them. @throws StillhouseError bad-input with every finding. */
  readonly bind: (raw: unknown, where: string) => BoundStage;
}

/** Stages by name, in the order in which people are told of them; each is loaded when it is asked for. */
export type StageLoaders = Readonly<Record<string, () => Promise<AnyStage>>>;

export interface BoundStage {
  readonly params: Json;
  readonly inputs: readonly string[];
  sources(context: StageContext): Promise<Json>;
  plan(inputs: Inputs, context: StageContext): Promise<BoundPlan>;
}

export interface BoundPlan {
  readonly description: Json;
  execute(context: StageContext): Promise<Outcome>;
}

export function asAnyStage<Params, Plan>(stage: Stage<Params, Plan>): AnyStage {
  return {
    name: stage.name,
    version: stage.version,
    bind: (raw, where) => {
      const params = parseStrictly(stage.params, raw, where);
      return {
        params: params as Json,
        inputs: stage.inputs(params),
        sources: (context) => stage.sources(params, context),
        plan: async (inputs, context) => {
          const plan = await stage.plan(params, inputs, context);
          return { description: stage.describe(plan), execute: (running) => stage.execute(plan, running) };
        },
      };
    },
  };
}
