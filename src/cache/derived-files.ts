/**
 * Files that follow from targets and that no list of parts names: statistics and which of them were chosen or noted, and the matrices
 * that lead back from PHI-S space. They are kept for as long as a part of their space is, or for the first two, of the exact space that
 * they were measured on: so that what is stored under a codec later gets the space that is there.
 */
import { join } from 'node:path';
import type { CommitFs } from '../store/commit-fs.ts';
import { listOrNone } from './journal.ts';
import { exactSpaceIdOf, spaceFolderName, spaceIdOf } from './space.ts';
import { readSpaceFiles } from './space-files.ts';
import { readNotes } from './statistics/kept-statistics.ts';
import { listStatistics, readPins, statisticsFile } from './statistics/statistics-files.ts';

const INVERSE = /^([a-z2-7]+)\.npy$/;
const PIN = /^statistics\/([a-z2-7]+)(?:-pool\d+)?\.json$/;

/** Whether a file is one of those that a writer makes before it lists what needs them. */
export const isDerived = (file: string): boolean => /^(?:statistics|inverse)\//.test(file);

/** Every file of that kind, below the cache's root. Names that are none of ours are left out. */
export async function derivedFiles(root: string, fs: CommitFs): Promise<string[]> {
  const inverse = (await listOrNone(join(root, 'inverse'), fs)).filter((name) => INVERSE.test(name));
  return [
    ...(await listStatistics(root, fs)).map(statisticsFile),
    ...(await readPins(root, fs)).flatMap(({ file }) => (PIN.test(file) ? [file] : [])),
    ...(await readNotes(root, fs)).map(({ file }) => file),
    ...inverse.map((name) => `inverse/${name}`),
  ];
}

/** Those that parts need, or that what is stored beside them will. @param parts below the cache's root. */
export async function neededDerived(root: string, parts: readonly string[], fs: CommitFs): Promise<string[]> {
  const folders = new Set(parts.map((file) => file.split('/')[1]!));
  const [ids, exactIds] = [new Set<string>(), new Set<string>()];
  const needed = new Set<string>();
  for (const { descriptor } of await readSpaceFiles(root, fs)) {
    if (descriptor === null || !folders.has(spaceFolderName(descriptor))) continue;
    const id = spaceIdOf(descriptor);
    ids.add(id);
    exactIds.add(exactSpaceIdOf(descriptor));
    needed.add(`inverse/${id}.npy`);
    const { statsSha256 } = descriptor.codec;
    if (statsSha256 !== undefined) needed.add(statisticsFile(statsSha256));
  }
  const keep = ({
    file,
    statsSha256,
  }: {
    readonly file: string;
    readonly statsSha256: string | null;
  }): void => {
    needed.add(file);
    if (statsSha256 !== null) needed.add(statisticsFile(statsSha256));
  };
  for (const pin of await readPins(root, fs)) if (exactIds.has(PIN.exec(pin.file)?.[1] ?? '')) keep(pin);
  for (const note of await readNotes(root, fs)) if (ids.has(note.space)) keep(note);
  return [...needed];
}
