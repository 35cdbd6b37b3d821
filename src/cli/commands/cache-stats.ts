/** `cache stats`: figures of the features in a cache, and how well maps interpolate between the sizes that are there. */
import { type CachedSpace, openCatalogue } from '../../cache/catalogue.ts';
import { codecName } from '../../cache/codecs/codec.ts';
import { spacesNamed } from '../../cache/named-spaces.ts';
import { holdCatalogue } from '../../cache/reader-lease.ts';
import { codedLabel } from '../../cache/space.ts';
import { type Interpolation, measureInterpolation, sizePairs } from '../../cache/statistics/interpolation.ts';
import { type KeptStatistics, figuresOf, keptStatistics } from '../../cache/statistics/kept-statistics.ts';
import { keepsFeatures } from '../../cache/statistics/measure-space.ts';
import { writerNameOf } from '../../cache/writer-name.ts';
import type { Json } from '../../core/canonical-json.ts';
import { machineClock } from '../../core/clock.ts';
import { printJson } from '../print-json.ts';
import { progressText } from '../progress.ts';
import { StatusLine, standardError } from '../status-line.ts';
import { textTable } from '../table.ts';
import { type StoreOptions, openCache } from './cache-answers.ts';

export interface StatsOptions extends StoreOptions {
  readonly interpolation: boolean;
  readonly rows?: number;
}

/** Maps that are compared where nobody says how many: mean and quantiles are known to two digits by then. */
const INTERPOLATION_ROWS = 1000;

/** @throws StillhouseError bad-input when a name means no space, integrity when a part is damaged */
export async function measureCache(
  names: readonly string[],
  options: StatsOptions,
  signal: AbortSignal,
): Promise<void> {
  const { root, fs } = await openCache(options);
  const catalogue = await openCatalogue(root, { fs });
  const spaces = spacesNamed(catalogue, names).sort(byLabel);
  const writer = writerNameOf('reader', machineClock);
  const lease = await holdCatalogue(catalogue, { clock: machineClock, fs, writer });
  const progress = progressLine();
  const measured: Measured[] = [];
  const leftOut: { space: string; reason: string }[] = [];
  const interpolations: Interpolation[] = [];
  try {
    for (const space of spaces) {
      const label = codedLabel(space.descriptor);
      if (!keepsFeatures(space.descriptor)) {
        leftOut.push({
          space: label,
          reason: `${codecName(space.descriptor.codec)} stores something else than what the teacher said`,
        });
        continue;
      }
      const onProgress = progress.of(label);
      const kept = await keptStatistics({
        space,
        clock: machineClock,
        rows: options.rows,
        signal,
        onProgress,
      });
      if (kept === null) leftOut.push({ space: label, reason: 'no row is usable' });
      else measured.push({ space, kept });
    }
    if (options.interpolation)
      for (const pair of sizePairs(spaces)) {
        const onProgress = progress.of(
          `${codedLabel(pair.low.descriptor)} at ${pair.high.descriptor.sizePx} px`,
        );
        const rows = options.rows ?? INTERPOLATION_ROWS;
        const found = await measureInterpolation({ ...pair, rows, signal, onProgress });
        if (found !== null) interpolations.push(found);
      }
  } finally {
    progress.end();
    await lease.release();
  }
  const answer = { measured, leftOut, interpolations: options.interpolation ? interpolations : null };
  if (options.json) printJson(documentOf(options.cache, answer));
  else process.stdout.write(textOf(answer));
}

const byLabel = (a: CachedSpace, b: CachedSpace): number =>
  codedLabel(a.descriptor) < codedLabel(b.descriptor) ? -1 : 1;

interface Measured {
  readonly space: CachedSpace;
  readonly kept: KeptStatistics;
}

interface Answer {
  readonly measured: readonly Measured[];
  readonly leftOut: readonly { readonly space: string; readonly reason: string }[];
  /** Null when it was not asked for. */
  readonly interpolations: readonly Interpolation[] | null;
}

function documentOf(root: string, { measured, leftOut, interpolations }: Answer): Json {
  return {
    root,
    spaces: measured.map(({ space, kept }) => ({ ...figuresOf(space, kept), reused: kept.isReused })),
    leftOut: leftOut as unknown as Json,
    ...(interpolations === null ? {} : { interpolation: interpolations as unknown as Json }),
  };
}

function textOf({ measured, leftOut, interpolations }: Answer): string {
  const blocks: string[] = [];
  if (measured.length > 0)
    blocks.push(
      textTable(
        [
          'space',
          'rows',
          'tokens',
          'channels',
          'phi',
          'std',
          'max abs',
          'rank',
          'dispersion',
          'position',
          'chance',
          'from',
        ],
        measured.map(({ space, kept }) => {
          const facts = figuresOf(space, kept);
          return [
            facts.space,
            facts.rows,
            facts.tokens,
            facts.channels,
            digits(facts.phi),
            `${digits(facts.std.min)}..${digits(facts.std.max)}`,
            digits(facts.maxAbs),
            digits(facts.rankMe),
            facts.angularDispersion === null ? null : digits(facts.angularDispersion),
            facts.position && percent(facts.position.share),
            facts.position && percent(facts.position.byChance),
            kept.isReused ? 'kept' : 'measured',
          ];
        }),
      ),
    );
  if (interpolations !== null)
    blocks.push(
      interpolations.length === 0
        ? 'interpolation: no teacher has usable maps of the same images at two sizes'
        : textTable(
            ['map', 'codec', 'from px', 'to px', 'rows', 'cosine', 'p05', 'worst', 'other image'],
            interpolations.map((one) => [
              one.teacher,
              one.codec,
              one.lowPx,
              one.highPx,
              one.measured === one.rows ? `${one.rows}` : `${one.measured} of ${one.rows}`,
              one.mean.toFixed(4),
              one.p05.toFixed(4),
              one.worst.toFixed(4),
              one.otherImage === null ? null : one.otherImage.toFixed(4),
            ]),
          ),
    );
  if (leftOut.length > 0)
    blocks.push(leftOut.map(({ space, reason }) => `${space}: not measured, ${reason}`).join('\n'));
  return `${blocks.join('\n\n')}\n`;
}

const digits = (x: number): string => `${Number(x.toPrecision(4))}`;
const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

function progressLine() {
  const line = new StatusLine(standardError());
  return {
    of: (label: string) => {
      let first: { done: number; atMs: number } | null = null;
      line.begin(machineClock.elapsedMs());
      return (done: number, total: number): void => {
        const now = machineClock.elapsedMs();
        first ??= { done, atMs: now };
        const since = first;
        line.status(() => `${label}: ${progressText({ done, total, unit: 'rows' }, since, now)}`, now);
      };
    },
    end: () => line.end(),
  };
}
