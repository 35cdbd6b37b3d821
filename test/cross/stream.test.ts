// The README's Python reader of `stillhouse stream`, run by pyarrow. Skipped, and said so, where Python has no pyarrow.
import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openCatalogue } from '../../src/cache/catalogue.ts';
import { floatFromHalf } from '../../src/core/half.ts';
import { placesOf, readDataset } from '../../src/images/dataset-manifest.ts';
import { FULL_VIEW } from '../../src/images/view.ts';
import { openLoader } from '../../src/loader/open-loader.ts';
import { pictureDataset } from '../../src/loader/samples.ts';
import { PYTHON, lacksPython } from '../support/moto-server.ts';

const reason = lacksPython('pyarrow', 'numpy');
if (reason !== null) console.error(`skipped, not passed: pyarrow reads a stream (${reason})`);
const MAIN = resolve('dist/cli/main.js');

describe.skipIf(reason !== null)('pyarrow', () => {
  let folder = '';
  beforeAll(() => {
    folder = fs.mkdtempSync(join(tmpdir(), 'stillhouse-stream-'));
    fs.symlinkSync(resolve('manifests'), join(folder, 'manifests'));
    const ran = spawnSync(
      process.execPath,
      [
        ...[MAIN, 'cache', '--data', 'manifests/datasets/small-google.yaml', '--teacher', 'ppocr-det@64'],
        ...['--name', 'targets'],
      ],
      { cwd: folder, encoding: 'utf8' },
    );
    expect(ran.status, ran.stderr).toBe(0);
    // `stillhouse` as it is when the package is installed
    fs.writeFileSync(join(folder, 'stillhouse'), `#!/bin/sh\nexec "${process.execPath}" "${MAIN}" "$@"\n`, {
      mode: 0o755,
    });
  });
  afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

  it('gets the batches that a loader gives here, tensor by tensor, through the README snippet', async () => {
    const readme = fs.readFileSync('README.md', 'utf8');
    const snippet = [...readme.matchAll(/```python\n([\s\S]*?)```/g)].find(([, code]) =>
      code!.includes('open_stream'),
    )![1]!;
    const script =
      `import json\nseen = []\n${snippet}        seen.append([batch["step"][0].as_py(), batch["id"][0].as_py().hex(), mask.tolist(), pixels.shape, ` +
      `pixels.reshape(-1)[:50].tolist(), str(maps.dtype), maps.shape, maps.astype("float64").reshape(-1)[:50].tolist()])\nprint(json.dumps(seen))`;
    const ran = spawnSync(PYTHON, ['-c', script], {
      cwd: folder,
      encoding: 'utf8',
      maxBuffer: 2 ** 26,
      env: { ...process.env, PATH: `${folder}:${process.env['PATH']}` },
    });
    expect([ran.status, ran.stderr]).toEqual([0, '']);
    const images = join(folder, 'out/targets/images');
    const { header, rows } = await readDataset(images);
    const loader = await openLoader({
      snapshot: await openCatalogue(join(folder, 'out/cache')),
      dataset: pictureDataset({
        name: header.name,
        samples: rows.map((image) => ({ image, view: FULL_VIEW })),
        places: placesOf(header, join(images, 'dataset.yaml'), [resolve('.')]),
      }),
      spaces: ['ppocr-det@64.spatial', 'ppocr-det@64.summary'],
      pixels: { as: 'u8', size: 64 },
      as: 'f16',
      batchSize: 8,
      seed: 0,
    });
    const wanted: unknown[] = [];
    for await (const { step, ids, pixels, teachers } of loader) {
      const { mask, spatial } = teachers['ppocr-det@64'];
      wanted.push([
        ...[step, ids[0], [...mask], pixels.shape, [...pixels.data.subarray(0, 50)]],
        ...['float16', spatial.shape, Array.from(spatial.data.subarray(0, 50), floatFromHalf)],
      ]);
    }
    await loader.close();
    expect(wanted.length).toBeGreaterThan(10);
    expect(JSON.parse(ran.stdout)).toEqual(wanted);
  });
});
