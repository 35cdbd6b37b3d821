import { defineConfig } from 'vitest/config';

// Statistical laws over 200 seeds each: too slow for `make check`, decisive for what the audit's intervals and p-values are worth.
export default defineConfig({
  test: {
    root: new URL('../..', import.meta.url).pathname,
    include: ['test/bench/*-laws.test.ts'],
    testTimeout: 600_000,
    hookTimeout: 60_000,
    pool: 'forks',
    fileParallelism: false,
    setupFiles: ['test/support/setup.ts'],
    reporters: ['default', ['json', { outputFile: 'out/laws-results.json' }]],
  },
});
