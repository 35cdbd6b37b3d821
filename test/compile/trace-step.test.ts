import * as tf from '@tensorflow/tfjs';
import { describe, expect, it } from 'vitest';
import { CompiledStep } from '../../src/compile/compiled-step.ts';
import { type TracedStep, traceStep } from '../../src/compile/trace-step.ts';
import { StillhouseError } from '../../src/core/failure.ts';
import { decodeOnnx } from '../support/decode-onnx.ts';
import { INPUTS, feedsOf, tinyVit } from './tiny-vit.ts';

tf.enableProdMode();

function valuesOf(variables: readonly tf.Variable[]): Map<string, Float32Array> {
  return new Map(variables.map((one) => [one.name, one.dataSync<'float32'>().slice()]));
}

function tensorsOf(feeds: Record<string, Float32Array | Uint8Array>): Record<string, tf.Tensor> {
  return Object.fromEntries(
    Object.entries(INPUTS).map(([name, { shape, dtype }]) => [
      name,
      tf.tensor(feeds[name]!, [...shape], dtype),
    ]),
  );
}

function opsOf(traced: TracedStep): string[] {
  return decodeOnnx(traced.onnx).graph!.node!.map((node) => node.opType ?? '');
}

function failureOf(run: () => unknown): StillhouseError {
  try {
    run();
  } catch (error) {
    if (error instanceof StillhouseError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

describe('a traced training step', () => {
  it('equals tensorflow.js on the CPU over five steps of a ViT with AdamW', async () => {
    const model = tinyVit('equal');
    const initial = valuesOf(model.variables);
    const traced = traceStep({ inputs: INPUTS, ...model });
    const compiled = await CompiledStep.create(traced, initial, { threads: 1 });
    for (let index = 1; index <= 5; index++) {
      const feeds = feedsOf(index);
      const { loss } = await compiled.run(feeds);
      const wanted = tf.tidy(() => model.step(tensorsOf(feeds))['loss']!.dataSync()[0]!);
      expect(Math.abs(loss![0]! - wanted) / Math.abs(wanted)).toBeLessThan(1e-5);
    }
    const state = compiled.state();
    for (const [name, wanted] of valuesOf(model.variables))
      for (const [i, value] of state.get(name)!.entries())
        expect(Math.abs(value - wanted[i]!), `${name}[${i}]`).toBeLessThan(1e-5);
    await compiled.close();
  });

  it('leaves the backend, the variables and the count of tensors as they were', () => {
    const model = tinyVit('untouched');
    const before = valuesOf(model.variables);
    const { numTensors, numDataBuffers } = tf.memory();
    traceStep({ inputs: INPUTS, ...model });
    expect(tf.getBackend()).toBe('cpu');
    expect(tf.memory()).toMatchObject({ numTensors, numDataBuffers });
    expect(valuesOf(model.variables)).toEqual(before);
  });

  it('holds no copy of a full-size tensor of ones and no weight', () => {
    const traced = traceStep({ inputs: INPUTS, ...tinyVit('small') });
    const initializers = decodeOnnx(traced.onnx).graph!.initializer!;
    const largest = Math.max(...initializers.map((one) => one.rawData!.length));
    expect(largest).toBeLessThanOrEqual(9 * 4 * 4 * 3); // the resizing matrix, tiled over the batch
  });

  it('passes values by host code as constants, folded to one', () => {
    const traced = traceStep({
      inputs: { x: { shape: [2], dtype: 'float32' } },
      variables: [],
      step: ({ x }) => ({ y: tf.mul(x!, tf.exp(tf.add(tf.scalar(1), tf.ones([2])))) }),
    });
    expect(opsOf(traced)).toEqual(['Mul']);
  });

  it('shares equal subexpressions and drops what no output needs', () => {
    const traced = traceStep({
      inputs: { x: { shape: [2], dtype: 'float32' } },
      variables: [],
      step: ({ x }) => {
        tf.sin(x!);
        return { y: tf.add(tf.exp(x!), tf.mul(tf.exp(tf.clone(x!)), 1)) };
      },
    });
    expect(opsOf(traced)).toEqual(['Exp', 'Add']);
    expect(traced.nodeCount).toBe(2);
  });

  it('gives a state that the step leaves alone no output, and outputs that are inputs or equal a copy', async () => {
    const kept = tf.variable(tf.tensor1d([1, 2]), false, 'alone/kept');
    const changed = tf.variable(tf.tensor1d([3, 4]), false, 'alone/changed');
    const traced = traceStep({
      inputs: { x: { shape: [2], dtype: 'float32' } },
      variables: [kept, changed],
      step: ({ x }) => {
        changed.assign(tf.add<tf.Tensor1D>(changed, kept));
        return { same: x!, first: tf.neg(x!), second: tf.neg(x!), three: tf.fill([2], 3) };
      },
    });
    expect(traced.states.map((state) => state.outputName)).toEqual([null, 'next:alone/changed']);
    const compiled = await CompiledStep.create(traced, valuesOf([kept, changed]));
    await compiled.run({ x: Float32Array.of(5, 6) });
    const outputs = await compiled.run({ x: Float32Array.of(7, 8) });
    expect(Object.fromEntries(Object.entries(outputs).map(([name, data]) => [name, [...data]]))).toEqual({
      same: [7, 8],
      first: [-7, -8],
      second: [-7, -8],
      three: [3, 3],
    });
    expect([...compiled.state().get('alone/changed')!]).toEqual([5, 8]);
    expect([...compiled.state().get('alone/kept')!]).toEqual([1, 2]);
    await compiled.close();
  });

  it('hands out copies of the state, so a later step does not change them', async () => {
    const count = tf.variable(tf.tensor1d([0]), false, 'copies/count');
    const traced = traceStep({
      inputs: {},
      variables: [count],
      step: () => {
        count.assign(tf.add<tf.Tensor1D>(count, 1));
        return { count: tf.clone(count) };
      },
    });
    const compiled = await CompiledStep.create(traced, valuesOf([count]));
    const first = (await compiled.run({}))['count']!;
    const state = compiled.state().get('copies/count')!;
    await compiled.run({});
    await compiled.run({});
    expect([first[0], state[0]]).toEqual([1, 1]);
    expect(compiled.state().get('copies/count')![0]).toBe(3);
    await compiled.close();
  });
});

describe('what a trace cannot hold is refused', () => {
  const x = { x: { shape: [2, 2], dtype: 'float32' } } as const;
  const refused = (step: (x: tf.Tensor) => tf.Tensor, variables: tf.Variable[] = []) =>
    failureOf(() => traceStep({ inputs: x, variables, step: (inputs) => ({ y: step(inputs['x']!) }) }));

  it.each([
    ['randomNormal', () => tf.randomNormal([2, 2])],
    ['randomUniform', (t: tf.Tensor) => tf.add(t, tf.randomUniform([2, 2], 0, 1, 'float32', 7))],
    ['truncatedNormal', () => tf.truncatedNormal([2, 2])],
    ['dropout', (t: tf.Tensor) => tf.dropout(t, 0.5, undefined, 3)],
    ['multinomial', () => tf.multinomial(tf.tensor1d([0.5, 0.5]), 2)],
  ])('the random operation %s', (name, step) => {
    const { failure } = refused(step);
    expect(failure.what).toBe('a random operation was called while tracing');
    expect(failure.where).toContain(name);
  });

  it('reading the value of a tensor, with the place it was read at', () => {
    const { failure } = refused((t) => {
      tf.tidy('outer', () => (tf.exp(t).dataSync()[0]! > 1 ? 1 : 0));
      return t;
    });
    expect(failure.what).toBe('the value of a tensor was read while tracing');
    expect(failure.where).toBe('after kernel call 1, in outer');
  });

  it('a variable created in the step, which is gone afterwards', () => {
    const { failure } = refused((t) => {
      tf.variable(t, true, 'refused/late');
      return t;
    });
    expect(failure).toMatchObject({ what: 'a variable was created while tracing', got: 'refused/late' });
    expect(Object.keys(tf.engine().registeredVariables)).not.toContain('refused/late');
  });

  it('a variable that is read or assigned but not declared, and keeps its value', () => {
    const variable = tf.variable(tf.tensor2d([1, 2, 3, 4], [2, 2]), true, 'refused/undeclared');
    expect(refused((t) => tf.mul(t, variable)).failure.what).toContain('used by the step but not declared');
    const { failure } = refused((t) => {
      variable.assign(t as tf.Tensor2D);
      return t;
    });
    expect(failure.what).toContain('refused/undeclared is assigned');
    expect([...variable.dataSync()]).toEqual([1, 2, 3, 4]);
  });

  it('a variable listed twice', () => {
    const variable = tf.variable(tf.zeros([1]), true, 'refused/twice');
    expect(refused((t) => t, [variable, variable]).failure.what).toContain('listed twice');
  });

  it('an output with the name of an input', () => {
    const { failure } = failureOf(() =>
      traceStep({ inputs: x, variables: [], step: ({ x }) => ({ x: x! }) }),
    );
    expect(failure.what).toContain('named x');
  });

  it('a kernel that is not covered, named with its place', () => {
    const { failure } = refused((t) => tf.tidy('loss', () => tf.acosh(t)));
    expect(failure.what).toBe('tensorflow.js kernel Acosh cannot be compiled');
    expect(failure.where).toBe('kernel call 1, in loss > acosh');
  });

  it('a form of a covered kernel that is not lowered', () => {
    expect(
      refused((t) =>
        tf.mirrorPad(
          t,
          [
            [1, 1],
            [1, 1],
          ],
          'symmetric',
        ),
      ).failure.what,
    ).toContain('MirrorPad cannot be compiled: symmetric padding');
  });

  it('and tracing works again after each failure', () => {
    refused(() => tf.randomNormal([2, 2]));
    expect(tf.getBackend()).toBe('cpu');
    expect(traceStep({ inputs: x, variables: [], step: ({ x }) => ({ y: tf.exp(x!) }) }).nodeCount).toBe(1);
  });
});

describe('a compiled step refuses', () => {
  const traced = traceStep({
    inputs: { x: { shape: [2], dtype: 'float32' } },
    variables: [tf.variable(tf.zeros([1]), false, 'feeds/state')],
    step: ({ x }) => ({ y: tf.exp(x!) }),
  });

  it('a missing or wrong initial state', async () => {
    await expect(CompiledStep.create(traced, new Map())).rejects.toThrow('state feeds/state');
    await expect(
      CompiledStep.create(traced, new Map([['feeds/state', new Float32Array(2)]])),
    ).rejects.toThrow('2 values');
  });

  it('an execution provider that is not there', async () => {
    const initial = new Map([['feeds/state', new Float32Array(1)]]);
    const created = CompiledStep.create(traced, initial, { providers: ['no-such-provider'] });
    await expect(created).rejects.toMatchObject({ failure: { kind: 'environment' } });
  });

  it('feeds that are missing, unknown, too short or of another type', async () => {
    const step = await CompiledStep.create(traced, new Map([['feeds/state', new Float32Array(1)]]));
    await expect(step.run({})).rejects.toThrow('feed x');
    await expect(step.run({ x: new Float32Array(2), z: new Float32Array(2) })).rejects.toThrow('feed z');
    await expect(step.run({ x: new Float32Array(1) })).rejects.toThrow('1 values');
    await expect(step.run({ x: new Int32Array(2) })).rejects.toThrow('feed x (float32)');
    await step.close();
  });
});
