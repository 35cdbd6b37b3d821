/**
 * A network that takes whole batches, as a session that takes any number of rows: cuts them into calls of the size that suits the
 * engine, pads the last one, and goes on with half the size when memory runs out.
 */
import type { Clock } from '../core/clock.ts';
import type { BatchTuner } from './batch-tuner.ts';
import { isOutOfMemory, outOfMemory } from './out-of-memory.ts';
import type { TapShape, TeacherAnswer, TeacherSession } from './teacher.ts';

/** What an engine makes of a teacher at one input size. */
export interface TeacherNetwork {
  readonly summary: TapShape | null;
  readonly spatial: TapShape | null;
  /**
   * One engine call.
   * @param pixels [batch, ...] float32, the network's own until the call settles; never shared memory
   * @param rows of the batch that are asked for; the others are padding
   */
  run(pixels: Float32Array, rows: number, batch: number): Promise<NetworkAnswer>;
  close(): Promise<void>;
}

export type NetworkAnswer = Pick<TeacherAnswer, 'summary' | 'spatial'>;

export interface BatchedOptions {
  /** Named in messages: `dinov2-small at 224 px`. */
  readonly where: string;
  readonly sizePx: number;
  readonly inputValues: number;
  /** Rows that a caller may hand over at once. */
  readonly batch: number;
  readonly tuner: BatchTuner;
  /**
   * A network whose first call has `batch` rows. Called again after memory ran out: a new engine does not hold what the old one had
   * set aside.
   */
  readonly open: (batch: number) => Promise<TeacherNetwork>;
  /**
   * Whether the first row of the first call of each size is asked for again alone and has to come out the same, bit for bit; where
   * it does not, each row is asked for alone.
   */
  readonly proven: boolean;
  readonly clock: Clock;
  readonly residentBytes: () => number;
  /** Asked before every engine call; a stopped session rejects. */
  readonly stopped: () => boolean;
}

/** @throws StillhouseError environment when memory does not even suffice for the fewest rows, here and in `run` */
export async function openBatchedSession(options: BatchedOptions): Promise<TeacherSession> {
  const { sizePx, batch, inputValues } = options;
  const calls = await BatchedCalls.open(options);
  const { summary, spatial } = calls;
  let last: Promise<unknown> = Promise.resolve();
  /** One caller after the other: an engine's calls do not overlap, and they share one input buffer. */
  const inLine = <T>(work: () => Promise<T>): Promise<T> => {
    const result = last.then(work);
    last = result.catch(() => undefined);
    return result;
  };
  return {
    sizePx,
    batch,
    inputValues,
    lanes: 1,
    summary,
    spatial,
    run: async (pixels, rows) => {
      if (rows < 1 || rows > batch || pixels.length !== rows * inputValues)
        throw new Error(`internal: ${rows} rows of ${pixels.length} values for a batch of ${batch}`);
      return inLine(() => calls.answer(pixels, rows));
    },
    close: () => inLine(() => calls.close()),
  };
}

class BatchedCalls {
  readonly #options: BatchedOptions;
  #input = new Float32Array(0);
  /** Sizes at which a row came out as it does alone. */
  readonly #proven = new Set([1]);
  readonly summary: TapShape | null;
  readonly spatial: TapShape | null;
  /** Null while none is open: after memory ran out, and at the end. */
  #network: TeacherNetwork | null;
  #isClosed = false;

  static async open(options: BatchedOptions): Promise<BatchedCalls> {
    return new BatchedCalls(options, await openFitting(options));
  }

  private constructor(options: BatchedOptions, network: TeacherNetwork) {
    this.#options = options;
    this.#network = network;
    this.summary = network.summary;
    this.spatial = network.spatial;
  }

