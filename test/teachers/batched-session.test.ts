import { describe, expect, it } from 'vitest';
import { BatchTuner } from '../../src/teachers/batch-tuner.ts';
import {
  type BatchedOptions,
  type TeacherNetwork,
  openBatchedSession,
} from '../../src/teachers/batched-session.ts';
import type { Clock } from '../../src/core/clock.ts';
import { failing } from '../support/failing.ts';

const VALUES = 3;

/** A network that adds up each row, with the memory for some rows only. Everything it is asked is written down. */
interface NetworkOptions {
  readonly roomFor?: number;
  readonly says?: string;
  /** What a batch of so many rows adds to every sum. */
  readonly drift?: (batch: number) => number;
}

function network(options: NetworkOptions = {}) {
  const { roomFor = Infinity, says = ORT_SAYS, drift = () => 0 } = options;
  const log: { readonly rows: number; readonly batch: number }[] = [];
  const state = { opened: 0, closed: 0, running: 0, padding: 0 };
  const open = (): Promise<TeacherNetwork> => {
    state.opened += 1;
    return Promise.resolve({
      summary: { shape: [1], rule: {}, dtype: 'float32' },
      spatial: null,
      run: async (pixels, rows, batch) => {
        expect(state.running, 'calls do not overlap').toBe(0);
        expect(pixels.buffer).toBeInstanceOf(ArrayBuffer);
        expect(pixels.length).toBe(batch * VALUES);
        state.running += 1;
        await new Promise((resolve) => setImmediate(resolve));
        state.running -= 1;
        log.push({ rows, batch });
        if (batch > roomFor) throw new Error(says);
        state.padding += pixels.subarray(rows * VALUES).reduce((sum, x) => sum + Math.abs(x), 0);
        const sums = Array.from({ length: rows }, (_, i) =>
          pixels.subarray(i * VALUES, (i + 1) * VALUES).reduce((sum, x) => sum + x, drift(batch)),
        );
        return { summary: Float32Array.from(sums), spatial: null };
      },
      close: () => {
        state.closed += 1;
        return Promise.resolve();
      },
    });
  };
  return { open, log, state };
}

/** As onnxruntime 1.30 says it. */
const ORT_SAYS =
  'Non-zero status code returned while running MatMul node. Name:"m" Status Message: /onnxruntime_src/onnxruntime/core/framework/bfc_arena.cc:359 void* onnxruntime::BFCArena::AllocateRawInternal(size_t, bool, Stream*) Failed to allocate memory for requested buffer of size 4294967296';

const session = (made: ReturnType<typeof network>, batch: number, options: Partial<BatchedOptions> = {}) =>
  openBatchedSession({
    where: 'sums at 1 px',
    sizePx: 1,
    inputValues: VALUES,
    batch,
    tuner: new BatchTuner({ first: batch, most: batch, memoryLimitBytes: Infinity }),
    open: made.open,
    proven: false,
    clock: { elapsedMs: () => 0, nowIso: () => '' },
    residentBytes: () => 0,
    stopped: () => false,
    ...options,
  });

const pixels = (rows: number): Float32Array => Float32Array.from({ length: rows * VALUES }, (_, i) => i);
const sums = (rows: number): number[] => Array.from({ length: rows }, (_, i) => 9 * i + 3);

