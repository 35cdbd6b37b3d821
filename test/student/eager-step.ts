/** The training step run by tensorflow.js itself: the reference that the compiled one is held against. */
import * as tf from '@tensorflow/tfjs';
import type { StudentConfig } from '../../src/student/student-config.ts';
import { buildTrainStep } from '../../src/student/train-step.ts';
import type { RunnableStep } from '../../src/student/trainer.ts';

export function eagerStep(config: StudentConfig, initial: ReadonlyMap<string, Float32Array>): RunnableStep {
  const built = buildTrainStep(config);
  for (const variable of built.variables)
    tf.tidy(() => variable.assign(tf.tensor(initial.get(variable.name)!, variable.shape)));
  return {
    run: (feeds) =>
      Promise.resolve(
        tf.tidy(() => {
          const inputs = Object.fromEntries(
            Object.entries(built.inputs).map(([name, { shape }]) => [
              name,
              tf.tensor(feeds[name] as Float32Array, [...shape]),
            ]),
          );
          return Object.fromEntries(
            Object.entries(built.step(inputs)).map(([name, value]) => [
              name,
              value.dataSync() as Float32Array,
            ]),
          );
        }),
      ),
    state: () =>
      new Map(built.variables.map((variable) => [variable.name, variable.dataSync() as Float32Array])),
    close: () => Promise.resolve(built.dispose()),
  };
}