  async answer(pixels: Float32Array, rows: number): Promise<TeacherAnswer> {
    const { clock, tuner, residentBytes, inputValues, stopped } = this.#options;
    const started = clock.elapsedMs();
    const answers: NetworkAnswer[] = [];
    for (let done = 0; done < rows;) {
      if (stopped()) throw new Error('internal: the engine was stopped');
      const network = await this.#opened();
      const batch = tuner.size;
      const count = Math.min(batch, rows - done);
      const asked = pixels.subarray(done * inputValues, (done + count) * inputValues);
      const callStarted = clock.elapsedMs();
      try {
        const answer = await network.run(this.#inputOf(asked, batch), count, batch);
        const elapsedMs = clock.elapsedMs() - callStarted;
        if (!(await this.#isProven(network, { answer, asked, batch, count }))) {
          tuner.settle(1);
          continue;
        }
        answers.push(answer);
        tuner.record({ rows: count, elapsedMs, residentBytes: residentBytes() });
      } catch (error) {
        await this.#shrink(error);
        continue;
      }
      done += count;
    }
    const { summary, spatial } = joined(answers);
    return { summary, spatial, engineMs: clock.elapsedMs() - started, callRows: tuner.size };
  }

  /** Releases what is open. A second call does nothing. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#release();
  }

  /** A copy: pixels may be shared memory, which engines do not take. The rows after them are zeros. */
  #inputOf(pixels: Float32Array, batch: number): Float32Array {
    const values = batch * this.#options.inputValues;
    if (this.#input.length !== values) this.#input = new Float32Array(values);
    this.#input.set(pixels);
    this.#input.fill(0, pixels.length);
    return this.#input;
  }

  async #isProven(
    network: TeacherNetwork,
    call: {
      readonly answer: NetworkAnswer;
      readonly asked: Float32Array;
      readonly batch: number;
      readonly count: number;
    },
  ): Promise<boolean> {
    const { answer, asked, batch, count } = call;
    if (!this.#options.proven || this.#proven.has(batch)) return true;
    const alone = await network.run(asked.slice(0, this.#options.inputValues), 1, 1);
    const equal = (['summary', 'spatial'] as const).every((kind) => {
      const [all, one] = [answer[kind], alone[kind]];
      return all === null || one === null || sameBits(all.subarray(0, all.length / count), one);
    });
    if (equal) this.#proven.add(batch);
    return equal;
  }

  async #shrink(error: unknown): Promise<void> {
    if (!isOutOfMemory(error)) throw error;
    const { tuner, where } = this.#options;
    if (!tuner.halve()) throw outOfMemory(where, error);
    this.#input = new Float32Array(0);
    await this.#release();
  }

  async #opened(): Promise<TeacherNetwork> {
    if (this.#isClosed) throw new Error('internal: the session was closed');
    return (this.#network ??= await openFitting(this.#options));
  }

  async #release(): Promise<void> {
    const network = this.#network;
    this.#network = null;
    await network?.close();
  }
}

/** Opens a network for as many rows as the tuner says and memory suffices for. */
async function openFitting({ open, tuner, where }: BatchedOptions): Promise<TeacherNetwork> {
  for (;;)
    try {
      return await open(tuner.size);
    } catch (error) {
      if (!isOutOfMemory(error)) throw error;
      if (!tuner.halve()) throw outOfMemory(where, error);
    }
}

/** NaN and signed zeros compare too. */
function sameBits(a: Float32Array, b: Float32Array): boolean {
  const bytesOf = ({ buffer, byteOffset, byteLength }: Float32Array): Uint8Array =>
    new Uint8Array(buffer, byteOffset, byteLength);
  return Buffer.compare(bytesOf(a), bytesOf(b)) === 0;
}

function joined(answers: readonly NetworkAnswer[]): NetworkAnswer {
  if (answers.length === 1) return answers[0]!;
  const join = (kind: 'summary' | 'spatial'): Float32Array | null => {
    const parts = answers.map((answer) => answer[kind]);
    if (parts[0] === null) return null;
    const out = new Float32Array(parts.reduce((sum, part) => sum + part!.length, 0));
    let at = 0;
    for (const part of parts) {
      out.set(part!, at);
      at += part!.length;
    }
    return out;
  };
  return { summary: join('summary'), spatial: join('spatial') };
}
