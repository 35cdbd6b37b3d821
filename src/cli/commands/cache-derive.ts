/** `cache derive`: targets under another codec, from what the cache has, without the teacher. */
import { openCatalogue } from '../../cache/catalogue.ts';
import { codecName } from '../../cache/codecs/codec.ts';
import { type Derivation, planDerivation } from '../../cache/derivation.ts';
import { type DerivationRequest, requestedDerivations } from '../../cache/derivation-request.ts';
import { deriveTargets } from '../../cache/derive.ts';
import type { RowKey } from '../../cache/row-key.ts';
import type { CachePlace } from '../../cache/place.ts';
import { holdCatalogue } from '../../cache/reader-lease.ts';
import { spaceError } from '../../cache/space-error.ts';
import { type SpaceDescriptor, codedLabel, spaceIdOf } from '../../cache/space.ts';
import {
  lacksStatistics,
  measureStatistics,
  withPinnedStatistics,
} from '../../cache/statistics/choose-statistics.ts';
import { sampleKeys, sampleViews } from '../../cache/statistics/sample-keys.ts';
import { CacheWriter } from '../../cache/write.ts';
import { writerNameOf } from '../../cache/writer-name.ts';
import { machineClock } from '../../core/clock.ts';
import { bytesText } from '../bytes-text.ts';
import { codecOption } from '../codec-option.ts';
import { usage } from '../common-options.ts';
import { errorText } from '../error-text.ts';
import { printJson } from '../print-json.ts';
import { progressText } from '../progress.ts';
import { StatusLine, standardError } from '../status-line.ts';
import { textTable } from '../table.ts';
import { type StoreOptions, openCache } from './cache-answers.ts';

export interface DeriveOptions extends StoreOptions {
  readonly codec: readonly string[];
  readonly dryRun: boolean;
  readonly statisticsViews?: number;
  readonly seed?: number;
}

interface Planned {
  readonly request: DerivationRequest;
  readonly space: SpaceDescriptor;
  readonly present: number;
  readonly derivations: readonly Derivation[];
}

/** @throws StillhouseError bad-input when a name means no space, or one that is poorer than the codec. */
export async function deriveSpaces(
  names: readonly string[],
  options: DeriveOptions,
  signal: AbortSignal,
): Promise<void> {
  const [name, ...more] = options.codec;
  if (name === undefined || more.length > 0)
    throw usage('cache derive --codec', 'one codec', options.codec.join(' ') || 'none');
  const codec = codecOption(name);
  const place = await openCache(options);
  const { root, fs } = place;
  const catalogue = await openCatalogue(root, { fs });
  const requests = requestedDerivations(catalogue, names, codec);
  if (options.dryRun) {
    const planned = await planAll(place, requests);
    tell(
      options,
      planned.map((one) => describe(one, lacksStatistics(one.space) ? 'measured first' : 'known')),
    );
    return;
  }
  const writer = writerNameOf('reader', machineClock);
  const lease = await holdCatalogue(catalogue, { clock: machineClock, fs, writer });
  try {
    const answers = [];
    for (const one of await planAll(place, requests))
      answers.push(await carryOut(place, one, { ...options, signal }));
    tell(options, answers);
  } finally {
    await lease.release();
  }
}

async function planAll(place: CachePlace, requests: readonly DerivationRequest[]): Promise<Planned[]> {
  const { root, fs } = place;
  const planned: Planned[] = [];
  for (const request of requests) {
    const space = await withPinnedStatistics(root, request.space, fs);
    planned.push(await planFor(place, request, space));
  }
  return planned;
}

async function planFor(
  { root, fs }: CachePlace,
  request: DerivationRequest,
  space: SpaceDescriptor,
): Promise<Planned> {
  const catalogue = await openCatalogue(root, { only: new Set([spaceIdOf(space)]), fs });
  const present = catalogue.spaces.get(spaceIdOf(space))?.rows;
  const taken = new Set<RowKey>();
  const derivations = request.sources.map((source) => {
    const keys = [...source.rows.keys()].filter((key) => !taken.has(key));
    keys.forEach((key) => taken.add(key));
    return planDerivation({ space, source, present, keys });
  });
  return { request, space, present: present?.size ?? 0, derivations };
}

