import { execFileSync } from 'node:child_process';
import { chmod, mkdir, open, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { copyEmoji, emojiNames } from '../support/emoji-folder.ts';
import { cli, expectOneMessage, startCli } from '../support/run-cli.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { writeTinyTeacher } from '../support/tiny-teacher.ts';

async function workFolder(images: number): Promise<string> {
  const cwd = await tempFolder();
  await copyEmoji(join(cwd, 'photos'), { vendor: 'twitter', names: await emojiNames(images) });
  await writeTinyTeacher(cwd);
  return cwd;
}

function tried(command: string, ...args: string[]): boolean {
  try {
    execFileSync(command, args, { stdio: 'ignore' });
    return true;
  } catch (error) {
    if (error instanceof Error) return false;
    throw error;
  }
}

/** Mounts a small file system at a folder until the test ends; false where this user may not. */
function mounted(folder: string, options: string): boolean {
  if (!tried('mount', '-t', 'tmpfs', '-o', options, 'tmpfs', folder)) return false;
  onTestFinished(() => void tried('umount', folder));
  return true;
}

/** Whether a journal lists something. */
const isCommitted = async (cache: string): Promise<boolean> =>
  (await readdir(cache, { recursive: true })).some((name) => /^log\/.*\/\d{12}\.json$/.test(name));

const CACHE = ['cache', '--data', 'photos', '--teacher', 'tiny.yaml@64'];

describe('an output folder that cannot be written', () => {
  it('because a file stands there is named, with exit code 5', async () => {
    const cwd = await workFolder(1);
    await writeFile(join(cwd, 'out'), '');
    const message = expectOneMessage(await cli(['index', '--data', 'photos'], { cwd }), 5);
    expect(message).toContain(join(cwd, 'out', 'index'));
  });

  it('because it is read-only is named, with exit code 5', async ({ skip }) => {
    const cwd = await workFolder(1);
    await mkdir(join(cwd, 'out'));
    if (!mounted(join(cwd, 'out'), 'ro,size=1m')) skip('this user may not mount a file system');
    const message = expectOneMessage(await cli(['index', '--data', 'photos'], { cwd }), 5);
    expect(message).toMatch(/read-only[\s\S]*out/);
  });

  it('because this user has no right to is named, with exit code 5', async ({ skip }) => {
    const cwd = await workFolder(1);
    await mkdir(join(cwd, 'out'));
    const root = process.getuid?.() === 0;
    if (root && !tried('setpriv', '--version')) skip('root may write anywhere, and setpriv is missing');
    await chmod(join(cwd, 'out'), root ? 0o755 : 0o555);
    await chmod(cwd, 0o755);
    const through = root ? ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'] : [];
    const result = await cli(['index', '--data', 'photos'], { cwd, through });
    if (/EACCES: .*main\.js|Cannot find module/.test(result.stderr))
      skip('another user cannot read this checkout');
    expect(expectOneMessage(result, 5)).toMatch(/no permission|not permitted/);
  });
});

it('a cache without the right to write can be listed, verified and exported; a run that must write says so', async ({
  skip,
}) => {
  const cwd = await workFolder(3);
  expect(await cli([...CACHE, '--cache', 'store'], { cwd })).toMatchObject({ code: 0 });
  const root = process.getuid?.() === 0;
  if (root && !tried('setpriv', '--version')) skip('root may write anywhere, and setpriv is missing');
  await chmod(cwd, 0o755);
  const folders = (await readdir(join(cwd, 'store'), { recursive: true, withFileTypes: true })).filter(
    (entry) => entry.isDirectory(),
  );
  const paths = [...folders.map(({ parentPath, name }) => join(parentPath, name)), join(cwd, 'store')];
  // or the folder could not be removed, whatever fails or is skipped below
  onTestFinished(async () => {
    for (const path of paths) await chmod(path, 0o755);
  });
  for (const path of paths) await chmod(path, 0o555);
  await mkdir(join(cwd, 'free'));
  await chmod(join(cwd, 'free'), 0o777);
  const through = root ? ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'] : [];
  const run = (...args: string[]) =>
    cli([...args, '--cache', 'store'], { cwd, through, env: { HOME: join(cwd, 'free') } });
  const listed = await run('cache', 'ls', '--json');
  if (/EACCES: .*main\.js|Cannot find module/.test(listed.stderr))
    skip('another user cannot read this checkout');
  expect(JSON.parse(listed.stdout)).toMatchObject({ spaces: [{ rows: 3 }, { rows: 3 }] });
  expect(await run('cache', 'verify', '--level', 'rows')).toMatchObject({ code: 0 });
  const exported = await run('cache', 'export', '--to', join('free', 'exported'));
  expect(exported, exported.stderr).toMatchObject({ code: 0 });
  expect(await run(...CACHE, '--out', join('free', 'out'))).toMatchObject({ code: 0 });
  const more = ['cache', '--data', 'photos', '--teacher', 'tiny.yaml@16', '--out', join('free', 'out')];
  expect(expectOneMessage(await run(...more), 5)).toMatch(/no permission|not permitted/);
  expect(expectOneMessage(await run('cache', 'drop', 'tiny'), 5)).toMatch(/no permission|not permitted/);
});

describe('a full disk', () => {
  it('is seen before the work starts when there is too little room', async ({ skip }) => {
    const cwd = await workFolder(2);
    await mkdir(join(cwd, 'store'));
    if (!mounted(join(cwd, 'store'), 'size=2m')) skip('this user may not mount a file system');
    const message = expectOneMessage(await cli([...CACHE, '--cache', 'store'], { cwd }), 5);
    expect(message).toMatch(/not enough room for the targets[\s\S]*wanted: 6\d MB[\s\S]*got: +\d MB free/);
    expect(await readdir(join(cwd, 'store'))).toEqual([]);
  });

  it('in the middle ends with exit code 5; what was committed is kept and the same command goes on', async ({
    skip,
  }) => {
    const cwd = await workFolder(60);
    await mkdir(join(cwd, 'out'));
    // with the ballast, enough for the index and too little for the audit
    if (!mounted(join(cwd, 'out'), 'size=160k')) skip('this user may not mount a file system');
    await writeFile(
      join(cwd, 'p.yaml'),
      `version: 1
name: full
stages:
  - { id: images, stage: index, with: { dataset: photos } }
  - { id: audit, stage: audit, with: { train: images, eval: images } }
`,
    );
    await writeFile(join(cwd, 'out', 'ballast'), Buffer.alloc(110_000));
    const first = await cli(['run', 'p.yaml'], { cwd });
    expect(expectOneMessage(first, 5)).toMatch(/the disk is full[\s\S]*next: +free some space/);
    expect((await readdir(join(cwd, 'out', 'full', 'images'))).sort()).toContain('stage.json');
    await rm(join(cwd, 'out', 'ballast'));
    if (!tried('mount', '-o', 'remount,size=20m', join(cwd, 'out')))
      skip('cannot make the file system larger');
    const second = await cli(['run', 'p.yaml'], { cwd });
    expect(second, second.stderr).toMatchObject({ code: 0 });
    expect(second.stdout).toMatch(/^images .* reused$/m);
  });

  it('while targets are computed ends with exit code 5, keeps whole what was committed, and the same command goes on', async ({
    skip,
  }) => {
    const cwd = await workFolder(120);
    await writeTinyTeacher(cwd, { idleProducts: 30 });
    const store = join(cwd, 'store');
    await mkdir(store);
    // what the targets need, and the room that a run wants to see left
    if (!mounted(store, 'size=80m')) skip('this user may not mount a file system');
    await writeFile(
      join(cwd, 'p.yaml'),
      `version: 1
name: full
stages:
  - { id: images, stage: index, with: { dataset: photos } }
  - id: targets
    stage: cache
    with: { datasets: [{ from: images }], teachers: [{ name: tiny.yaml, sizesPx: [64] }], unitRows: 8 }
`,
    );
    const run = ['run', 'p.yaml', '--cache', 'store'];
    const { child, done } = startCli(run, { cwd });
    // there was room when the run began; somebody else takes it when the first unit has been committed
    while (child.exitCode === null && !(await isCommitted(store)))
      await new Promise((resolve) => setTimeout(resolve, 2));
    const taken = await open(join(store, 'ballast'), 'w');
    const chunk = Buffer.alloc(1 << 16);
    await (async () => {
      for (;;) await taken.write(chunk);
    })().catch((error: unknown) => expect(error).toMatchObject({ code: 'ENOSPC' }));
    await taken.close();
    const stopped = await done;
    // in the middle of a part, or seen before the next one was begun
    expect(expectOneMessage(stopped, 5)).toMatch(/the disk is (nearly )?full[\s\S]*next: +free some space/);

    await rm(join(store, 'ballast'));
    const verify = ['cache', 'verify', '--level', 'rows', '--cache', 'store', '--json'];
    const checked = await cli(verify, { cwd });
    const { rows, findings } = JSON.parse(checked.stdout) as {
      rows: number;
      findings: { problem: string }[];
    };
    // a part that was written and could not be listed any more is no damage
    expect(findings.filter(({ problem }) => problem !== 'unlisted')).toEqual([]);
    expect(rows).toBeGreaterThan(0);
    expect(rows).toBeLessThan(240);
    const second = await cli(run, { cwd });
    expect(second, second.stderr).toMatchObject({ code: 0 });
    const [, written, reused] = /^targets: (\d+) written, (\d+) reused$/m.exec(second.stdout)!.map(Number);
    expect(written! + reused!).toBe(240);
    expect(reused).toBeGreaterThanOrEqual(rows);
    expect(await cli(verify, { cwd })).toMatchObject({ code: 0 });
  });
});

it('standard output that is full is trouble of the environment, not success', async ({ skip }) => {
  if (!tried('test', '-c', '/dev/full')) skip('there is no /dev/full here');
  const cwd = await workFolder(1);
  const result = await cli(['teachers', 'ls'], {
    cwd,
    through: ['bash', '-c', 'exec "$@" > /dev/full', 'bash'],
  });
  expect(expectOneMessage(result, 5)).toMatch(/the disk is full[\s\S]*where: +standard output/);
});

it('a reader that leaves early is no error', async () => {
  const cwd = await workFolder(1);
  const result = await cli(['teachers', 'ls', '--json'], {
    cwd,
    through: ['bash', '-c', 'set -o pipefail; "$@" | head -c 10', 'bash'],
  });
  expect(result).toMatchObject({ code: 0, stderr: '' });
});
