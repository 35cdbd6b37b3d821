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
    setupFiles: ['test/support/setup.ts'],
    reporters: ['default', ['json', { outputFile: 'out/test-results.json' }]],
  },
});
