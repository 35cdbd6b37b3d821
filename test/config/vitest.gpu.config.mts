import { defineConfig } from 'vitest/config';
import { findVulkan } from '../gpu/vulkan.ts';

// Teachers on GPUs. WebGPU also runs on a Vulkan driver in software, which has to be there when a process starts: the workers
// inherit this environment. A device that cannot run here is reported as skipped, with the reason.
const vulkan = findVulkan(process.env);
Object.assign(process.env, vulkan.env, { STILLHOUSE_TEST_VULKAN: vulkan.text });

export default defineConfig({
  test: {
    root: new URL('../..', import.meta.url).pathname,
    include: ['test/gpu/**/*.test.ts'],
    testTimeout: 300_000,
    hookTimeout: 300_000,
    pool: 'forks',
    maxWorkers: 1,
    reporters: ['verbose', ['json', { outputFile: 'out/gpu-results.json' }]],
  },
});
