// The README's lines that decode i8p, run by pyarrow and numpy over a derived space. Skipped, and said so, where Python lacks them.
import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openCatalogue } from '../../src/cache/catalogue.ts';
import { planDerivation } from '../../src/cache/derivation.ts';
import { deriveTargets } from '../../src/cache/derive.ts';
import { wantedRows } from '../../src/cache/plan.ts';
import { TargetReader } from '../../src/cache/read.ts';
import { spaceIdOf } from '../../src/cache/space.ts';
import { measureStatistics } from '../../src/cache/statistics/choose-statistics.ts';
import { partOf } from '../../src/cache/target-part.ts';
import { madeUpTokens } from '../cache/codecs/rig.ts';
import { fixedClock, images, openWriter, space } from '../cache/rig.ts';
import { PYTHON, lacksPython } from '../support/moto-server.ts';
import { quickFs } from '../support/quick-fs.ts';
import { tempFolder } from '../support/temp-folder.ts';

const reason = lacksPython('pyarrow', 'numpy');
if (reason !== null) console.error(`skipped, not passed: pyarrow decodes i8p (${reason})`);
const CHANNELS = 20;
const F16 = space({
  teacher: { name: 'ppocr-det', engine: 'onnx', weightsSha256: 'a'.repeat(64) },
  sizePx: 96,
  tap: { kind: 'spatial', rule: { tensor: 'y' } },
  shape: [3, 4, CHANNELS],
  codec: { id: 'f16' },
});

describe.skipIf(reason !== null)('pyarrow and numpy', () => {
  it('decode an i8p part with the lines of the README to the values that our reader gives, within 1e-3', async () => {
    const folder = await tempFolder();
    const root = join(folder, 'out', 'cache');
    const rows = wantedRows(images(10));
    const { writer } = await openWriter(root);
    const tokens = madeUpTokens({ channels: CHANNELS, tokens: 10 * 12, seed: 2 });
    await writer.commit([partOf(F16, rows, tokens)]);
    const source = (await openCatalogue(root)).spaces.get(spaceIdOf(F16))!;
    const keys = rows.map(({ key }) => key);
    const i8p = { ...F16, codec: { id: 'i8p' } } as const;
    const target = await measureStatistics({
      root,
      fs: quickFs,
      clock: fixedClock,
      space: i8p,
      source,
      keys,
    });
    const derivation = planDerivation({ space: target, source, present: undefined });
    await deriveTargets({ root, derivation, writer });
    await writer.close();

    const snippets = [...fs.readFileSync('README.md', 'utf8').matchAll(/```python\n([\s\S]*?)```/g)];
    const snippet = snippets.map((match) => match[1]!).find((text) => text.includes('i8p'))!;
    const report =
      'import json\nkeys = pa.ipc.open_file(path).read_all()["key"]\n' +
      'print(json.dumps({"keys": [k.as_py().hex() for k in keys], "shape": maps.shape, "dtype": str(maps.dtype), "values": maps.reshape(len(keys), -1).tolist()}))';
    const ran = spawnSync(PYTHON, ['-c', `${snippet}\n${report}`], { cwd: folder, encoding: 'utf8' });
    expect(ran.stderr).toBe('');
    const seen = JSON.parse(ran.stdout) as { keys: string[]; values: number[][] };
    expect(seen).toMatchObject({ shape: [10, 3, 4, CHANNELS], dtype: 'float32' });
    const reader = new TargetReader();
    const cached = (await openCatalogue(root)).spaces.get(spaceIdOf(target))!;
    const out = new Float32Array(12 * CHANNELS);
    const byImage = new Map(seen.keys.map((key, i) => [key, seen.values[i]!]));
    for (const { image, key } of rows) {
      expect(await reader.readInto(cached, key, out)).toBe(true);
      const theirs = byImage.get(image.id)!;
      out.forEach((value, i) => expect(Math.abs(theirs[i]! - value)).toBeLessThan(1e-3));
    }
    await reader.close();
  });
});
