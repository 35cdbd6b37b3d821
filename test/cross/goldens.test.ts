// The committed goldens are what PyTorch, transformers, Pillow and numpy make, byte for byte. Skipped, and said so, where Python lacks them or
// has other versions than the goldens were made with.
import { spawnSync } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { tempFolder } from '../support/temp-folder.ts';

const PYTHON = process.env['STILLHOUSE_PYTHON'] ?? 'python3';

interface Golden {
  readonly script: string;
  readonly folder: string;
  /** Whether all that is in the folder is the script's. */
  readonly ownsFolder: boolean;
  /** Has the versions under `made with`. */
  readonly versions: string;
}

const GOLDENS: readonly Golden[] = [
  { script: 'make_families.py', folder: 'teachers', ownsFolder: true, versions: 'teachers/pixels.json' },
  { script: 'make_resample.py', folder: 'images', ownsFolder: false, versions: 'images/resample.json' },
  {
    script: 'make_colour.py',
    folder: 'images/colour',
    ownsFolder: true,
    versions: 'images/colour/made-with.json',
  },
  { script: 'make_half.py', folder: 'half', ownsFolder: true, versions: 'half/numpy.json' },
];

function madeWith({ versions }: Golden): Readonly<Record<string, string>> {
  const json = JSON.parse(readFileSync(join('test/golden', versions), 'utf8')) as {
    'made with': Record<string, string>;
  };
  return json['made with'];
}

/** Null when this Python has the very versions. */
function lack(golden: Golden): string | null {
  for (const [name, wanted] of Object.entries(madeWith(golden))) {
    const code =
      name === 'littlecms'
        ? "import PIL.features; print(PIL.features.version('littlecms2'))"
        : `import ${name}; print(${name}.__version__)`;
    const { status, stdout } = spawnSync(PYTHON, ['-c', code], { encoding: 'utf8' });
    const got = status === 0 ? stdout.trim() : 'none';
    if (got !== wanted) return `${PYTHON} has ${name} ${got}, they were made with ${wanted}`;
  }
  return null;
}

function filesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((one) => one.isFile())
    .map((one) => join(one.parentPath, one.name).slice(folder.length + 1))
    .sort();
}

describe.each(GOLDENS)('$script', (golden) => {
  const reason = lack(golden);
  if (reason !== null) console.error(`skipped, not passed: ${golden.script} (${reason})`);

  it.skipIf(reason !== null)('makes the committed goldens again, byte for byte', async () => {
    const made = await tempFolder();
    const ran = spawnSync(PYTHON, [join('test/cross/goldens', golden.script), made], { encoding: 'utf8' });
    expect(ran.status, ran.stderr).toBe(0);
    const [here, there] = [join('test/golden', golden.folder), join(made, golden.folder)];
    const files = filesIn(there);
    expect(files.length).toBeGreaterThan(0);
    expect(filesIn(here)).toEqual(golden.ownsFolder ? files : expect.arrayContaining(files));
    const other = files.filter(
      (name) => Buffer.compare(readFileSync(join(here, name)), readFileSync(join(there, name))) !== 0,
    );
    expect(other).toEqual([]);
  });
});
