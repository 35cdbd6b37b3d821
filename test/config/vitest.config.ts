import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Folders whose files start processes and take longest: begun first, so that at the end no core waits for one long file. */
const LONG_FIRST = ['/test/docs/', '/test/cli/', '/test/stages/', '/test/cache/'];

class LongFirst extends BaseSequencer {
  override sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification): number =>
      (LONG_FIRST.findIndex((folder) => moduleId.includes(folder)) + LONG_FIRST.length + 1) %
      (LONG_FIRST.length + 1);
    return Promise.resolve(
      [...files].sort((a, b) => rank(a) - rank(b) || (a.moduleId < b.moduleId ? -1 : 1)),
    );
  }
}

// The seed of property tests is fixed and printed; `make laws SEED=random` hunts with others.
export default defineConfig({
  test: {
    root: new URL('../..', import.meta.url).pathname,
    include: ['test/**/*.test.ts'],
    exclude: ['test/{fault,cross,bench,browser,gpu,demo}/**', 'node_modules/**'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    pool: 'forks',
    // loading the same modules again for each file took a third of the CPU time; who mocks one resets them
    isolate: false,
    // tests start processes of their own, which wait for files more than they compute: one worker leaves a core idle
    maxWorkers: 2,
    sequence: { sequencer: LongFirst },
    setupFiles: ['test/support/setup.ts'],
    reporters: ['default', ['json', { outputFile: 'out/test-results.json' }]],
  },
});
