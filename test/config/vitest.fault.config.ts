import { defineConfig } from 'vitest/config';

// Processes killed at random points and bytes damaged at random places, both seeded: about six minutes.
export default defineConfig({
  test: {
    root: new URL('../..', import.meta.url).pathname,
    include: ['test/fault/**/*.test.ts'],
    testTimeout: 300_000,
    hookTimeout: 60_000,
    pool: 'forks',
    fileParallelism: false,
    setupFiles: ['test/support/setup.ts'],
    reporters: ['default', ['json', { outputFile: 'out/fault-results.json' }]],
  },
});
