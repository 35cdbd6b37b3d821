import { defineConfig } from 'vitest/config';

// What we write, read by implementations nobody here wrote. A reader that is not installed is reported as skipped.
export default defineConfig({
  test: {
    root: new URL('../..', import.meta.url).pathname,
    include: ['test/cross/**/*.test.ts'],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    pool: 'forks',
    reporters: ['default', ['json', { outputFile: 'out/cross-results.json' }]],
  },
});
