// The audit's tables, read by pyarrow with no code of ours. Skipped, and said so, where Python has no pyarrow.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readParquet } from '../../src/format/parquet-table.ts';
import { WHOLE, smallRun, workFolder } from '../stages/small-run.ts';
import { PYTHON, lacksPython } from '../support/moto-server.ts';

const reason = lacksPython('pyarrow');
if (reason !== null) console.error(`skipped, not passed: pyarrow reads the audit's tables (${reason})`);

const READ = `
import json, sys
import pyarrow.parquet as pq
print(json.dumps({path: pq.read_table(path).to_pylist() for path in sys.argv[1:]}))
`;

const SIDES = { audit: 'audit', train: 'train-images', eval: 'eval-images' };

describe.skipIf(reason !== null)('pyarrow', () => {
  it('reads items, pairs, overlap, classes, distances and calibration, every cell as we read it', async () => {
    const folder = await workFolder({ train: 24, eval: 20 });
    const { result } = await smallRun(folder, [
      ...WHOLE.filter(({ id }) => id !== 'curate').map((stage) =>
        stage.id === 'audit'
          ? {
              ...stage,
              with: { ...stage.with, distances: { items: 20, seeds: 1, permutations: 19, bootstrap: 9 } },
            }
          : stage,
      ),
      { id: 'calibrate', stage: 'calibrate', with: { ...SIDES, queries: 6, distractors: 8 } },
    ]);
    const paths = [
      ...['items', 'pairs', 'overlap', 'classes', 'distances'].map((name) =>
        join('audit', `${name}.parquet`),
      ),
      join('calibrate', 'calibration.parquet'),
    ].map((path) => join(result.folder, path));
    const ran = spawnSync(PYTHON, ['-c', READ, ...paths], { encoding: 'utf8', maxBuffer: 2 ** 28 });
    expect(ran.stderr).toBe('');
    const theirs = JSON.parse(ran.stdout) as Record<string, Record<string, unknown>[]>;
    for (const path of paths) {
      const ours = await readParquet(path);
      expect(ours.length, path).toBeGreaterThan(0);
      const plain = ours.map((row) =>
        Object.fromEntries(
          Object.entries(row).map(([name, value]) => [
            name,
            typeof value === 'bigint' ? Number(value) : value,
          ]),
        ),
      );
      expect(theirs[path], path).toEqual(plain);
    }
  });
});
