import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { expect, it, onTestFinished } from 'vitest';
import { inlineHost } from '../../src/teachers/engine-host.ts';
import { loadTeacher } from '../../src/teachers/registry.ts';
import { failing } from '../support/failing.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { enlarged, tinyManifest, tinyOnnx } from '../support/tiny-teacher.ts';

it('teachers that fit one by one are refused where together they take more memory than they may use', async () => {
  const folder = await tempFolder();
  const onnx = enlarged(tinyOnnx(), 1_000_000);
  const [a, b, c] = await Promise.all(
    ['a', 'b', 'c'].map(async (name) => {
      await writeFile(join(folder, `${name}.onnx`), onnx);
      await writeFile(join(folder, `${name}.yaml`), stringify(tinyManifest(onnx, name)));
      return loadTeacher(`${name}.yaml`, { baseFolder: folder });
    }),
  );
  const host = inlineHost({ device: 'cpu', threads: 1, memoryLimitBytes: 2_500_000 });
  onTestFinished(() => host.close());
  await host.open({ teacher: a!, sizePx: 16, batch: 1 });
  // what does not open holds nothing
  await expect(host.open({ teacher: a!, sizePx: 15, batch: 1 })).rejects.toThrow(
    failing(3, { got: '15 px' }),
  );
  await host.open({ teacher: b!, sizePx: 16, batch: 1 });
  const got = `${((3 * onnx.length) / 1e6).toFixed(3)} MB`;
  const wanted = expect.stringContaining('2.500 MB');
  await expect(host.open({ teacher: c!, sizePx: 16, batch: 1 })).rejects.toThrow(
    failing(5, { where: 'a, b, c', wanted, got }),
  );
  // every size has its own copy
  await expect(host.open({ teacher: a!, sizePx: 32, batch: 1 })).rejects.toThrow(
    failing(5, { where: 'a, b', wanted, got }),
  );
});
