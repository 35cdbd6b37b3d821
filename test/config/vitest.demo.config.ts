import { defineConfig } from 'vitest/config';

// The demo pipeline itself, several times: about ten minutes on two cores.
export default defineConfig({
  test: {
    root: new URL('../..', import.meta.url).pathname,
    include: ['test/demo/**/*.test.ts'],
    testTimeout: 900_000,
    hookTimeout: 900_000,
    pool: 'forks',
    fileParallelism: false,
    reporters: ['default', ['json', { outputFile: 'out/demo-results.json' }]],
  },
});
