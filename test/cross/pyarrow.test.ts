// The README's Python snippet, run by pyarrow over parts that we wrote. Skipped, and said so, where Python has no pyarrow.
import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { floatFromHalf } from '../../src/core/half.ts';
import { encodePart } from '../../src/format/tensor-part.ts';
import { PYTHON, lacksPython } from '../support/moto-server.ts';

const reason = lacksPython('pyarrow', 'numpy');
if (reason !== null) console.error(`skipped, not passed: pyarrow reads parts (${reason})`);

describe.skipIf(reason !== null)('pyarrow', () => {
  it('sees shaped float16 tensors with the values that were written, through the README snippet', () => {
    const folder = fs.mkdtempSync(join(tmpdir(), 'stillhouse-pyarrow-'));
    try {
      const space = join(folder, 'out/cache/data/ppocr-det@64.spatial.f16.abc');
      fs.mkdirSync(space, { recursive: true });
      const rows = 5;
      const payload = Uint16Array.from({ length: rows * 2 * 3 * 4 }, (_, i) => 0x3c00 + i);
      fs.writeFileSync(
        join(space, 'part.arrow'),
        encodePart({
          shape: [2, 3, 4],
          dimNames: ['row', 'column', 'channel'],
          dtype: 'float16',
          rows,
          keys: Uint8Array.from({ length: rows * 32 }, (_, i) => i & 255),
          views: new Uint8Array(rows * 16),
          ok: Uint8Array.of(1, 1, 0, 1, 1),
          payload,
          metadata: {},
        }),
      );
      const readme = fs.readFileSync('README.md', 'utf8');
      const snippet = /## Read the targets from Python[\s\S]*?```python\n([\s\S]*?)```/.exec(readme)![1]!;
      const report =
        'import json\nprint(json.dumps({"keys": keys, "usable": usable.tolist(), "shape": maps.shape, "dtype": str(maps.dtype), "values": maps.astype("float64").reshape(-1).tolist()}))';
      const ran = spawnSync(PYTHON, ['-c', `${snippet}\n${report}`], { cwd: folder, encoding: 'utf8' });
      expect(ran.stderr).toBe('');
      const seen = JSON.parse(ran.stdout);
      expect(seen).toMatchObject({
        shape: [5, 2, 3, 4],
        dtype: 'float16',
        usable: [true, true, false, true, true],
      });
      expect(seen.values).toEqual(Array.from(payload, floatFromHalf));
      expect(seen.keys[0]).toBe(Buffer.from(Uint8Array.from({ length: 32 }, (_, i) => i)).toString('hex'));
    } finally {
      fs.rmSync(folder, { recursive: true, force: true });
    }
  });
});
