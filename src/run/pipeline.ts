/** A pipeline file: YAML that names stages and their parameters. Order comes from declared inputs, not from the file. */
import { dirname, resolve } from 'node:path';
import { z } from 'zod';
import { StillhouseError } from '../core/failure.ts';
import { nearestNames } from '../core/nearest-names.ts';
import { readCheckedYaml } from '../format/checked-yaml.ts';
import type { AnyStage, BoundStage, StageLoaders } from './stage.ts';

const pipelineSchema = z.strictObject({
  version: z.literal(1),
  name: z.string().regex(/^[a-z0-9][a-z0-9-]*$/, 'lower-case letters, digits and dashes'),
  seed: z.int().min(0).default(0),
  /** Folder of the target cache; relative to the output root. */
  cache: z.string().min(1).default('cache'),
  stages: z
    .array(
      z.strictObject({
        id: z.string().regex(/^[a-z0-9][a-z0-9-]*$/, 'lower-case letters, digits and dashes'),
        stage: z.string(),
        with: z.record(z.string(), z.unknown()).default({}),
      }),
    )
    .min(1),
});

export type PipelineFile = z.infer<typeof pipelineSchema>;

export interface PipelineNode {
  readonly id: string;
  readonly stage: AnyStage;
  readonly bound: BoundStage;
}

export interface Pipeline {
  readonly name: string;
  readonly seed: number;
  readonly cache: string;
  readonly baseFolder: string;
  /** In an order in which every stage comes after those it reads. */
  readonly nodes: readonly PipelineNode[];
}

/** @throws StillhouseError bad-input naming every finding with its JSON pointer, line and nearest key. */
export function readPipelineFile(path: string): Promise<PipelineFile> {
  return readCheckedYaml(path, { schema: pipelineSchema, noun: 'pipeline file' });
}

/** Loads the code of a pipeline's stages, binds them to it and sorts them. */
export async function bindPipeline(
  file: PipelineFile,
  stages: StageLoaders,
  path: string,
): Promise<Pipeline> {
  const known = new Map(Object.entries(stages));
  const nodes: PipelineNode[] = [];
  for (const [i, { id, stage: name, with: params }] of file.stages.entries()) {
    const load = known.get(name);
    if (!load)
      throw new StillhouseError({
        kind: 'bad-input',
        what: 'a pipeline names an unknown stage',
        where: `${path} /stages/${i}/stage`,
        wanted: `one of ${[...known.keys()].join(', ')}`,
        got: name,
        next: `did you mean "${nearestNames(name, known.keys(), 1)[0] ?? ''}"?`,
      });
    const stage = await load();
    nodes.push({ id, stage, bound: stage.bind(params, `${path} /stages/${i}/with`) });
  }
  return {
    name: file.name,
    seed: file.seed,
    cache: file.cache,
    baseFolder: dirname(resolve(path)),
    nodes: sorted(nodes, path),
  };
}

function sorted(nodes: readonly PipelineNode[], path: string): PipelineNode[] {
  const ids = new Set<string>();
  for (const node of nodes) {
    if (ids.has(node.id)) throw badGraph(path, `the id "${node.id}" twice`, 'give every stage its own id');
    ids.add(node.id);
  }
  for (const node of nodes)
    for (const input of node.bound.inputs)
      if (!ids.has(input))
        throw badGraph(
          path,
          `"${node.id}" reads "${input}"`,
          `no stage has that id; nearest: ${nearestNames(input, ids).join(', ')}`,
        );
  const done = new Set<string>();
  const order: PipelineNode[] = [];
  while (order.length < nodes.length) {
    const ready = nodes.find(
      (node) => !done.has(node.id) && node.bound.inputs.every((input) => done.has(input)),
    );
    if (!ready)
      throw badGraph(
        path,
        `a circle among ${nodes
          .filter((n) => !done.has(n.id))
          .map((n) => n.id)
          .join(', ')}`,
        'break the circle',
      );
    done.add(ready.id);
    order.push(ready);
  }
  return order;
}

function badGraph(path: string, got: string, next: string): StillhouseError {
  return new StillhouseError({
    kind: 'bad-input',
    what: 'the stages of a pipeline do not form an order',
    where: path,
    got,
    next,
  });
}
