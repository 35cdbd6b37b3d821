import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openCatalogue } from '../../src/cache/catalogue.ts';
import { EXPORT_FORMATS, exportTargets } from '../../src/cache/export.ts';
import { importExport } from '../../src/cache/import-export.ts';
import { importTheia } from '../../src/cache/import-theia.ts';
import { TargetReader } from '../../src/cache/read.ts';
import { spaceIdOf } from '../../src/cache/space.ts';
import { sha256 } from '../../src/core/digest.ts';
import { type ImageId } from '../../src/core/ids.ts';
import { tarPieces } from '../../src/format/tar.ts';
import { tensorFilePieces } from '../../src/format/tensor-file.ts';
import { FULL_VIEW } from '../../src/images/view.ts';
import { failing } from '../support/failing.ts';
import { quickFs } from '../support/quick-fs.ts';
import { tempFolder } from '../support/temp-folder.ts';
import {
  LEFT_HALF,
  contentOf,
  engine,
  fill,
  group,
  image,
  images,
  keyOf,
  openWriter,
  partFor,
  space,
} from './rig.ts';

const sums = group();

async function exported(format: (typeof EXPORT_FORMATS)[number], values: 'decoded' | 'stored') {
  const root = await tempFolder();
  const spoiled = engine(sums, {
    spoil: (bytes, row) => {
      if (bytes[0]! > 200) row[0] = NaN;
    },
  });
  await fill({ root, wanted: images(11, [FULL_VIEW, LEFT_HALF]), engines: [spoiled] });
  const folder = await tempFolder();
  const { spaces } = await openCatalogue(root);
  const done = await exportTargets({
    spaces: [...spaces.values()],
    folder,
    format,
    values,
    shardRows: 8,
    fs: quickFs,
  });
  return { root, folder, done, content: await contentOf(root) };
}

const imported = async (folder: string): Promise<string> => {
  const root = await tempFolder();
  const { writer } = await openWriter(root);
  await importExport({ folder, fs: quickFs, writer, into: { root, fs: quickFs } });
  await writer.close();
  return root;
};

describe('an export', () => {
  it.each(EXPORT_FORMATS.flatMap((format) => [[format, 'decoded'] as const, [format, 'stored'] as const]))(
    'to %s with %s values, imported into an empty cache, gives the same usable targets',
    async (format, values) => {
      const { folder, done, content } = await exported(format, values);
      const usable = [...content].filter(([, target]) => target !== null);
      expect(usable.length).toBeLessThan(content.size);
      expect(done.spaces.reduce((sum, { rows }) => sum + rows, 0)).toBe(usable.length);
      expect(done.spaces.reduce((sum, { failed }) => sum + failed, 0)).toBe(content.size - usable.length);
      const again = await contentOf(await imported(folder));
      expect(new Map([...again].sort())).toEqual(new Map(usable.sort()));
    },
  );

  it.each(EXPORT_FORMATS)('to %s whose file was changed is refused', async (format) => {
    const { folder, done } = await exported(format, 'stored');
    const path = join(folder, done.files[0]!.file);
    const bytes = await readFile(path);
    bytes[bytes.length >> 1]! ^= 1;
    await writeFile(path, bytes);
    await expect(imported(folder)).rejects.toThrow(failing(4, { where: path }));
  });

  it.each(EXPORT_FORMATS)(
    'to %s keeps two spaces of one label apart, and says which is which',
    async (format) => {
      const root = await tempFolder();
      const { writer } = await openWriter(root);
      const runtime = { engine: 'none', version: '2', device: 'cpu', provider: 'cpu', precision: 'float32' };
      const both = [space(), space({ runtime })];
      await writer.commit([partFor(both[0]!, images(5)), partFor(both[1]!, images(9).slice(3))]);
      await writer.close();
      const folder = await tempFolder();
      const { spaces } = await openCatalogue(root);
      const done = await exportTargets({
        spaces: [...spaces.values()],
        folder,
        format,
        values: 'stored',
        shardRows: 4,
        fs: quickFs,
      });
      expect(new Map(done.spaces.map(({ label, rows }) => [label, rows]))).toEqual(
        new Map(both.map((one, i) => [`sums@2.summary.f16.${spaceIdOf(one)}`, i === 0 ? 5 : 6])),
      );
      const again = await openCatalogue(await imported(folder));
      for (const [id, { rows }] of spaces)
        expect([...again.spaces.get(id)!.rows.keys()].sort()).toEqual([...rows.keys()].sort());
    },
  );

  it('that is none is bad input', async () => {
    const folder = await tempFolder();
    await expect(imported(folder)).rejects.toThrow(failing(3, { where: join(folder, 'export.json') }));
  });
});

describe('feature tars of Theia', () => {
  it('become targets [H, W, C] of spaces of their own; keys without an image are told', async () => {
    const [channels, height, width] = [3, 2, 2];
    const values = Float32Array.from({ length: 12 }, (_, i) => i - 5.5);
    const bf16 = new Uint8Array(
      Uint16Array.from(new Uint32Array(values.buffer), (bits) => bits >>> 16).buffer,
    );
    const cls = new Uint8Array(Float32Array.of(1, 2, 3).buffer);
    const member = Buffer.concat(
      tensorFilePieces(
        new Map([
          ['embedding', { dtype: 'BF16', shape: [channels, height, width], bytes: bf16 }],
          ['cls_token', { dtype: 'F32', shape: [3], bytes: cls }],
        ]),
        {},
      ),
    );
    const folder = await tempFolder();
    const tar = join(folder, 'toy-000000-train.tar');
    const picture = Buffer.from('the bytes of a picture');
    const name = 'facebook_dinov2-large.safetensors';
    await writeFile(
      tar,
      Buffer.concat(
        tarPieces([
          { name: `i1.${name}`, bytes: member },
          { name: `${'deep/'.repeat(30)}inside.${name}`, bytes: member },
          { name: `${'deep/'.repeat(30)}inside.jpg`, bytes: picture },
          { name: `nobody.${name}`, bytes: member },
        ]),
      ),
    );
    const root = await tempFolder();
    const { writer } = await openWriter(root);
    const done = await importTheia({
      tars: [tar],
      imageOf: (key) => (key === 'i1' ? image(1).id : null),
      sizePx: 224,
      codec: 'f16',
      writer,
      fs: quickFs,
    });
    await writer.close();
    expect(done.unknown).toEqual(['nobody']);
    const spaces = [...(await openCatalogue(root)).spaces.values()];
    const spatial = spaces.find(({ descriptor }) => descriptor.tap.kind === 'spatial')!;
    expect(spaces.map(({ rows }) => rows.size)).toEqual([2, 2]);
    expect(spatial.descriptor).toMatchObject({
      teacher: { name: 'facebook_dinov2-large' },
      shape: [2, 2, 3],
    });
    const reader = new TargetReader();
    for (const id of [image(1).id, sha256(picture) as string as ImageId]) {
      const out = new Float32Array(12);
      expect(await reader.readInto(spatial, keyOf({ ...image(1), id }), out)).toBe(true);
      // out[(y, x), c] = embedding[c, y, x]
      expect([...out]).toEqual(
        Array.from({ length: 12 }, (_, i) => values[(i % 3) * 4 + Math.floor(i / 3)]!),
      );
    }
    await reader.close();
    await writeFile(tar, (await readFile(tar)).subarray(0, 900));
    await expect(
      importTheia({ tars: [tar], imageOf: () => null, sizePx: 224, codec: 'f16', writer, fs: quickFs }),
    ).rejects.toThrow(failing(4, { where: tar }));
  });
});
