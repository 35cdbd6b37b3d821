/** The file system without fsync: for tests that run hundreds of commits and pull no plug. */
import { mkdir, writeFile } from 'node:fs/promises';
import { type CommitFs, nodeFs } from '../../src/store/commit-fs.ts';

export const quickFs: CommitFs = {
  ...nodeFs,
  makeFolder: async (path) => {
    await mkdir(path, { recursive: true });
  },
  writeNew: (path, bytes) =>
    writeFile(path, bytes instanceof Uint8Array ? bytes : Buffer.concat(bytes), { flag: 'wx' }),
  syncFolder: () => Promise.resolve(),
};