describe('a session over a network of whole batches', () => {
  it('pads a short batch with zeros, also after a full one', async () => {
    const made = network();
    const teacher = await session(made, 4);
    await teacher.run(pixels(4), 4);
    expect([...(await teacher.run(pixels(3), 3)).summary!]).toEqual(sums(3));
    expect(made.log).toEqual([
      { rows: 4, batch: 4 },
      { rows: 3, batch: 4 },
    ]);
    expect(made.state.padding).toBe(0);
  });

  it('takes shared memory, which engines do not', async () => {
    const teacher = await session(network(), 2);
    const shared = new Float32Array(new SharedArrayBuffer(2 * VALUES * 4));
    shared.set(pixels(2));
    expect([...(await teacher.run(shared, 2)).summary!]).toEqual(sums(2));
  });

  it('answers callers one after the other', async () => {
    const teacher = await session(network(), 2);
    const answers = await Promise.all([1, 2, 1].map((rows) => teacher.run(pixels(rows), rows)));
    expect(answers.map(({ summary }) => [...summary!])).toEqual([sums(1), sums(2), sums(1)]);
  });

  it('cuts what it is given into calls of the size that its tuner says', async () => {
    const made = network();
    const tuner = new BatchTuner({ first: 1, most: 4, memoryLimitBytes: Infinity });
    const teacher = await session(made, 8, { tuner });
    expect([...(await teacher.run(pixels(8), 8)).summary!]).toEqual(sums(8));
    expect(made.log.reduce((sum, { rows }) => sum + rows, 0)).toBe(8);
    expect(made.log.map(({ batch }) => batch).slice(0, 4)).toEqual([1, 1, 2, 2]);
  });

  it('refuses other numbers of rows as a defect of the caller', async () => {
    const teacher = await session(network(), 2);
    for (const [values, rows] of [
      [3, 3],
      [1, 2],
      [0, 0],
    ] as const)
      await expect(teacher.run(pixels(values), rows)).rejects.toThrow('internal: ');
  });

  it('begins no call once it is stopped', async () => {
    const made = network();
    const teacher = await session(made, 2, { stopped: () => made.log.length >= 1 });
    await teacher.run(pixels(2), 2);
    await expect(teacher.run(pixels(2), 2)).rejects.toThrow('stopped');
    expect(made.log.length).toBe(1);
  });
});

describe('a session whose rows are proven', () => {
  it('asks for the first row of each size alone, once, and keeps the sizes at which it comes out the same', async () => {
    const made = network();
    const tuner = new BatchTuner({ first: 1, most: 4, memoryLimitBytes: Infinity });
    const teacher = await session(made, 8, { tuner, proven: true, clock: fasterWithRows() });
    for (let i = 0; i < 3; i++) expect([...(await teacher.run(pixels(8), 8)).summary!]).toEqual(sums(8));
    expect(tuner.size).toBe(4);
    // 1, 1; then 2, and its proof; then 4, and its proof
    expect(made.log.map(({ batch }) => batch).slice(0, 7)).toEqual([1, 1, 2, 1, 2, 4, 1]);
    expect(made.log.slice(7).every(({ batch }) => batch === 4)).toBe(true);
  });

  it('answers each row as it is alone where the engine gives other bits in a larger batch', async () => {
    const made = network({ drift: (batch) => (batch > 1 ? 2 ** -20 : 0) });
    const teacher = await session(made, 4, { proven: true });
    const answer = await teacher.run(pixels(4), 4);
    expect([...answer.summary!]).toEqual(sums(4));
    expect(answer.callRows).toBe(1);
    expect(made.log.map(({ batch }) => batch)).toEqual([4, 1, 1, 1, 1, 1]);
  });
});

/** A clock for an engine whose every call takes one millisecond. */
function fasterWithRows(): Clock {
  let ms = 0;
  return { elapsedMs: () => ms++, nowIso: () => '' };
}

