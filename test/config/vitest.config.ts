import { defineConfig } from 'vitest/config';

// The seed of property tests is fixed and printed; `make laws SEED=random` hunts with others.
export default defineConfig({
  test: {
    root: new URL('../..', import.meta.url).pathname,
    include: ['test/**/*.test.ts'],
    exclude: ['test/{fault,cross,bench,browser,gpu,demo}/**', 'node_modules/**'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    pool: 'forks',
    // tests start processes of their own, which wait for files more than they compute: one worker leaves a core idle
    maxWorkers: 2,
    setupFiles: ['test/support/setup.ts'],
    reporters: ['default', ['json', { outputFile: 'out/test-results.json' }]],
  },
});
