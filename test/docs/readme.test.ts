// Every command that the README shows is run here, in its order, in a folder of its own.
import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const root = resolve('.');
const readme = fs.readFileSync('README.md', 'utf8');
const commands = [...readme.matchAll(/```sh\n([\s\S]*?)```/g)]
  .flatMap(([, block]) => block!.split('\n'))
  .map((line) => line.replace(/ +#.*$/, '').trim())
  .filter((line) => line !== '');

let folder = '';
beforeAll(() => {
  folder = fs.mkdtempSync(join(tmpdir(), 'stillhouse-readme-'));
  for (const name of ['manifests', 'pipelines']) fs.symlinkSync(join(root, name), join(folder, name));
});
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

describe('a command of the README', () => {
  it('is there for every task that the README promises', () => {
    for (const start of [
      'make demo',
      'make test',
      'npx stillhouse audit',
      'npx stillhouse curate',
      'npx stillhouse cache',
      'npx stillhouse eval',
      'npx stillhouse export',
    ])
      expect(commands.filter((command) => command.startsWith(start)).length).toBeGreaterThan(0);
  });

  it.each(commands.filter((command) => command.startsWith('make')))(
    '%s: is a target of the Makefile',
    (command) => {
      const dry = spawnSync('make', ['--dry-run', ...command.split(' ').slice(1)], { encoding: 'utf8' });
      expect([dry.status, dry.stderr]).toEqual([0, '']);
    },
  );

  const cli = commands.filter((command) => !command.startsWith('make'));
  // what is tested is that a command works; `eval` trains, and a busy machine takes more than the usual minute for it
  it.each(cli)('%s: works as written', { timeout: 300_000 }, (command) => {
    expect(command.startsWith('npx stillhouse ')).toBe(true);
    const program = `node ${join(root, 'dist/cli/main.js')} `;
    const ran = spawnSync('bash', ['-c', command.replace('npx stillhouse ', program)], {
      cwd: folder,
      encoding: 'utf8',
      // a stream of batches is longer than what a child may print by default
      maxBuffer: 2 ** 28,
    });
    expect({ status: ran.status, stderr: ran.status === 0 ? '' : ran.stderr }).toEqual({
      status: 0,
      stderr: '',
    });
    expect(ran.stdout).not.toBe('');
  });

  it('leads to no file that is missing', () => {
    for (const [, target] of readme.matchAll(/\]\((?!https?:)([^)#]+)/g))
      expect([target, fs.existsSync(target!)]).toEqual([target, true]);
  });
});
