/** What every engine promises of a teacher's session; run for each teacher that this machine has. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Rng } from '../../src/core/rng.ts';
import type { TeacherAnswer, TeacherSession } from '../../src/teachers/teacher.ts';

export interface ContractInput {
  readonly name: string;
  readonly open: (batch: number) => Promise<TeacherSession>;
  /** Values of one image as the network sees it. */
  readonly values: number;
}

const BATCH = 4;

export function teacherContract({ name, open, values }: ContractInput): void {
  describe(`${name} keeps the contract of a teacher`, () => {
    let session: TeacherSession;
    beforeAll(async () => {
      session = await open(BATCH);
    });
    afterAll(() => session.close());

    const image = (seed: number): Float32Array => {
      const rng = new Rng(seed, 'contract');
      return Float32Array.from({ length: values }, () => rng.uniform());
    };
    const ask = (...seeds: number[]): Promise<TeacherAnswer> => {
      const pixels = new Float32Array(seeds.length * values);
      seeds.forEach((seed, i) => pixels.set(image(seed), i * values));
      return session.run(pixels, seeds.length);
    };
    /** Bits of one row of both taps: NaN and signed zeros compare too. */
    const bitsOf = (answer: TeacherAnswer, rows: number, row: number): Uint8Array[] =>
      [answer.summary, answer.spatial].flatMap((all) => {
        if (all === null) return [];
        const width = all.length / rows;
        return [new Uint8Array(all.slice(row * width, (row + 1) * width).buffer)];
      });

    it('answers with the shapes it announced', async () => {
      const answer = await ask(1, 2);
      for (const kind of ['summary', 'spatial'] as const) {
        const tap = session[kind];
        const size = tap === null ? undefined : 2 * tap.shape.reduce((product, side) => product * side, 1);
        expect(answer[kind]?.length, kind).toBe(size);
      }
      expect(session.summary ?? session.spatial, 'at least one tap').not.toBeNull();
    });

    it('gives the same bits for the same pixels again', async () => {
      expect(bitsOf(await ask(1, 2, 3, 4), 4, 2)).toEqual(bitsOf(await ask(1, 2, 3, 4), 4, 2));
    });

    it('tells different images apart', async () => {
      const answer = await ask(1, 2);
      expect(bitsOf(answer, 2, 0)).not.toEqual(bitsOf(answer, 2, 1));
    });

    it('gives one image the same bits whatever its batch mates, its place and the padding', async () => {
      const alone = bitsOf(await ask(7), 1, 0);
      for (const [seeds, place] of [
        [[7, 1, 2, 3], 0],
        [[1, 2, 3, 7], 3],
        [[9, 7, 9], 1],
        [[7, 7], 1],
      ] as const)
        expect(bitsOf(await ask(...seeds), seeds.length, place), `${seeds.join()} at ${place}`).toEqual(
          alone,
        );
    });

    it('refuses more rows than a batch as a defect of the caller', async () => {
      await expect(ask(1, 2, 3, 4, 5)).rejects.toThrow('internal: 5 rows');
    });
  });
}
