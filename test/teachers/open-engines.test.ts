import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type CpuWork, cpuEnginesFor, openEngines } from '../../src/teachers/open-engines.ts';
import { openTeacher } from '../../src/teachers/open-teacher.ts';
import { loadTeacher } from '../../src/teachers/registry.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { writeTinyTeacher } from '../support/tiny-teacher.ts';

const work = fc.record({
  weightsBytes: fc.integer({ min: 0, max: 1 << 30 }),
  memoryLimitBytes: fc.oneof(fc.integer({ min: 1 << 20, max: 1 << 30 }), fc.constant(Infinity)),
  targets: fc.nat(10_000),
});

describe('engines that share the CPU', () => {
  it('are two where the work is worth it and the weights fit twice into a quarter of the memory', () => {
    const much = { weightsBytes: 100e6, memoryLimitBytes: 1e9, targets: 1000 };
    expect(cpuEnginesFor(much)).toBe(2);
    expect(cpuEnginesFor({ ...much, targets: 100 })).toBe(1);
    expect(cpuEnginesFor({ ...much, weightsBytes: 126e6 })).toBe(1);
  });

  it('never become fewer with more memory, more work or lighter teachers', () => {
    fc.assert(
      fc.property(work, work, (a: CpuWork, b: CpuWork) => {
        const easier = {
          weightsBytes: Math.min(a.weightsBytes, b.weightsBytes),
          memoryLimitBytes: Math.max(a.memoryLimitBytes, b.memoryLimitBytes),
          targets: Math.max(a.targets, b.targets),
        };
        expect(cpuEnginesFor(easier)).toBeGreaterThanOrEqual(cpuEnginesFor(a));
      }),
    );
  });

  it('answer with the bits of one that has all cores', async () => {
    const folder = await tempFolder();
    await writeTinyTeacher(folder);
    const path = join(folder, 'tiny.yaml');
    const teacher = await loadTeacher(path, { baseFolder: dirname(path) });
    const engines = openEngines({
      devices: [{ provider: 'cpu', index: null }],
      memoryLimitBytes: Infinity,
      cpuEngines: 2,
      cores: 4,
      threads: true,
    });
    onTestFinished(() => engines.close());
    const both = await engines.open({ teacher, sizePx: 16, batch: 4 });
    const alone = await openTeacher(teacher, { sizePx: 16, batch: 4 }, { device: 'cpu', threads: 0 });
    onTestFinished(() => alone.close());
    expect(both.lanes).toBe(2);
    const batches = Array.from({ length: 6 }, (_, seed) => {
      const pixels = new Float32Array(
        new SharedArrayBuffer(4 * both.inputValues * Float32Array.BYTES_PER_ELEMENT),
      );
      return pixels.map((__, i) => Math.sin(seed + i * (seed + 1)));
    });
    const answers = await Promise.all(batches.map((pixels) => both.run(pixels, 4)));
    for (const [i, pixels] of batches.entries()) {
      const { summary, spatial } = await alone.run(pixels, 4);
      expect([answers[i]!.summary, answers[i]!.spatial]).toEqual([summary, spatial]);
    }
  });
});
