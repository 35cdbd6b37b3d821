import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bindPipeline, readPipelineFile } from '../../src/run/pipeline.ts';
import { STAGES } from '../../src/stages/registry.ts';
import { failing } from '../support/failing.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { type FakeNode, fakePipeline, newScript } from './fake-stages.ts';

const idsOf = async (nodes: readonly FakeNode[]): Promise<string[]> =>
  (await fakePipeline({ script: newScript(), nodes })).nodes.map(({ id }) => id);

describe('the order of stages', () => {
  it('follows from what they read, not from their places in the file', async () => {
    expect(
      await idsOf([
        { id: 'c', from: ['a', 'b'] },
        { id: 'b', from: ['a'] },
        { id: 'a' },
        { id: 'd', from: ['c'] },
      ]),
    ).toEqual(['a', 'b', 'c', 'd']);
  });

  it('is that of the file where nothing is read', async () => {
    expect(await idsOf([{ id: 'z' }, { id: 'm' }, { id: 'a' }])).toEqual(['z', 'm', 'a']);
  });

  it('puts every stage after those it reads, for any graph without a circle', async () => {
    const graph = fc.integer({ min: 1, max: 12 }).chain((size) =>
      fc.record({
        edges: fc.array(fc.tuple(fc.nat(size - 1), fc.nat(size - 1)), { maxLength: 30 }),
        shuffle: fc.shuffledSubarray([...Array(size).keys()], { minLength: size }),
      }),
    );
    await fc.assert(
      fc.asyncProperty(graph, async ({ edges, shuffle }) => {
        const nodes = shuffle.map((i) => ({
          id: `s${i}`,
          from: [
            ...new Set(edges.filter(([to, from]) => to === i && from < i).map(([, from]) => `s${from}`)),
          ],
        }));
        const order = await idsOf(nodes);
        expect([...order].sort()).toEqual(nodes.map(({ id }) => id).sort());
        for (const { id, from } of nodes)
          for (const input of from) expect(order.indexOf(input)).toBeLessThan(order.indexOf(id));
      }),
    );
  });

  it('is refused for a circle, naming the stages in it and not those before it', async () => {
    await expect(
      idsOf([{ id: 'start' }, { id: 'a', from: ['b', 'start'] }, { id: 'b', from: ['a'] }]),
    ).rejects.toThrow(failing(3, { got: 'a circle among a, b', where: 'pipelines/fake.yaml' }));
    await expect(idsOf([{ id: 'self', from: ['self'] }])).rejects.toThrow('a circle among self');
  });

  it('is refused for two stages of one id', async () => {
    await expect(idsOf([{ id: 'a' }, { id: 'a' }])).rejects.toThrow(failing(3, { got: 'the id "a" twice' }));
  });

  it('is refused when a stage reads an id that none has, naming the nearest', async () => {
    await expect(idsOf([{ id: 'train-images' }, { id: 'audit', from: ['train-image'] }])).rejects.toThrow(
      failing(3, {
        got: '"audit" reads "train-image"',
        next: expect.stringContaining('nearest: train-images'),
      }),
    );
  });
});

describe('a pipeline file', () => {
  const read = async (text: string) => {
    const path = join(await tempFolder(), 'p.yaml');
    await writeFile(path, text);
    return bindPipeline(await readPipelineFile(path), STAGES, path);
  };
  const STAGE = '{ id: images, stage: index, with: { dataset: x } }';

  it('needs only a version, a name and stages', async () => {
    const { nodes, seed, cache } = await read(`version: 1\nname: demo\nstages: [${STAGE}]`);
    expect([nodes.map(({ id }) => id), seed, cache]).toEqual([['images'], 0, 'cache']);
  });

  it('with an unknown key at the top is told its line and the nearest key', async () => {
    await expect(read(`version: 1\nname: demo\nsede: 3\nstages: [${STAGE}]`)).rejects.toThrow(
      failing(3, { got: expect.stringMatching(/unknown key "sede", did you mean "seed"\?/) }),
    );
  });

  it('with an unknown key in a stage is told the nearest key there', async () => {
    await expect(read('version: 1\nname: demo\nstages:\n  - { id: images, stag: index }')).rejects.toThrow(
      /\/stages\/0.*\(line 4\).*unknown key "stag", did you mean "stage"\?/,
    );
  });

  it('with an unknown parameter of a stage is told which stage and the nearest parameter', async () => {
    const text =
      'version: 1\nname: demo\nstages:\n  - { id: images, stage: index, with: { dataset: x, splitt: y } }';
    await expect(read(text)).rejects.toThrow(
      failing(3, {
        where: expect.stringMatching(/p\.yaml \/stages\/0\/with$/),
        got: expect.stringContaining('unknown key "splitt", did you mean "split"?'),
      }),
    );
  });

  it('with an unknown stage is told the nearest and all there are', async () => {
    await expect(read('version: 1\nname: demo\nstages:\n  - { id: a, stage: curat }')).rejects.toThrow(
      failing(3, {
        got: 'curat',
        next: 'did you mean "curate"?',
        wanted: `one of ${Object.keys(STAGES).join(', ')}`,
      }),
    );
  });

  it.each([
    ['../up', 'name'],
    ['Demo', 'name'],
  ])('cannot be called %s: the name is a folder', async (name) => {
    await expect(read(`version: 1\nname: ${name}\nstages: [${STAGE}]`)).rejects.toThrow(/\/name.*lower-case/);
  });

  it('cannot give a stage an id that is a path', async () => {
    await expect(
      read('version: 1\nname: demo\nstages:\n  - { id: ../../x, stage: index, with: { dataset: x } }'),
    ).rejects.toThrow(/\/stages\/0\/id.*lower-case/);
  });

  it('that is missing, empty or no YAML is bad input', async () => {
    await expect(readPipelineFile('/nowhere/p.yaml')).rejects.toThrow(
      failing(3, { where: '/nowhere/p.yaml' }),
    );
    await expect(read('')).rejects.toThrow(failing(3, {}));
    await expect(read('version: [1')).rejects.toThrow(failing(3, {}));
  });
});

describe('pipelines/codecs.yaml', () => {
  const rowsOf = async (name: string) => {
    const { stages } = await readPipelineFile(`pipelines/${name}.yaml`);
    return new Map(stages.map((stage) => [stage.id, stage]));
  };

  it('does before its codecs what the demo does, and trains the demo’s student', async () => {
    const [demo, codecs] = [await rowsOf('demo'), await rowsOf('codecs')];
    for (const id of ['train-images', 'eval-images', 'embed', 'audit', 'curate'])
      expect(codecs.get(id), id).toEqual(demo.get(id));
    const { dataset, cache, ...training } = demo.get('train')!.with;
    expect([dataset, cache]).toEqual(['curate', 'cache']);
    for (const codec of ['f32', 'f16', 'i8p', 'i4p'])
      expect(codecs.get(`train-${codec}`)!.with, codec).toMatchObject(training);
  });
});
