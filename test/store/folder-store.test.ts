import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { folderStore } from '../../src/store/folder-store.ts';
import { failing } from '../support/failing.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { objectStoreContract } from './object-store-contract.ts';

objectStoreContract('a folder', async () => folderStore(await tempFolder()));

it('a folder store whose root is a file says so, with exit code 5', async () => {
  const root = join(await tempFolder(), 'file');
  await writeFile(root, '');
  await expect(folderStore(root).put('a/b', Buffer.from('x'))).rejects.toThrow(failing(5, {}));
});

it('a folder store without the right to write says so, with exit code 5', async ({ skip }) => {
  if (process.getuid?.() === 0) skip('root may write anywhere');
  const root = await tempFolder();
  await mkdir(join(root, 'a'));
  await chmod(join(root, 'a'), 0o555);
  await expect(folderStore(root).put('a/b', Buffer.from('x'))).rejects.toThrow(
    failing(5, { what: 'no permission' }),
  );
});
