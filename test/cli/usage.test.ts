import { readdir } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { STILLHOUSE_VERSION } from '../../src/core/version.ts';
import { cli, expectOneMessage } from '../support/run-cli.ts';
import { tempFolder } from '../support/temp-folder.ts';

const VERBS: readonly (readonly [verb: string, ...options: string[]])[] = [
  [
    'run',
    '<pipeline.yaml>',
    '--out',
    '--cache',
    '--json',
    '--dry-run',
    '--seed',
    '--device',
    '--workers',
    '--memory-limit',
  ],
  ['index', '--data', '--name', '--json', '--dry-run'],
  ['audit', '--train', '--eval', '--teacher'],
  ['curate', '--train', '--eval', '--seeds', '--teacher', '--policy', '--explain', '--name', '--dry-run'],
  ['train', '--train', '--eval', '--teacher', '--views', '--steps'],
  ['eval', '--train', '--eval', '--teacher', '--views', '--steps'],
  ['cache', '--data', '--teacher', '--views', '--batch', 'ls', 'verify'],
  ['cache ls', '--cache', '--json'],
  ['cache verify', '--level', '--repair', '--json'],
  ['export', '<run>', '--to', '--batch', '--json'],
  ['teachers', 'ls', 'pull', 'check'],
  ['teachers ls', '--size', '--store', '--lock', '--json'],
  ['teachers pull', '<teachers...>', '--update', '--dry-run', '--store', '--lock', 'HF_TOKEN', '--json'],
  ['teachers check', '[teachers...]', '--size', '--image', '--device', '--json'],
  ['stream', '<spaces...>', '--cache', '--dataset', '--batch', '--from', '--state', '--pixels', '--listen'],
  ['inspect', '<path>', '--rows', '--json'],
];

describe('help', () => {
  it('of the program names every verb, the exit codes and examples', async () => {
    const { code, stdout, stderr } = await cli(['--help'], { cwd: '.' });
    expect([code, stderr]).toEqual([0, '']);
    for (const [verb] of VERBS.filter(([name]) => !name.includes(' ')))
      expect(stdout).toMatch(new RegExp(`^  ${verb}\\b`, 'm'));
    expect(stdout).toContain('130 interrupted');
    expect(stdout).toContain('stillhouse run pipelines/demo.yaml');
  });

  it('of every verb says what it does and lists its options', async () => {
    for (const [verb, ...options] of VERBS) {
      const { code, stdout } = await cli([...verb.split(' '), '--help'], { cwd: '.' });
      expect(code, verb).toBe(0);
      expect(stdout, verb).toMatch(new RegExp(`^Usage: stillhouse ${verb} .*\\n\\n[a-z]`));
      for (const option of options) expect(stdout, verb).toContain(option);
    }
  });

  it('is what the bare command shows, with exit code 2', async () => {
    const { code, stdout, stderr } = await cli([], { cwd: '.' });
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toContain('Usage: stillhouse');
  });
});

it('--version is that of the package', async () => {
  expect(await cli(['--version'], { cwd: '.' })).toEqual({
    code: 0,
    stdout: `${STILLHOUSE_VERSION}\n`,
    stderr: '',
  });
});

describe('what cannot be meant ends with exit code 2, before anything is written', () => {
  it.each([
    ['an unknown verb', ['distil'], /unknown command 'distil'/],
    ['a mistyped verb', ['aduit'], /unknown command 'aduit'[\s\S]*Did you mean audit\?/],
    ['an unknown option', ['index', '--data', '.', '--colour'], /unknown option '--colour'/],
    [
      'a mistyped option',
      ['index', '--data', '.', '--sed', '1'],
      /unknown option '--sed'[\s\S]*Did you mean --seed\?/,
    ],
    ['a word too many', ['index', 'photos'], /too many arguments/],
    ['a missing argument', ['run'], /missing required argument 'pipeline.yaml'/],
    ['an option without its value', ['index', '--data'], /argument missing/],
  ])('%s', async (_, args, message) => {
    const cwd = await tempFolder();
    const { code, stdout, stderr } = await cli(args, { cwd });
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(message);
    expect(stderr).toContain('--help');
    expect(await readdir(cwd)).toEqual([]);
  });

  it.each([
    ['a dataset that is not named', ['index'], '--data <path>'],
    ['an evaluation set that is not named', ['audit', '--train', '.'], '--eval <path>'],
    ['no teacher', ['cache', '--data', '.'], '--teacher <name@px[,px]...>, at least once'],
    [
      'a teacher without a size',
      ['cache', '--data', '.', '--teacher', 'nanodet'],
      'name@px, name@px,px or name@pxm<k> for a mosaic of k x k',
    ],
    ['no worker', ['index', '--data', '.', '--workers', '0'], 'a whole number from 1'],
    ['half a seed', ['index', '--data', '.', '--seed', '1.5'], 'a whole number from 0'],
    [
      'no memory',
      ['index', '--data', '.', '--memory-limit', '2T'],
      'a size such as 8G, 500M or a number of bytes',
    ],
    [
      'an unknown device',
      ['index', '--data', '.', '--device', 'tpu'],
      'cpu, webgpu, cuda, tensorrt, tfjs-gpu or auto; several GPUs as cuda:0,cuda:1',
    ],
    [
      'a name that is a path',
      ['index', '--data', '.', '--name', '../x'],
      'lower-case letters, digits and dashes',
    ],
    [
      'a run inside the cache',
      ['index', '--data', '.', '--cache', 'out'],
      'two folders, neither inside the other',
    ],
  ])('%s', async (_, args, wanted) => {
    const cwd = await tempFolder();
    const message = expectOneMessage(await cli(args, { cwd }), 2);
    expect(message).toContain(`wanted: ${wanted}`);
    expect(await readdir(cwd)).toEqual([]);
  });
});
