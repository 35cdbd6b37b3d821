import { defineConfig } from 'vitest/config';

// Tests that open a page in Chromium: CHROMIUM_PATH, or `chromium` on PATH. Without one they are reported as skipped.
export default defineConfig({
  test: {
    root: new URL('../..', import.meta.url).pathname,
    include: ['test/browser/**/*.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    pool: 'forks',
    reporters: ['default', ['json', { outputFile: 'out/browser-results.json' }]],
  },
});
