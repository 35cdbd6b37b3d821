/** Keeping a cache in order: sizes, tags, dropping, collecting, quotas. */
import { extname, join } from 'node:path';
import { openCatalogue } from '../../cache/catalogue.ts';
import { type CollectOptions, collectGarbage, restoreTrash, spanOption } from '../../cache/collect.ts';
import { readDatasets } from '../../cache/datasets.ts';
import { dropSpaces } from '../../cache/drop.ts';
import { listOrNone } from '../../cache/journal.ts';
import { publishSnapshot } from '../../cache/publish.ts';
import { type Quota, readQuota, usageOf, writeQuota } from '../../cache/quota.ts';
import { targetKeyOf } from '../../cache/row-key.ts';
import { codedLabel } from '../../cache/space.ts';
import { writerNameOf } from '../../cache/writer-name.ts';
import { TAG_NAME, readTags, setTag } from '../../cache/tags.ts';
import { machineClock } from '../../core/clock.ts';
import type { CommitFs } from '../../store/commit-fs.ts';
import { bytesText } from '../bytes-text.ts';
import { usage } from '../common-options.ts';
import { printJson } from '../print-json.ts';
import { textTable } from '../table.ts';
import { type StoreOptions, openCache } from './cache-answers.ts';

export type DropOptions = StoreOptions;

export interface TagOptions extends StoreOptions {
  readonly snapshot?: number;
  readonly from?: number;
  readonly delete: boolean;
  readonly note: string;
}

export interface GcOptions extends StoreOptions {
  readonly keep: number;
  readonly grace: string;
  readonly dryRun: boolean;
  readonly restore: boolean;
}

export interface QuotaOptions extends StoreOptions {
  readonly soft?: number;
  readonly hard?: number;
  readonly spaceSoft?: number;
  readonly spaceHard?: number;
}

const say = (line: string): void => void process.stdout.write(`${line}\n`);

async function store(options: StoreOptions) {
  const { root, fs } = await openCache(options);
  const writer = writerNameOf('upkeep', machineClock);
  return { root, writer, clock: machineClock, fs };
}

/** Bytes of parts, where a row that several datasets share counts for each of them. */
export async function weighCache(options: StoreOptions): Promise<void> {
  const { root, fs } = await store(options);
  const catalogue = await openCatalogue(root, { fs });
  const datasets = await readDatasets(root, fs);
  const spaces = [...catalogue.spaces.values()].map((space) => ({
    space: codedLabel(space.descriptor),
    id: space.id,
    teacher: space.descriptor.teacher.name,
    rows: space.rows.size,
    bytes: space.parts.reduce((sum, { entry }) => sum + entry.sizeBytes, 0),
  }));
  const sumBy = (key: (space: (typeof spaces)[number]) => string): Record<string, number> => {
    const sums: Record<string, number> = {};
    for (const space of spaces) sums[key(space)] = (sums[key(space)] ?? 0) + space.bytes;
    return sums;
  };
  const byDataset = datasets.map((dataset) => {
    let bytes = 0;
    for (const space of catalogue.spaces.values())
      for (const key of space.rows.keys())
        if (dataset.images.has(targetKeyOf(key).image)) bytes += space.rows.get(key)!.part.layout.rowBytes;
    return {
      dataset: dataset.name,
      digest: dataset.digest,
      images: dataset.images.size,
      payloadBytes: bytes,
    };
  });
  const other: Record<string, number> = {};
  for (const folder of [
    'index',
    'log',
    'snapshots',
    'statistics',
    'inverse',
    'spaces',
    'datasets',
    'trash',
    'quarantine',
  ])
    other[folder] = await folderBytes(join(root, folder), fs);
  const answer = {
    root: options.cache,
    spaces,
    teachers: sumBy(({ teacher }) => teacher),
    datasets: byDataset,
    other,
  };
  if (options.json) {
    printJson(answer);
    return;
  }
  say(
    textTable(
      ['space', 'rows', 'size'],
      spaces.map((s) => [s.space, s.rows, bytesText(s.bytes)]),
    ),
  );
  say('');
  say(
    textTable(
      ['teacher', 'size'],
      Object.entries(answer.teachers).map(([name, size]) => [name, bytesText(size)]),
    ),
  );
  if (byDataset.length > 0) {
    say('');
    say(
      textTable(
        ['dataset', 'images', 'payload'],
        byDataset.map((d) => [d.dataset, d.images, bytesText(d.payloadBytes)]),
      ),
    );
  }
  say('');
  say(
    textTable(
      ['other', 'size'],
      Object.entries(other).map(([name, size]) => [name, bytesText(size)]),
    ),
  );
}