async function carryOut(
  place: CachePlace,
  planned: Planned,
  options: DeriveOptions & { readonly signal: AbortSignal },
): Promise<Answer> {
  const { root, fs } = place;
  const { signal } = options;
  const status = new StatusLine(standardError());
  const label = codedLabel(planned.space);
  const started = { done: 0, atMs: machineClock.elapsedMs() };
  const progress =
    (unit: string) =>
    (done: number, total: number): void => {
      const now = machineClock.elapsedMs();
      status.status(() => `  ${label}: ${progressText({ done, total, unit }, started, now)}`, now);
    };
  let failed = 0;
  let ready = planned;
  try {
    if (lacksStatistics(planned.space))
      ready = await measuredFirst(place, planned, { ...options, onProgress: progress('targets measured') });
    const { writer } = await CacheWriter.open({
      root,
      fs,
      writer: writerNameOf('derive', machineClock),
      clock: machineClock,
      onWarning: (text) => status.line(text),
      tellsRates: false,
    });
    try {
      for (const derivation of ready.derivations) {
        const onProgress = progress('targets');
        failed += (await deriveTargets({ root, fs, derivation, writer, signal, onProgress })).failed;
      }
      await writer.close();
    } finally {
      await writer.abandon();
    }
  } finally {
    status.end();
  }
  const id = spaceIdOf(ready.space);
  const space = (await openCatalogue(root, { only: new Set([id]), fs })).spaces.get(id);
  return { ...describe(ready, 'known'), failed, error: space === undefined ? null : spaceError(space) };
}

async function measuredFirst(
  place: CachePlace,
  { request }: Planned,
  options: DeriveOptions & {
    readonly signal: AbortSignal;
    readonly onProgress: (done: number, total: number) => void;
  },
): Promise<Planned> {
  const { signal, onProgress, statisticsViews, seed = 0 } = options;
  const source = request.sources.reduce((most, one) => (one.rows.size > most.rows.size ? one : most));
  const usable = [...source.rows.keys()].filter((key) => {
    const { part, row } = source.rows.get(key)!;
    return part.index.ok[row] === 1;
  });
  const keys = sampleKeys(usable, statisticsViews ?? sampleViews(request.space.shape), seed);
  const space = await measureStatistics({
    root: place.root,
    fs: place.fs,
    clock: machineClock,
    space: request.space,
    source,
    keys,
    signal,
    onProgress,
  });
  return planFor(place, request, space);
}

interface Answer {
  readonly space: string;
  /** Null while the statistics that it is built from are not known. */
  readonly id: string | null;
  readonly from: string;
  readonly statistics: 'known' | 'measured first';
  readonly rows: number;
  readonly present: number;
  readonly bytes: number;
  readonly failed: number | null;
  readonly error: ReturnType<typeof spaceError>;
}

function describe(
  { space, request, present, derivations }: Planned,
  statistics: Answer['statistics'],
): Answer {
  return {
    space: codedLabel(space),
    id: statistics === 'known' ? spaceIdOf(space) : null,
    from: request.sources.map(({ descriptor }) => codecName(descriptor.codec)).join(', '),
    statistics,
    rows: derivations.reduce((sum, { rows }) => sum + rows, 0),
    present,
    bytes: derivations.reduce((sum, { bytesToWrite }) => sum + bytesToWrite, 0),
    failed: null,
    error: null,
  };
}

function tell({ json, dryRun }: DeriveOptions, answers: readonly Answer[]): void {
  if (json) {
    printJson({ dryRun, spaces: answers.map((answer) => ({ ...answer })) });
    return;
  }
  const header = ['space', 'from', 'rows', 'there', 'size', dryRun ? 'statistics' : 'failed'];
  const rows = answers.map((a) => [
    a.space,
    a.from,
    a.rows,
    a.present,
    bytesText(a.bytes),
    dryRun ? a.statistics : a.failed,
  ]);
  const errors = answers.map(({ error }) => errorText(error));
  process.stdout.write(
    `${
      dryRun
        ? textTable(header, rows)
        : textTable(
            [...header, 'cosine', 'worst', 'MSE', 'worst'],
            rows.map((row, i) => [...row, ...errors[i]!]),
          )
    }\n`,
  );
  if (dryRun) process.stdout.write('nothing was written: without --dry-run this is done\n');
}
