import { existsSync } from 'node:fs';
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { copyEmoji, emojiNames } from '../support/emoji-folder.ts';
import { type CliResult, cli, expectOneMessage, startCli } from '../support/run-cli.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { writeTinyTeacher } from '../support/tiny-teacher.ts';

const IMAGES = 400;
const UNIT = 16;
const TARGETS = IMAGES * 2;
const PIPELINE = `version: 1
name: long
stages:
  - { id: images, stage: index, with: { dataset: photos } }
  - id: targets
    stage: cache
    with: { datasets: [{ from: images }], teachers: [{ name: tiny.yaml, sizesPx: [32] }], unitRows: ${UNIT} }
`;

async function workFolder(): Promise<string> {
  const cwd = await tempFolder();
  await fill(cwd);
  return cwd;
}

async function fill(cwd: string): Promise<void> {
  await copyEmoji(join(cwd, 'photos'), { vendor: 'twitter', names: await emojiNames(IMAGES) });
  await writeTinyTeacher(cwd, { idleProducts: 30 });
  await writeFile(join(cwd, 'long.yaml'), PIPELINE);
}

/** Digest of every output of both stages. */
async function outputsOf(cwd: string): Promise<unknown> {
  return Promise.all(
    ['images', 'targets'].map(async (id) => {
      const marker = JSON.parse(await readFile(join(cwd, 'out', 'long', id, 'stage.json'), 'utf8')) as {
        outcome: { kept: number; outputs: { name: string; digest: string }[] };
      };
      return [marker.outcome.kept, marker.outcome.outputs.map(({ name, digest }) => [name, digest])];
    }),
  );
}

async function commits(cwd: string): Promise<number> {
  const log = join(cwd, 'out', 'cache', 'log');
  if (!existsSync(log)) return 0;
  const writers = await Promise.all((await readdir(log)).map((writer) => readdir(join(log, writer))));
  return writers.flat().filter((name) => name.endsWith('.json')).length;
}

/** Starts the run, and sends a signal as soon as some units are committed. */
async function stopAfterCommits(
  cwd: string,
  wanted: number,
  signal: NodeJS.Signals,
  args: readonly string[] = ['run', 'long.yaml'],
): Promise<CliResult & { readonly at: number }> {
  const { child, done } = startCli(args, { cwd });
  const ended = done.then(() => true);
  while ((await commits(cwd)) < wanted)
    if (await Promise.race([ended, new Promise<false>((resolve) => setTimeout(resolve, 2, false))]))
      throw new Error(`the run ended before it could be stopped: ${(await done).stderr}`);
  child.kill(signal);
  return { ...(await done), at: await commits(cwd) };
}

const targetsIn = ({ stdout }: CliResult): [written: number, reused: number] => {
  const match = /^targets: (\d+) written, (\d+) reused$/m.exec(stdout);
  return [Number(match?.[1]), Number(match?.[2])];
};

let undisturbed: unknown;
beforeAll(async () => {
  const cwd = await mkdtemp(join(tmpdir(), 'stillhouse-undisturbed-'));
  await fill(cwd);
  const result = await cli(['run', 'long.yaml'], { cwd });
  expect(result, result.stderr).toMatchObject({ code: 0 });
  expect(targetsIn(result)).toEqual([TARGETS, 0]);
  undisturbed = await outputsOf(cwd);
  await rm(cwd, { recursive: true });
});

