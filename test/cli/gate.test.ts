/** Exit codes of an audit with a policy, through the command as users run it. */
import { copyFile, readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { copySides, emojiNames } from '../support/emoji-folder.ts';
import { cli } from '../support/run-cli.ts';
import { tempFolder } from '../support/temp-folder.ts';

describe('an audit with a policy', () => {
  it('exits 0, 1, 3 and 4 for pass, violated, bad policy and not measurable, and leaves its report each time', async () => {
    const folder = await tempFolder();
    const names = await emojiNames(12);
    await copySides(folder, names);
    const gate = async (policy: string) => {
      await writeFile(join(folder, 'policy.yaml'), `version: 1\n${policy}\n`);
      return cli(['audit', '--train', 'train', '--eval', 'eval', '--policy', 'policy.yaml'], {
        cwd: folder,
      });
    };
    expect((await gate('pairs: { train-eval: { maxExact: 0 } }')).code).toBe(0);
    await copyFile(join(folder, 'eval', names[0]!), join(folder, 'train', 'leak.png'));
    const refused = await gate('pairs: { train-eval: { maxExact: 0 } }');
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain('pairs/train-eval/maxExact: measured 1, limit 0');
    expect(refused.stdout).toContain('report:');
    expect(await readdir(join(folder, 'out', 'audit', 'gate'))).toEqual(
      expect.arrayContaining(['gate.json', 'gate.sarif', 'junit.xml']),
    );
    expect(await readFile(join(folder, 'out', 'audit', 'gate', 'junit.xml'), 'utf8')).toContain(
      'failures="1"',
    );
    expect((await gate('calibration: { minRecall: 0.1 }')).code).toBe(4);
    const unknown = await gate('pears: {}');
    expect(unknown.code).toBe(3);
    expect(unknown.stderr).toContain('pairs');
  });
});
