/** `audit diff` through the command as users run it. */
import { copyFile, cp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { smallRun } from '../stages/small-run.ts';
import { copySides, emojiNames } from '../support/emoji-folder.ts';
import { cli } from '../support/run-cli.ts';
import { tempFolder } from '../support/temp-folder.ts';

const STAGES = [
  { id: 'train-images', stage: 'index', with: { dataset: 'train', split: 'train' } },
  { id: 'eval-images', stage: 'index', with: { dataset: 'eval', split: 'eval' } },
  { id: 'audit', stage: 'audit', with: { train: 'train-images', eval: 'eval-images', canaries: 0 } },
  { id: 'gate', stage: 'gate', with: { audit: 'audit', policy: 'policy.yaml' } },
];

describe('audit diff', () => {
  it('tells what appeared, vanished and changed, refuses new copies when asked to, and names what is no audit', async () => {
    const folder = await tempFolder();
    const names = await emojiNames(8);
    await copySides(folder, names);
    await writeFile(
      join(folder, 'policy.yaml'),
      'version: 1\npairs: { train-eval: { maxExact: 0 } }\nrequireCanaries: false\n',
    );
    await smallRun(folder, STAGES);
    await cp(join(folder, 'out', 'small'), join(folder, 'out', 'first'), { recursive: true });
    await copyFile(join(folder, 'eval', names[0]!), join(folder, 'train', 'leak.png'));
    await rm(join(folder, 'train', names[1]!));
    await smallRun(folder, STAGES);
    const diff = (...args: string[]) => cli(['audit', 'diff', ...args], { cwd: folder });

    const [text, json, refused, missing] = await Promise.all([
      diff('out/first', 'out/small'),
      diff('out/small', 'out/first/audit', '--json', '--refuse-new'),
      diff('out/first', 'out/small', '--refuse-new'),
      diff('out/first', 'train'),
    ]);
    expect(text.code).toBe(0);
    expect(text.stdout).toMatch(/^train +8 +8 +7 +1 +1 +0$/m);
    expect(text.stdout).toMatch(/^byte +train-eval +0 of 8 .* 1 of 8 .* overlap$/m);
    expect(text.stdout).toMatch(/train-eval .*: none -> exact \(image\)/);
    expect(text.stdout).toContain('gate: pass -> violated\n  pairs/train-eval/maxExact: pass -> violated');
    // turned round, the copy vanishes: nothing to refuse
    expect(json.code).toBe(0);
    const { pairs, gate } = JSON.parse(json.stdout) as {
      pairs: { counts: { type: string; vanished: object }[] };
      gate: object;
    };
    expect(pairs.counts.find(({ type }) => type === 'train-eval')!.vanished).toEqual({
      images: 1,
      evidence: 0,
    });
    expect(gate).toMatchObject({ before: 'violated', after: null });
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain('copies between two sets appeared');
    expect(missing.code).toBe(3);
    expect(missing.stderr).toContain('this is no finished audit');
  });
});