describe('Ctrl-C', () => {
  it('ends with 130, names the stage and the command that resumes; that command finishes and reuses', async () => {
    const cwd = await workFolder();
    const stopped = await stopAfterCommits(cwd, 3, 'SIGINT');
    const message = expectOneMessage(stopped, 130);
    expect(stopped.stderr).toContain('finishing what is in the air');
    expect(message).toMatch(/where: +stage targets/);
    const resume = /^ {2}resume: (.*)$/m.exec(message)![1]!;
    expect(resume).toMatch(/^node \S+main\.js run long\.yaml$/);
    expect(stopped.at).toBeLessThan(IMAGES / UNIT);
    expect(stopped.stdout).toBe('');

    const finished = await cli(['run', 'long.yaml'], { cwd });
    expect(finished, finished.stderr).toMatchObject({ code: 0 });
    const [written, reused] = targetsIn(finished);
    expect(reused).toBe(stopped.at * UNIT * 2);
    expect(written).toBe(TARGETS - reused);
    expect(await outputsOf(cwd)).toEqual(undisturbed);
  });

  it('works for the cache verb too, and its resume command quotes what needs quoting', async () => {
    const cwd = await workFolder();
    await writeTinyTeacher(join(cwd, 'my teacher'), { idleProducts: 30 });
    const args = ['cache', '--data', 'photos', '--teacher', 'my teacher/tiny.yaml@32'];
    const stopped = await stopAfterCommits(cwd, 1, 'SIGINT', args);
    expect(expectOneMessage(stopped, 130)).toContain(
      `resume: node ${/node (\S+)/.exec(stopped.stderr)![1]!} cache --data photos --teacher 'my teacher/tiny.yaml@32'`,
    );
    const finished = await cli(args, { cwd });
    const [written, reused] = targetsIn(finished);
    expect([written + reused, reused > 0]).toEqual([TARGETS, true]);
  });

  it('pressed twice ends at once, and nothing committed is lost', async () => {
    const cwd = await workFolder();
    const { child, done } = startCli(['run', 'long.yaml'], { cwd });
    while ((await commits(cwd)) < 2) await new Promise((resolve) => setTimeout(resolve, 2));
    child.kill('SIGINT');
    child.kill('SIGINT');
    expect((await done).code).toBe(130);
    expect((await cli(['run', 'long.yaml'], { cwd })).code).toBe(0);
    expect(await outputsOf(cwd)).toEqual(undisturbed);
  });
});

describe('SIGKILL', () => {
  it('at different moments, then the same command: it finishes with the outputs of an undisturbed run', async () => {
    const cwd = await workFolder();
    // each start is killed after one more commit than the last; the third run goes to the end
    for (const wanted of [1, 4]) {
      const { code } = await stopAfterCommits(cwd, wanted, 'SIGKILL');
      expect(code).toBeNull();
      expect(existsSync(join(cwd, 'out', 'long', 'targets', 'stage.json'))).toBe(false);
    }
    const finished = await cli(['run', 'long.yaml'], { cwd });
    expect(finished, finished.stderr).toMatchObject({ code: 0 });
    const [written, reused] = targetsIn(finished);
    expect(written + reused).toBe(TARGETS);
    expect(reused).toBeGreaterThanOrEqual(4 * UNIT * 2);
    expect(await outputsOf(cwd)).toEqual(undisturbed);
    expect((await cli(['cache', 'verify', '--level', 'rows'], { cwd })).code).toBe(0);
  });

  it('before anything was committed loses nothing but time', async () => {
    const cwd = await workFolder();
    const { child, done } = startCli(['run', 'long.yaml'], { cwd });
    while (!existsSync(join(cwd, 'out', 'long'))) await new Promise((resolve) => setTimeout(resolve, 2));
    child.kill('SIGKILL');
    await done;
    expect((await cli(['run', 'long.yaml'], { cwd })).code).toBe(0);
    expect(await outputsOf(cwd)).toEqual(undisturbed);
  });
});

it('two runs in one folder at once: the second is refused with exit code 5 and the first ends well', async () => {
  const cwd = await workFolder();
  const { child, done } = startCli(['run', 'long.yaml'], { cwd });
  while ((await commits(cwd)) < 1) await new Promise((resolve) => setTimeout(resolve, 2));
  const second = await cli(['run', 'long.yaml'], { cwd });
  expect(expectOneMessage(second, 5)).toContain(`process ${child.pid!}`);
  expect((await done).code).toBe(0);
  expect(await outputsOf(cwd)).toEqual(undisturbed);
});
