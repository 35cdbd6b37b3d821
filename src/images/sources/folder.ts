/** Images of a folder tree, in the byte order of their relative paths: the order does not depend on locale or file system. */
import type { Dirent } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { isUtf8 } from 'node:buffer';
import { z } from 'zod';
import { StillhouseError, systemCodeOf } from '../../core/failure.ts';
import { uriOfBytes } from '../locate.ts';
import type { SourceRecord } from '../source-record.ts';

const folderPart = z.enum(['none', 'top', 'parent']).default('none');

export const folderSourceSchema = z.strictObject({
  kind: z.literal('folder'),
  path: z.string().default('.').describe('The folder, relative to the root.'),
  extensions: z
    .array(z.string().regex(/^[a-z0-9]+$/, 'lower case, without the dot'))
    .min(1)
    .default(['png', 'jpg', 'jpeg', 'webp', 'gif', 'tif', 'tiff', 'avif'])
    .describe('Files with other endings are no records. Case does not matter.'),
  label: folderPart.describe(
    'Take the label from the first folder below the path, or from the one that holds the file.',
  ),
  group: folderPart,
});

export type FolderSource = z.infer<typeof folderSourceSchema>;

/**
 * Links to files and folders are followed; a folder that is its own ancestor is not entered again. A link that leads nowhere
 * is still a record, so that it ends in the ledger.
 * @param root absolute.
 * @param onLeftOut told the ending of each file that is no record, lower case, empty for none.
 * @throws StillhouseError `bad-input` when the folder is missing or cannot be listed.
 */
export async function* folderRecords(
  source: FolderSource,
  root: string,
  onLeftOut: (ending: string) => void = () => undefined,
): AsyncGenerator<SourceRecord> {
  const prefix = source.path === '.' ? '' : `${source.path.replace(/^(\.\/)+|\/+$/g, '')}/`;
  const start = Buffer.from(prefix);
  const endings = new Set(source.extensions);
  const files: Buffer[] = [];
  const rootBytes = Buffer.from(`${root}/`);
  await walk(start, []);
  files.sort((a, b) => Buffer.compare(a, b));
  for (const file of files) {
    const uri = uriOfBytes(file);
    const folders = splitFolders(file.subarray(start.length));
    yield {
      uri,
      name: uri,
      label: partOf(folders, source.label),
      split: null,
      group: partOf(folders, source.group),
    };
  }

  async function walk(folder: Buffer, ancestors: readonly string[]): Promise<void> {
    const absolute = Buffer.concat([rootBytes, folder]);
    const entries = await readdir(absolute, { encoding: 'buffer', withFileTypes: true }).catch(
      unlistable(absolute),
    );
    const { dev, ino } = await stat(absolute);
    const here = `${dev}:${ino}`;
    if (ancestors.includes(here)) return;
    for (const entry of entries) {
      const path = Buffer.concat([folder, entry.name]);
      const kind = await kindOf(entry, Buffer.concat([rootBytes, path]));
      if (kind === 'folder') await walk(Buffer.concat([path, SLASH]), [...ancestors, here]);
      else if (kind === 'file') {
        const ending = endingOf(entry.name);
        if (endings.has(ending)) files.push(path);
        else onLeftOut(ending);
      }
    }
  }
}

const SLASH = Buffer.from('/');

async function kindOf(entry: Dirent<Buffer>, absolute: Buffer): Promise<'file' | 'folder' | 'other'> {
  if (entry.isDirectory()) return 'folder';
  if (entry.isFile()) return 'file';
  if (!entry.isSymbolicLink()) return 'other';
  const target = await stat(absolute).catch((error: unknown) => {
    if (systemCodeOf(error) === undefined) throw error;
    return undefined;
  });
  if (target === undefined) return 'file';
  return target.isDirectory() ? 'folder' : target.isFile() ? 'file' : 'other';
}

function unlistable(folder: Buffer): (cause: unknown) => never {
  return (cause) => {
    throw new StillhouseError(
      {
        kind: 'bad-input',
        what: 'a folder of images cannot be listed',
        where: folder.toString(),
        got: systemCodeOf(cause) ?? 'an error of the system',
        next: 'Check `root` and `source.path` of the dataset header, and the rights of the folder.',
      },
      cause,
    );
  };
}

function endingOf(name: Buffer): string {
  const text = name.toString('latin1');
  const dot = text.lastIndexOf('.');
  return dot < 0 ? '' : text.slice(dot + 1).toLowerCase();
}

function splitFolders(path: Buffer): Buffer[] {
  const folders: Buffer[] = [];
  let from = 0;
  for (let at = path.indexOf(0x2f); at >= 0; at = path.indexOf(0x2f, from)) {
    folders.push(path.subarray(from, at));
    from = at + 1;
  }
  return folders;
}

/** Names that are not UTF-8 stay percent-encoded: a label is text. */
function partOf(folders: readonly Buffer[], part: 'none' | 'top' | 'parent'): string | null {
  const bytes = part === 'none' ? undefined : part === 'top' ? folders[0] : folders.at(-1);
  if (bytes === undefined) return null;
  return isUtf8(bytes) ? bytes.toString('utf8') : uriOfBytes(bytes);
}
