/** Damage of what a cache remembers by: journals, snapshots and their index files, tags, statistics. Looks, and changes nothing. */
import { join } from 'node:path';
import { sha256 } from '../core/digest.ts';
import { isStillhouseError } from '../core/failure.ts';
import type { CommitFs } from '../store/commit-fs.ts';
import { tagTrouble } from './collect-roots.ts';
import type { Finding } from './finding.ts';
import { readJournals } from './journal.ts';
import { snapshotFile, snapshotNumbers, tryReadSegment, tryReadSnapshot } from './snapshot.ts';
import { type SpaceDescriptor, codedLabel, spaceIdOf } from './space.ts';
import { listStatistics, readPins, statisticsFile } from './statistics/statistics-files.ts';
import { readTag, tagFile, tagNames } from './tags.ts';

/** Damage of what the cache remembers by: journal entries, snapshots, index files. */
export async function recordFindings(root: string, fs: CommitFs): Promise<Finding[]> {
  const findings: Finding[] = [];
  await readJournals(root, fs, {
    onDamage: ({ failure }, file) =>
      findings.push({ file, problem: 'journal', detail: failure.got ?? failure.what }),
  });
  /** What is wrong with an index file, null for a sound one; snapshots share them. */
  const indexes = new Map<string, string | null>();
  for (const n of await snapshotNumbers(root, fs)) {
    const found = await tryReadSnapshot(root, n, fs);
    if (found === null) continue;
    if ('trouble' in found) {
      findings.push({ file: snapshotFile(n), problem: 'snapshot', detail: found.trouble });
      continue;
    }
    for (const segment of Object.values(found.body.spaces).flat()) {
      if (!indexes.has(segment.file)) {
        const parts = await tryReadSegment(root, segment, fs);
        const trouble = 'trouble' in parts ? parts.trouble : null;
        indexes.set(segment.file, trouble);
        if (trouble !== null)
          findings.push({ file: `index/${segment.file}`, problem: 'index', detail: trouble });
      }
      if (indexes.get(segment.file) !== null)
        findings.push({
          file: snapshotFile(n),
          problem: 'snapshot',
          detail: `names the damaged index file ${segment.file}`,
        });
    }
  }
  return [...findings, ...(await tagFindings(root, fs))];
}

/** Tags that cannot be understood, and those whose snapshot is not the one they name. */
async function tagFindings(root: string, fs: CommitFs): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const name of await tagNames(root, fs)) {
    const trouble = await readTag(root, name, fs).then(
      (tag) => tag && tagTrouble(root, tag, fs),
      (error: unknown) => {
        if (isStillhouseError(error, 'integrity')) return error.failure.got ?? error.failure.what;
        throw error;
      },
    );
    if (trouble !== null) findings.push({ file: tagFile(name), problem: 'tag', detail: trouble });
  }
  return findings;
}

/** Files of statistics that were changed, choices that cannot be read, and spaces whose codec cannot be built. */
export async function statisticsFindings(
  root: string,
  spaces: readonly SpaceDescriptor[],
  fs: CommitFs,
): Promise<Finding[]> {
  const findings: Finding[] = [];
  const sound = new Set<string>();
  for (const digest of await listStatistics(root, fs)) {
    const file = statisticsFile(digest);
    if (sha256(await fs.read(join(root, file))) === digest) sound.add(digest);
    else
      findings.push({ file, problem: 'statistics', detail: 'the bytes are not the ones that were written' });
  }
  for (const { file, statsSha256 } of await readPins(root, fs))
    if (statsSha256 === null || !sound.has(statsSha256))
      findings.push({
        file,
        problem: 'statistics',
        detail: statsSha256 === null ? 'cannot be read' : `chooses ${statsSha256}, which is gone or changed`,
      });
  for (const space of spaces) {
    const { statsSha256 } = space.codec;
    if (statsSha256 !== undefined && !sound.has(statsSha256))
      findings.push({
        file: `spaces/${spaceIdOf(space)}.json`,
        problem: 'space',
        detail: `${codedLabel(space)} cannot be decoded: its statistics ${statsSha256} are gone or changed`,
        isSound: true,
      });
  }
  return findings;
}
