import { readFile, readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { copyEmoji, emojiNames } from '../support/emoji-folder.ts';
import { cli } from '../support/run-cli.ts';
import { listing, tempFolder } from '../support/temp-folder.ts';
import { writeTinyTeacher } from '../support/tiny-teacher.ts';

async function workFolder(): Promise<string> {
  const cwd = await tempFolder();
  const names = await emojiNames(12);
  await copyEmoji(join(cwd, 'train'), { vendor: 'twitter', names, labels: 2 });
  await copyEmoji(join(cwd, 'eval'), { vendor: 'google', names: names.slice(0, 6), labels: 2 });
  await writeTinyTeacher(cwd);
  return cwd;
}

const PIPELINE = `version: 1
name: small
stages:
  - { id: images, stage: index, with: { dataset: train } }
  - id: targets
    stage: cache
    with: { datasets: [{ from: images }], teachers: [{ name: tiny.yaml, sizesPx: [16] }] }
`;

describe('a run', () => {
  it('prints a table of stages, headlines and where report and summary lie', async () => {
    const cwd = await workFolder();
    await writeFile(join(cwd, 'small.yaml'), PIPELINE);
    const first = await cli(['run', 'small.yaml'], { cwd });
    expect(first, first.stderr).toMatchObject({ code: 0 });
    const lines = first.stdout.split('\n');
    expect(lines[0]).toMatch(/^stage +seen +kept +rejected +seconds$/);
    expect(lines[2]).toMatch(/^images +12 +12 +0 +\d+\.\d$/);
    expect(lines[3]).toMatch(/^targets +24 +24 +0 +\d+\.\d$/);
    expect(first.stdout).toContain('targets: 24 written, 0 reused');
    for (const file of ['report.html', 'summary.json']) {
      expect(first.stdout).toContain(`out/small/${file}`);
      expect((await stat(join(cwd, 'out', 'small', file))).size).toBeGreaterThan(100);
    }
    expect(first.stderr).toContain('run small, seed 0');

    const again = await cli(['run', 'small.yaml'], { cwd });
    expect(again.stdout).toMatch(/^images +12 +12 +0 +reused$/m);
    expect(again.stdout).toContain('targets: 0 written, 24 reused');
  });

  it('takes paths from the place of the pipeline file and folders from the options', async () => {
    const cwd = await workFolder();
    await writeFile(join(cwd, 'small.yaml'), PIPELINE);
    const elsewhere = await tempFolder();
    const args = ['run', join(cwd, 'small.yaml'), '--out', 'runs', '--cache', 'store', '--seed', '5'];
    const { code, stderr } = await cli(args, { cwd: elsewhere });
    expect(code, stderr).toBe(0);
    expect(stderr).toContain('seed 5');
    expect((await readdir(elsewhere)).sort()).toEqual(['runs', 'store']);
    expect((await listing(cwd)).filter((line) => line.startsWith('out'))).toEqual([]);
  });
});

describe('--json', () => {
  it('is one JSON document on stdout, the summary itself, and progress stays on stderr', async () => {
    const cwd = await workFolder();
    const args = ['audit', '--train', 'train', '--eval', 'eval', '--teacher', 'tiny.yaml@16', '--json'];
    const { code, stdout, stderr } = await cli(args, { cwd });
    expect(code, stderr).toBe(0);
    const summary = JSON.parse(stdout) as object;
    expect(summary).toEqual(JSON.parse(await readFile(join(cwd, 'out', 'audit', 'summary.json'), 'utf8')));
    expect(summary).toMatchObject({ images: { train: 12, eval: 6 }, targets: { written: 36, reused: 0 } });
    expect(stderr).toMatch(/^run audit, seed 0$/m);
    expect(stderr).not.toContain('TensorFlow.js');
  });

  it('is one document of every verb that answers without a run', async () => {
    const cwd = await workFolder();
    await cli(['cache', '--data', 'train', '--teacher', 'tiny.yaml@16'], { cwd });
    const answers = {
      'cache ls': [
        { space: 'tiny@16.spatial', rows: 12 },
        { space: 'tiny@16.summary', rows: 12 },
      ],
      'cache verify': { findings: [], rows: 24 },
      'teachers ls': {
        teachers: expect.arrayContaining([expect.objectContaining({ name: 'nanodet' })]) as object,
      },
      'teachers check tiny.yaml --size 16': {
        picture: { source: 'synthetic' },
        teachers: [
          { teacher: 'tiny', sizes: [{ sizePx: 16, taps: [{ shape: [8] }, { shape: [4, 4, 8] }] }] },
        ],
      },
      'inspect out/targets': { kind: 'run', stages: [{ id: 'cache' }, { id: 'images' }] },
      'inspect tiny.onnx': {
        kind: 'ONNX model',
        inputs: ['x float32 [n, 3, s, s]'],
        outputs: ['map float32 [m, 8, h, w]'],
        weights: 'f32',
      },
      'inspect out/targets/images/images.parquet': { kind: 'Parquet table', rows: 12 },
    };
    for (const [args, wanted] of Object.entries(answers)) {
      const { code, stdout, stderr } = await cli([...args.split(' '), '--json'], { cwd });
      expect([code, stderr], args).toEqual([0, '']);
      const answer = JSON.parse(stdout) as { spaces?: unknown };
      expect(args === 'cache ls' ? answer.spaces : answer, args).toMatchObject(wanted);
    }
  });

  it('leaves stdout empty when there is nothing to say but trouble', async () => {
    const { code, stdout } = await cli(['index', '--data', 'nowhere', '--json'], { cwd: await tempFolder() });
    expect([code, stdout]).toEqual([3, '']);
  });
});

describe('--dry-run', () => {
  it('prints the plan of every stage and writes nothing, before and after a run', async () => {
    const cwd = await workFolder();
    await writeFile(join(cwd, 'small.yaml'), PIPELINE);
    const before = await listing(cwd);
    const fresh = await cli(['run', 'small.yaml', '--dry-run'], { cwd });
    expect(fresh.code, fresh.stderr).toBe(0);
    expect(fresh.stdout).toMatch(/^images +planned +.*12/m);
    expect(fresh.stdout).toMatch(/^targets +waits/m);
    expect(await listing(cwd)).toEqual(before);

    await cli(['run', 'small.yaml'], { cwd });
    const after = await listing(cwd);
    const text = PIPELINE.replace('[16]', '[16, 32]');
    await writeFile(join(cwd, 'small.yaml'), text);
    const { stdout } = await cli(['run', 'small.yaml', '--dry-run', '--json'], { cwd });
    expect(JSON.parse(stdout)).toMatchObject({
      dryRun: true,
      stages: [
        { id: 'images', state: 'reused' },
        {
          id: 'targets',
          state: 'planned',
          plan: {
            compute: { 'tiny@16.summary': 0, 'tiny@32.summary': 12, 'tiny@32.spatial': 12 },
            reuse: { 'tiny@16.summary': 12 },
          },
        },
      ],
    });
    const own = (lines: readonly string[]) => lines.filter((line) => !line.startsWith('small.yaml'));
    expect(own(await listing(cwd))).toEqual(own(after));
  });
});