describe('a session whose engine runs out of memory', () => {
  it.each([
    ORT_SAYS,
    'Available memory of 0 is smaller than requested bytes of 1073741824',
    'std::bad_alloc',
    'CUDA failure 2: out of memory ; GPU=0 ; hostname=h ; file=/onnxruntime_src/cuda_allocator.cc',
    'CUBLAS failure 3: CUBLAS_STATUS_ALLOC_FAILED ; GPU=0',
    'vkAllocateMemory failed with VK_ERROR_OUT_OF_DEVICE_MEMORY',
    'Buffer size (4294967296) exceeds the max buffer size limit (2147483648).',
    'OOM when allocating tensor with shape[8,257,1536]',
    'Array buffer allocation failed',
  ])('halves the batch until it fits and answers every row: %s', async (says) => {
    const made = network({ roomFor: 3, says });
    const teacher = await session(made, 8);
    expect([...(await teacher.run(pixels(8), 8)).summary!]).toEqual(sums(8));
    expect(made.log.map(({ batch }) => batch)).toEqual([8, 4, 2, 2, 2, 2]);
    // what the failed engines had set aside is let go
    expect(made.state).toMatchObject({ opened: 3, closed: 2 });
    // and the size is kept: nothing fails again
    await teacher.run(pixels(8), 8);
    expect(made.log.length).toBe(10);
  });

  it('with rows already answered goes on after them', async () => {
    const made = network();
    const tuner = new BatchTuner({ first: 2, most: 2, memoryLimitBytes: Infinity });
    let full = false;
    const teacher = await session(made, 6, {
      tuner,
      open: async () => {
        const inner = await made.open();
        return {
          ...inner,
          run: (input, rows, batch) => {
            full = made.log.length >= 1 && batch > 1;
            return full ? Promise.reject(new Error('out of memory')) : inner.run(input, rows, batch);
          },
        };
      },
    });
    expect([...(await teacher.run(pixels(6), 6)).summary!]).toEqual(sums(6));
    expect(made.log.map(({ rows }) => rows)).toEqual([2, 1, 1, 1, 1]);
  });

  it('at once, when it is opened, begins with as many rows as there is memory for', async () => {
    const made = network();
    const tried: number[] = [];
    const teacher = await session(made, 8, {
      open: (batch) => {
        tried.push(batch);
        return batch > 2 ? Promise.reject(new Error(ORT_SAYS)) : made.open();
      },
    });
    expect([...(await teacher.run(pixels(8), 8)).summary!]).toEqual(sums(8));
    expect(tried).toEqual([8, 4, 2]);
    expect(made.log.map(({ batch }) => batch)).toEqual([2, 2, 2, 2]);
  });

  it('with one row says so once, as trouble of the environment, and keeps what the engine said', async () => {
    const made = network({ roomFor: 0 });
    const teacher = await session(made, 4);
    const error: unknown = await teacher.run(pixels(4), 4).catch((reason: unknown) => reason);
    expect(error).toEqual(
      failing(5, {
        what: 'a teacher needs more memory than there is',
        where: 'sums at 1 px',
        got: expect.stringContaining('Failed to allocate'),
      }),
    );
    expect(made.log.map(({ batch }) => batch)).toEqual([4, 2, 1]);
  });

  it('is told from an engine that fails for another reason: that is not tried again', async () => {
    const made = network({ roomFor: 0, says: 'Invalid rank for input: x' });
    const teacher = await session(made, 4);
    await expect(teacher.run(pixels(4), 4)).rejects.toThrow('Invalid rank');
    expect(made.log.length).toBe(1);
  });

  it('and cannot be opened again says why, and closes nothing twice; the next call tries to open it', async () => {
    const made = network({ roomFor: 3 });
    let broken = false;
    const teacher = await session(made, 4, {
      open: async () => {
        if (broken) throw new Error('the device is gone');
        const opened = await made.open();
        let isOpen = true;
        return {
          ...opened,
          close: () => {
            if (!isOpen) throw new Error('Session already disposed.');
            isOpen = false;
            return opened.close();
          },
        };
      },
    });
    broken = true;
    await expect(teacher.run(pixels(4), 4)).rejects.toThrow('the device is gone');
    expect(made.state).toMatchObject({ opened: 1, closed: 1 });
    broken = false;
    expect([...(await teacher.run(pixels(4), 4)).summary!]).toEqual(sums(4));
    broken = true;
    await teacher.close();
    await teacher.close();
    await expect(teacher.run(pixels(1), 1)).rejects.toThrow('internal: the session was closed');
    expect(made.state).toMatchObject({ opened: 2, closed: 2 });
  });

  it('and cannot be opened again can still be closed', async () => {
    const made = network({ roomFor: 3 });
    const teacher = await session(made, 4, {
      open: () => (made.state.opened === 0 ? made.open() : Promise.reject(new Error('the device is gone'))),
    });
    await expect(teacher.run(pixels(4), 4)).rejects.toThrow('the device is gone');
    await teacher.close();
    expect(made.state).toMatchObject({ opened: 1, closed: 1 });
  });
});
