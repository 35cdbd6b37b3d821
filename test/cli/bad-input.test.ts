import { appendFile, copyFile, mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { describe, expect, it } from 'vitest';
import { png } from '../images/tiny-images.ts';
import { copyEmoji, emojiNames } from '../support/emoji-folder.ts';
import { cli, expectOneMessage } from '../support/run-cli.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { tinyManifest, tinyOnnx, writeTinyTeacher } from '../support/tiny-teacher.ts';

async function workFolder(images = 4): Promise<string> {
  const cwd = await tempFolder();
  await copyEmoji(join(cwd, 'photos'), { vendor: 'twitter', names: await emojiNames(images) });
  await writeTinyTeacher(cwd);
  return cwd;
}

const CACHE = ['cache', '--data', 'photos', '--teacher'];

describe('one clear message and exit code 3', () => {
  it.each([
    ['a missing folder', ['index', '--data', 'nowhere'], [/where: +\S+\/nowhere$/m, /wanted: a folder/]],
    ['an empty folder', ['index', '--data', 'empty'], [/the dataset is empty/, /where: +\S+\/empty$/m]],
    ['a file that is no dataset', ['index', '--data', 'tiny.onnx'], [/got: +tiny\.onnx/]],
    [
      'an empty list',
      ['index', '--data', 'empty.csv'],
      [/the dataset is empty/, /where: +\S+\/empty\.csv$/m],
    ],
    [
      'a folder of other files',
      ['index', '--data', 'others'],
      [/wanted: at least one file that ends in png/, /got: +other files only: 2 \.bmp, 1 without an ending/],
    ],
    [
      'a folder without a single good image',
      ['index', '--data', 'broken'],
      [/where: +\S+\/broken$/m, /"empty-file":1/, /"not-an-image":1/],
    ],
    [
      'an unknown key of a dataset header',
      ['index', '--data', 'key-dataset.yaml'],
      [/where: +\S+\/key-dataset\.yaml/, /\(line 3\): unknown key "license", did you mean "licence"\?/],
    ],
    ['a missing pipeline', ['run', 'nowhere.yaml'], [/where: +nowhere\.yaml/]],
    [
      'an unknown key of a pipeline',
      ['run', 'key.yaml'],
      [/unknown key "sede", did you mean "seed"\?/, /where: +key\.yaml/],
    ],
    [
      'an unknown key of a stage',
      ['run', 'param.yaml'],
      [/unknown key "datset", did you mean "dataset"\?/, /param\.yaml \/stages\/0\/with/],
    ],
    ['a teacher that nobody knows', [...CACHE, 'nanodte@64'], [/got: +nanodte/, /nearest: nanodet/]],
    [
      'a size the teacher does not take',
      [...CACHE, 'tiny.yaml@17'],
      [/a multiple of 4 from 8 to 64 px/, /got: +17 px/],
    ],
    ['a teacher manifest that is missing', [...CACHE, 'nowhere.yaml@16'], [/where: +\S+\/nowhere\.yaml/]],
    [
      'an unknown key of a teacher manifest',
      [...CACHE, 'key-teacher.yaml@16'],
      [/unknown key "sumary", did you mean "summary"\?/],
    ],
    [
      'a model with another input shape',
      [...CACHE, 'fixed.yaml@16'],
      [/where: +fixed\n/, /wanted: +32 x 32 px, the only size of this graph/, /got: +16 px/],
    ],
    [
      'a run that is none',
      ['export', 'nowhere'],
      [/no trained student/, /nowhere\/train\/student\.safetensors/],
    ],
    ['nothing to inspect', ['inspect', 'nowhere'], [/where: +\S+\/nowhere/]],
    ['a table that is none', ['inspect', 'text.parquet'], [/where: +\S+\/text\.parquet/]],
    ['JSON that is none', ['inspect', 'text.json'], [/where: +\S+\/text\.json/]],
    ['no cache', ['cache', 'ls', '--cache', 'nowhere'], [/there is no cache here/]],
  ] as const)('for %s', async (_, args, wanted) => {
    const cwd = await workFolder(1);
    for (const folder of ['empty', 'others', 'broken']) await mkdir(join(cwd, folder));
    for (const name of ['others/a.bmp', 'others/b.BMP', 'others/c', 'broken/zero.png'])
      await writeFile(join(cwd, name), '');
    await writeFile(join(cwd, 'broken', 'text.png'), 'text');
    await writeFile(join(cwd, 'empty.csv'), 'path,label\n');
    await writeFile(
      join(cwd, 'key-dataset.yaml'),
      'version: 1\nname: x\nlicense: MIT\nsplit: train\nsource: { kind: folder }\n',
    );
    await writeFile(
      join(cwd, 'key.yaml'),
      'version: 1\nname: x\nsede: 1\nstages: [{ id: a, stage: index }]\n',
    );
    await writeFile(
      join(cwd, 'param.yaml'),
      'version: 1\nname: x\nstages: [{ id: a, stage: index, with: { datset: photos } }]\n',
    );
    await writeTinyTeacher(cwd, { name: 'fixed', fixedPx: 32 });
    const { summary, ...rest } = tinyManifest(tinyOnnx());
    await writeFile(join(cwd, 'key-teacher.yaml'), stringify({ ...rest, summary: null, sumary: summary }));
    for (const ending of ['parquet', 'arrow', 'safetensors', 'json'])
      await writeFile(join(cwd, `text.${ending}`), 'text, and no more than that');
    const message = expectOneMessage(await cli(args, { cwd }), 3);
    for (const part of wanted) expect(message).toMatch(part);
  });
});

describe('exit code 4', () => {
  it.each(['text.arrow', 'text.safetensors'])('is for a %s whose bytes are others', async (name) => {
    const cwd = await tempFolder();
    await writeFile(join(cwd, name), 'text, and no more than that');
    expect(expectOneMessage(await cli(['inspect', name], { cwd }), 4)).toContain(join(cwd, name));
  });

  it('is for teacher weights with another sha256: both digests, and the targets made before are kept', async () => {
    const cwd = await workFolder();
    await cli([...CACHE, 'tiny.yaml@16'], { cwd });
    const journals = await readdir(join(cwd, 'out', 'cache', 'log'));
    await appendFile(join(cwd, 'tiny.onnx'), 'x');
    const message = expectOneMessage(await cli([...CACHE, 'tiny.yaml@32'], { cwd }), 4);
    expect(message).toMatch(/where: +\S+\/tiny\.onnx/);
    expect(message.match(/sha256 [0-9a-f]{64}/g)).toHaveLength(2);
    expect(await readdir(join(cwd, 'out', 'cache', 'log'))).toEqual(journals);
    await writeTinyTeacher(cwd);
    expect((await cli([...CACHE, 'tiny.yaml@16'], { cwd })).stdout).toContain('targets: 0 written, 8 reused');
  });

  it('is for a damaged cache, which --repair and the next run mend', async () => {
    const cwd = await workFolder();
    await cli([...CACHE, 'tiny.yaml@16'], { cwd });
    const data = join(cwd, 'out', 'cache', 'data');
    const [space] = (await readdir(data)).filter((name) => name.includes('.spatial.'));
    const [part] = await readdir(join(data, space!));
    const bytes = await readFile(join(data, space!, part!));
    bytes[Math.floor(bytes.length / 2)]! ^= 1;
    await writeFile(join(data, space!, part!), bytes);
    const damaged = await cli(['cache', 'verify'], { cwd });
    expectOneMessage(damaged, 4);
    expect(damaged.stdout).toContain(part!);
    expect((await cli(['cache', 'verify', '--repair'], { cwd })).code).toBe(0);
    expect((await cli([...CACHE, 'tiny.yaml@16'], { cwd })).stdout).toContain('targets: 4 written, 4 reused');
    expect((await cli(['cache', 'verify', '--level', 'rows'], { cwd })).code).toBe(0);
  });
});

describe('exit code 5', () => {
  it.each([
    ['weights that have to be downloaded', 'dinov2-small@224', /hf:Xenova\/dinov2-small/],
    ['weights that are not there', 'lost.yaml@16', /where: +file:lost\.onnx/],
    ['a package that is not installed', 'package.yaml@16', /npm install no-such-package-here/],
  ])('is for %s', async (_, teacher, wanted) => {
    const cwd = await workFolder(1);
    const base = tinyManifest(tinyOnnx());
    for (const [name, uri] of [
      ['lost', 'file:lost.onnx'],
      ['package', 'npm:no-such-package-here/model.onnx'],
    ] as const)
      await writeFile(join(cwd, `${name}.yaml`), stringify({ ...base, weights: { uri, sha256: null } }));
    expect(expectOneMessage(await cli([...CACHE, teacher], { cwd }), 5)).toMatch(wanted);
  });
});

/** A whole PNG of 30,000 x 30,000 px in one colour: 110 kB that would be 2.7 GB of pixels. */
const bomb = (): Buffer =>
  png({ width: 30_000, height: 30_000, depth: 1, colour: 0 }, new Uint8Array(30_000 * (1 + 30_000 / 8)));

describe('good files with names that are hard to show', () => {
  it('are audited, curated and cached, and shown harmlessly', async () => {
    const cwd = await tempFolder();
    const names = await emojiNames(5);
    await copyEmoji(join(cwd, 'plain'), { vendor: 'twitter', names });
    await writeTinyTeacher(cwd);
    const hard = [
      Buffer.from(`"double" 'single' \`back\`.png`),
      Buffer.from('two\nlines.png'),
      Buffer.from('<script>alert(1)<.png'),
      Buffer.from([0xff, 0xfe, 0x2e, 0x70, 0x6e, 0x67]),
      Buffer.from('-rf; %41.png'),
    ];
    for (const side of ['train', 'eval']) {
      await mkdir(join(cwd, side, '<b>class & "co"'), { recursive: true });
      for (const [i, name] of hard.entries())
        await copyFile(
          join(cwd, 'plain', names[i]!),
          Buffer.concat([Buffer.from(`${join(cwd, side, '<b>class & "co"')}/`), name]),
        );
    }
    const sides = ['--train', 'train', '--eval', 'eval', '--teacher', 'tiny.yaml@16'];
    const result = await cli(['audit', ...sides], { cwd });
    expect(result, result.stderr).toMatchObject({ code: 0 });
    expect(result.stdout).toMatch(/^ {2}byte +5 of 5 {2}100\.0 %, 95 % interval 47\.8 to 100\.0 %/m);
    const html = await readFile(join(cwd, 'out', 'audit', 'report.html'), 'utf8');
    for (const part of ['<script>alert', '<b>class']) expect(html).not.toContain(part);
    for (const part of ['%FF%FE', 'two%0Alines', '%3Cscript%3E']) expect(html).toContain(part);
    // each is an evaluation image, so nothing is left
    const curated = await cli(['curate', '--train', 'train', '--eval', 'eval'], { cwd });
    expect(curated, curated.stderr).toMatchObject({ code: 0 });
    expect(curated.stderr).toMatch(/no image is left: 5 matches-evaluation/);
    expect(curated.stdout).toMatch(/^curate +5 +0 +5 /m);
    const ledger = await cli(['inspect', 'out/curate/curate/ledger.parquet', '--rows', '5'], { cwd });
    expect(JSON.parse(ledger.stdout)).toMatchObject({ rows: 5 });
    expect(ledger.stdout).toContain('%FF%FE.png');
  });
});

describe('bad files among good ones', () => {
  it('are rejected with their reasons, exit code 0, and shown harmlessly in the terminal and the report', async () => {
    const cwd = await workFolder();
    const whole = await readFile(join(cwd, 'photos', (await readdir(join(cwd, 'photos')))[0]!));
    const bad: readonly (readonly [Buffer | string, Uint8Array])[] = [
      ['zero.png', new Uint8Array(0)],
      ['text.png', Buffer.from('text')],
      ['truncated.png', whole.subarray(0, whole.length - 40)],
      ['corrupt.png', Buffer.concat([whole.subarray(0, 60), Buffer.alloc(40, 0xff), whole.subarray(100)])],
      ['bomb.png', bomb()],
      [`"quoted" 'name'.png`, Buffer.from('text')],
      ['two\nlines.png', Buffer.from('text')],
      ['<script>alert(1).png', Buffer.from('text')],
      [Buffer.from([0xff, 0xfe, 0x2e, 0x70, 0x6e, 0x67]), Buffer.from('text')],
    ];
    for (const [name, bytes] of bad)
      await writeFile(Buffer.concat([Buffer.from(`${join(cwd, 'photos')}/`), Buffer.from(name)]), bytes);
    const result = await cli(['index', '--data', 'photos'], { cwd });
    expect(result, result.stderr).toMatchObject({ code: 0 });
    expect(result.stdout).toMatch(/^images +13 +4 +9 /m);
    expect(result.stdout).toContain(
      'rejected by images: 5 not-an-image, 2 corrupt, 1 empty-file, 1 too-many-pixels',
    );
    const html = await readFile(join(cwd, 'out', 'index', 'report.html'), 'utf8');
    expect(html).not.toContain('<script>alert');
    for (const reason of ['empty-file', 'not-an-image', 'corrupt', 'too-many-pixels'])
      expect(html, reason).toContain(reason);
    for (const name of ['%FF%FE', 'two%0Alines', '%3Cscript%3E']) expect(html).toContain(name);
  });

  it('and a teacher that answers NaN: rows rejected as non-finite, the others are there', async () => {
    const cwd = await workFolder(8);
    await writeTinyTeacher(cwd, { nanBelow: 0.75 });
    const result = await cli([...CACHE, 'tiny.yaml@16'], { cwd });
    expect(result, result.stderr).toMatchObject({ code: 0 });
    const [, seen, kept, rejected] = /^cache +(\d+) +(\d+) +(\d+) /m.exec(result.stdout)!.map(Number);
    expect(seen).toBe(16);
    expect(kept! + rejected!).toBe(seen);
    expect(rejected).toBeGreaterThan(0);
    const summary = JSON.parse(await readFile(join(cwd, 'out', 'targets', 'summary.json'), 'utf8')) as {
      stages: { id: string; rejected: object }[];
    };
    expect(summary.stages.find(({ id }) => id === 'cache')!.rejected).toEqual({ 'non-finite': rejected });
    expect((await cli(['cache', 'ls'], { cwd })).stdout).toMatch(new RegExp(` 8 +${rejected! / 2} +1 `));
  });
});

it('a folder name that is a terminal escape is shown escaped', async () => {
  const result = await cli(['index', '--data', 'no\u001b[31mwhere'], { cwd: await tempFolder() });
  const message = expectOneMessage(result, 3);
  expect(message).toContain('no\\u001b[31mwhere');
  expect(result.stderr.includes('\u001b')).toBe(false);
});
