import { join } from 'node:path';
import { beforeAll, afterAll } from 'vitest';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { openTeacher } from '../../src/teachers/open-teacher.ts';
import { loadTeacher } from '../../src/teachers/registry.ts';
import { teacherContract } from '../support/teacher-contract.ts';
import { writeTinyTeacher } from '../support/tiny-teacher.ts';

const folder = mkdtempSync(join(tmpdir(), 'stillhouse-contract-'));
beforeAll(() => writeTinyTeacher(folder));
afterAll(() => rmSync(folder, { recursive: true }));

for (const [name, sizePx] of [
  ['ppocr-det', 64],
  ['nanodet', 64],
  [join(folder, 'tiny.yaml'), 16],
] as const)
  teacherContract({
    name: name.endsWith('.yaml') ? 'a tiny ONNX teacher' : name,
    values: 3 * sizePx * sizePx,
    open: async (batch) =>
      openTeacher(
        await loadTeacher(name, { baseFolder: '.' }),
        { sizePx, batch },
        { device: 'cpu', threads: 0 },
      ),
  });
