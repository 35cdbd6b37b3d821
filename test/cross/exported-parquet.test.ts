// Exported Parquet, read by DuckDB and by Hugging Face datasets with no code of ours. Skipped, and said so, where Python lacks them.
import { spawnSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openCatalogue } from '../../src/cache/catalogue.ts';
import { exportTargets } from '../../src/cache/export.ts';
import { codedLabel } from '../../src/cache/space.ts';
import { nodeFs } from '../../src/store/commit-fs.ts';
import { contentOf, engine, fill, group, images } from '../cache/rig.ts';
import { PYTHON, lacksPython } from '../support/moto-server.ts';
import { tempFolder } from '../support/temp-folder.ts';

const DUCKDB = `
import duckdb, json, sys
rows = duckdb.sql(f"select key || view as id, payload from read_parquet('{sys.argv[1]}/*.parquet') order by id").fetchall()
kind = duckdb.sql(f"describe select payload from read_parquet('{sys.argv[1]}/*.parquet')").fetchall()[0][1]
count = duckdb.sql(f"select count(*) from read_parquet('{sys.argv[1]}/*.parquet')").fetchall()[0][0]
print(json.dumps({"rows": rows, "kind": kind, "count": count}))
`;
const DATASETS = `
import datasets, json, sys
datasets.disable_progress_bars()
found = datasets.load_dataset("parquet", data_files=f"{sys.argv[1]}/*.parquet", split="train", cache_dir=sys.argv[2])
rows = sorted([[r["key"] + r["view"], r["payload"]] for r in found])
print(json.dumps({"rows": rows, "kind": str(found.features["payload"]), "count": len(found)}))
`;

const READERS = [
  { name: 'DuckDB', module: 'duckdb', script: DUCKDB, kind: /^FLOAT\[\]$/ },
  { name: 'Hugging Face datasets', module: 'datasets', script: DATASETS, kind: /^(List|Sequence).*float32/ },
];

/** Two spaces of seven rows in files of three, and what the targets are. */
async function exported() {
  const root = await tempFolder();
  await fill({ root, wanted: images(7), engines: [engine(group())] });
  const folder = await tempFolder();
  const spaces = [...(await openCatalogue(root)).spaces.values()];
  await exportTargets({ spaces, folder, format: 'parquet', values: 'decoded', shardRows: 3, fs: nodeFs });
  const truth = await contentOf(root);
  return { folder, labels: spaces.map(({ descriptor }) => codedLabel(descriptor)), truth };
}

for (const { name, module, script, kind } of READERS) {
  const reason = lacksPython(module);
  if (reason !== null) console.error(`skipped, not passed: ${name} reads exported Parquet (${reason})`);
  describe.skipIf(reason !== null)(name, () => {
    it('reads each exported space as it is: keys, views, and every float', async () => {
      const { folder, labels, truth } = await exported();
      const path = join(await tempFolder(), 'read.py');
      await writeFile(path, script);
      expect(labels).toHaveLength(2);
      for (const label of labels) {
        const ran = spawnSync(PYTHON, [path, join(folder, label), await tempFolder()], {
          encoding: 'utf8',
          env: { ...process.env, HF_HUB_OFFLINE: '1', HF_DATASETS_OFFLINE: '1' },
        });
        expect(ran.status, ran.stderr).toBe(0);
        const seen = JSON.parse(ran.stdout) as { rows: [string, number[]][]; kind: string; count: number };
        const wanted = [...truth]
          .filter(([target]) => `${target.split(' ')[0]!}.f16` === label)
          .map(([target, values]) => [target.split(' ')[1]!, values])
          .sort();
        expect(seen.count).toBe(7);
        expect(seen.kind).toMatch(kind);
        expect(seen.rows).toEqual(wanted);
      }
    });
  });
}