async function folderBytes(path: string, fs: CommitFs): Promise<number> {
  let sum = 0;
  for (const name of await listOrNone(path, fs)) {
    const inner = join(path, name);
    // names of folders have no dot
    const isFile = extname(name) !== '';
    sum += isFile ? await fs.sizeBytes(inner) : await folderBytes(inner, fs);
  }
  return sum;
}

/** @throws StillhouseError bad-input when the tag is not where `--from` says. */
export async function tagCache(name: string | null, options: TagOptions): Promise<void> {
  const at = await store(options);
  if (name !== null) {
    if (!TAG_NAME.test(name)) throw usage('cache tag', 'a name of a-z, 0-9, dot, dash, underscore', name);
    const expected = options.delete ? 'any' : (options.from ?? null);
    const n = options.delete ? null : (options.snapshot ?? (await publishSnapshot(at)).body.n);
    await setTag({ ...at, name, n, expected, note: options.note });
  }
  const tags = await readTags(at.root, at.fs);
  if (options.json) printJson({ tags: tags.map((tag) => ({ ...tag })) });
  else
    say(
      textTable(
        ['tag', 'snapshot', 'set', 'note'],
        tags.map((t) => [t.name, t.n, t.at, t.note]),
      ),
    );
}

/** @throws StillhouseError bad-input when a name means no space. */
export async function dropFromCache(names: readonly string[], options: DropOptions): Promise<void> {
  const at = await store(options);
  const dropped = [];
  for (const name of names) dropped.push(await dropSpaces(at, name));
  const sum = {
    spaces: dropped.flatMap(({ spaces }) => spaces),
    parts: dropped.reduce((total, { parts }) => total + parts, 0),
    bytes: dropped.reduce((total, { bytes }) => total + bytes, 0),
  };
  if (options.json) printJson(sum);
  else
    say(
      `${sum.spaces.join(', ')}: ${sum.parts} parts, ${bytesText(sum.bytes)} off the list; \`cache gc\` removes them once no snapshot needs them`,
    );
}

export async function collectCache(options: GcOptions): Promise<void> {
  const at = await store(options);
  if (options.restore) {
    const restored = await restoreTrash(at);
    if (options.json) printJson({ restored });
    else say(`${restored.length} files brought back`);
    return;
  }
  const how: CollectOptions = {
    ...at,
    keepSnapshots: options.keep,
    graceMs: spanOption(options.grace),
    dryRun: options.dryRun,
  };
  const result = await collectGarbage(how);
  if (options.json) {
    printJson({ dryRun: options.dryRun, ...result });
    return;
  }
  say(
    `${result.kept.parts} parts needed, snapshots ${result.kept.snapshots.join(', ') || 'none'} kept${result.kept.pinned.length > 0 ? ` (pinned: ${result.kept.pinned.join(', ')})` : ''}`,
  );
  say(
    `${result.swept.length} files, ${bytesText(result.sweptBytes)} ${options.dryRun ? 'would be moved' : 'moved'} to trash; ${result.purged.length} times of trash deleted`,
  );
  for (const file of result.swept) say(`  ${file}`);
}

export async function limitCache(options: QuotaOptions): Promise<void> {
  const { root, fs } = await store(options);
  const before = await readQuota(root, fs);
  const limit = (asked: number | undefined, was: number | undefined): number | undefined =>
    asked === undefined ? was : asked === 0 ? undefined : asked;
  const limits = (soft: number | undefined, hard: number | undefined) =>
    soft === undefined && hard === undefined
      ? undefined
      : {
          ...(soft === undefined ? {} : { softBytes: soft }),
          ...(hard === undefined ? {} : { hardBytes: hard }),
        };
  const total = limits(
    limit(options.soft, before.total?.softBytes),
    limit(options.hard, before.total?.hardBytes),
  );
  const space = limits(
    limit(options.spaceSoft, before.space?.softBytes),
    limit(options.spaceHard, before.space?.hardBytes),
  );
  const quota: Quota = {
    ...(total === undefined ? {} : { total }),
    ...(space === undefined ? {} : { space }),
  };
  const asked = [options.soft, options.hard, options.spaceSoft, options.spaceHard];
  if (asked.some((value) => value !== undefined)) await writeQuota(root, quota, fs);
  const used = await usageOf(root, fs);
  if (options.json) {
    printJson({ quota: { ...quota }, usedBytes: used.totalBytes, spaces: Object.fromEntries(used.bySpace) });
    return;
  }
  const text = (value: number | undefined): string => (value === undefined ? 'none' : bytesText(value));
  say(
    textTable(
      ['of', 'used', 'soft', 'hard'],
      [
        ['the cache', bytesText(used.totalBytes), text(total?.softBytes), text(total?.hardBytes)],
        ...[...used.bySpace].map(([name, size]) => [
          name,
          bytesText(size),
          text(space?.softBytes),
          text(space?.hardBytes),
        ]),
      ],
    ),
  );
}
