import { readFile, readdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { merkleRoot, sha256 } from '../../src/core/digest.ts';
import { imageId } from '../../src/core/ids.ts';
import {
  datasetHeaderSchema,
  placesOf,
  readDataset,
  readDatasetHeader,
  relocatedHeader,
  writeDataset,
} from '../../src/images/dataset-manifest.ts';
import type { ImageRow } from '../../src/images/image-row.ts';
import { tempFolder } from './tiny-images.ts';
import { publishedSchema } from './published-schema.ts';

const header = datasetHeaderSchema.parse({
  version: 1,
  name: 'toy',
  source: { kind: 'folder' },
  licence: 'CC0-1.0',
  split: 'train',
});

const row = (i: number): ImageRow => ({
  id: imageId(sha256(`${i}`)),
  uri: `a%20${i}.png`,
  name: `"${i}"\n<script>`,
  sizeBytes: 2 ** 33 + i,
  width: 64,
  height: 48,
  format: 'png',
  label: i % 2 === 0 ? null : 'c\u00e4t',
  split: 'train',
  group: null,
  source: 'toy',
  licence: 'CC0-1.0',
});
const rows = Array.from({ length: 20 }, (_, i) => row(i));

describe('the shipped dataset headers', () => {
  it('fit the schema, and those of a whole package are named like their files', async () => {
    const names = await readdir('manifests/datasets');
    expect(names).toEqual(expect.arrayContaining(['emoji-google.yaml', 'emoji-twitter.yaml']));
    for (const name of names) {
      const read = await readDatasetHeader(join('manifests/datasets', name));
      if (name.startsWith('emoji-')) expect(`${read.name}.yaml`).toBe(name);
    }
  });

  it('are published as JSON Schema', async () => {
    await expect(await publishedSchema(datasetHeaderSchema)).toMatchFileSnapshot(
      '../../manifests/schema/dataset.schema.json',
    );
  });
});

describe('a dataset header', () => {
  const refused = async (text: string) => {
    const folder = await tempFolder({ 'd.yaml': text });
    return readDatasetHeader(join(folder, 'd.yaml')).then(
      () => 'accepted',
      (error: unknown) => (error instanceof Error ? error.message : 'odd'),
    );
  };

  it('is refused with every finding: pointer, line and nearest key', async () => {
    const message = await refused(
      'version: 1\nname: My Set\nsource:\n  kind: folder\n  extension: [png]\nlicense: MIT\nsplit: train\n',
    );
    expect(message).toContain('dataset header has 4 mistakes');
    expect(message).toContain('/name (line 2)');
    expect(message).toContain('/source (line 5): unknown key "extension", did you mean "extensions"?');
    expect(message).toContain('unknown key "license", did you mean "licence"?');
    expect(message).toContain('/licence');
  });

  it('suggests only keys of the source kind that was named', async () => {
    const base = 'version: 1\nname: a\nlicence: MIT\nsplit: train\nsource:\n';
    expect(await refused(`${base}  kind: list\n  files: a.csv\n`)).toContain('did you mean "file"?');
    expect(await refused(`${base}  kind: emoji-datasource\n  vendor: twitter\n  variant: true\n`)).toContain(
      'did you mean "variants"?',
    );
    expect(await refused(`${base}  kind: folder\n  file: a\n`)).not.toContain('did you mean "file"?');
    expect(await refused(`${base}  kind: floder\n`)).toContain('/source/kind');
  });

  it.each([
    ['no YAML', 'a: [1', /mistake/],
    ['a key given twice', 'version: 1\nversion: 1\n', /unique/i],
    ['a list', '- 1\n', /expected object/],
    ['nothing', '', /expected object/],
  ])('is refused when it is %s', async (_, text, message) => {
    expect(await refused(text)).toMatch(message);
  });

  it('is bad input when missing', async () => {
    await expect(readDatasetHeader('/nowhere/d.yaml')).rejects.toMatchObject({
      failure: { kind: 'bad-input', got: 'ENOENT', where: '/nowhere/d.yaml' },
    });
  });

  it('means the same root from another folder', () => {
    const places = placesOf({ ...header, root: '../photos' }, '/srv/manifests/d.yaml', ['/opt']);
    expect(places).toEqual({ root: '/srv/photos', packagesFrom: ['/srv/manifests', '/opt'] });
    const moved = relocatedHeader(header, places, '/srv/out/run/index');
    expect(moved.root).toBe('../../../photos');
    expect(placesOf(moved, '/srv/out/run/index/dataset.yaml').root).toBe(places.root);
    expect(relocatedHeader(header, places, '/srv/photos').root).toBe('.');
  });
});

describe('a dataset on disk', () => {
  it('reads back as it was written', async () => {
    const folder = await tempFolder();
    const digest = await writeDataset(folder, header, rows);
    expect(digest).toBe(merkleRoot(rows.map(({ id }) => id)));
    expect(await readDataset(folder)).toEqual({ header, rows, digest });
  });

  it('may be empty', async () => {
    const folder = await tempFolder();
    const digest = await writeDataset(folder, header, []);
    expect(await readDataset(folder)).toEqual({ header, rows: [], digest });
  });

  it('has equal bytes for equal input, and a digest that only the images decide', async () => {
    const [one, two] = [await tempFolder(), await tempFolder()];
    const digest = await writeDataset(one, header, rows);
    await writeDataset(two, header, rows);
    for (const name of ['dataset.yaml', 'images.parquet']) {
      expect(Buffer.compare(await readFile(join(one, name)), await readFile(join(two, name)))).toBe(0);
    }
    const elsewhere = [...rows].reverse().map((image) => ({ ...image, uri: 'x', label: 'other' }));
    expect(await writeDataset(two, { ...header, name: 'other' }, elsewhere)).toBe(digest);
    expect(await writeDataset(two, header, rows.slice(1))).not.toBe(digest);
  });

  it.each([
    ['another count', /count: 20/, 'count: 19', 'number of images'],
    ['another digest', /digest: [0-9a-f]{8}/, 'digest: 00000000', 'digest of the dataset'],
    ['another table', /tableSha256: [0-9a-f]{8}/, 'tableSha256: 00000000', 'sha256 of the table'],
  ])('is refused when the header tells of %s', async (_, from, to, what) => {
    const folder = await tempFolder();
    await writeDataset(folder, header, rows);
    const path = join(folder, 'dataset.yaml');
    await writeFile(path, (await readFile(path, 'utf8')).replace(from, to));
    await expect(readDataset(folder)).rejects.toMatchObject({
      failure: { kind: 'integrity', what: `${what} differs from the header` },
    });
  });

  it('is refused when a byte of the table has changed or the table is gone', async () => {
    const folder = await tempFolder();
    await writeDataset(folder, header, rows);
    const path = join(folder, 'images.parquet');
    const table = await readFile(path);
    table[200]! ^= 1;
    await writeFile(path, table);
    await expect(readDataset(folder)).rejects.toMatchObject({ failure: { kind: 'integrity' } });
    await writeFile(path, table.subarray(0, 500));
    await expect(readDataset(folder)).rejects.toMatchObject({ failure: { kind: 'integrity' } });
    await expect(readDataset(resolve(folder, 'none'))).rejects.toMatchObject({
      failure: { kind: 'bad-input' },
    });
  });
});
