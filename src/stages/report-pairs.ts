/** Pairs of an audit for its report: which ones to show, and how the scores of all lie. */
import { type EvidencePair, type Threshold, isWithin, meets } from '../audit/evidence.ts';
import type { PairExample, PairType, ScoreHistogram } from '../report/input.ts';
import type { Located } from './report-images.ts';
import { thumbnailOf } from './thumbnails.ts';

/** Matches between two sets may need a judgement each; of the rest, a few show what they are like. */
const MATCHES_PER_GROUP = 60;
const OTHERS_PER_GROUP = 12;
const BINS = 40;

/** The report says the evaluation side first, as its galleries show it. */
const TYPES: Readonly<Record<string, PairType>> = {
  'train-eval': 'eval-train',
  'train-val': 'val-train',
  'val-eval': 'eval-val',
};
export const typeOf = (type: string): PairType => TYPES[type] ?? (type as PairType);

/** The closest pairs of every level and type. */
export async function examplesOf(
  pairs: readonly EvidencePair[],
  thresholds: readonly Threshold[],
  images: ReadonlyMap<string, Located>,
): Promise<PairExample[]> {
  const groups = new Map<string, EvidencePair[]>();
  for (const pair of pairs) {
    const key = `${pair.type} ${pair.evidence.level}`;
    const group = groups.get(key);
    if (group) group.push(pair);
    else groups.set(key, [pair]);
  }
  const examples: PairExample[] = [];
  const thumbnails = new Map<string, PairExample['left']>();
  const pictureOf = async (id: string, { row, places }: Located): Promise<PairExample['left']> => {
    const known = thumbnails.get(id) ?? (await thumbnailOf(row, places));
    thumbnails.set(id, known);
    return known;
  };
  for (const group of groups.values()) {
    const [first] = group;
    const most = (pair: EvidencePair, at: number): boolean =>
      at < OTHERS_PER_GROUP ||
      (at < MATCHES_PER_GROUP && !isWithin(first!.type) && meets(pair.evidence, thresholds));
    const closest = [...group].sort((x, y) => scoreOf(x, 'order') - scoreOf(y, 'order')).filter(most);
    for (const pair of closest) {
      const [a, b] = [images.get(pair.a), images.get(pair.b)];
      if (!a || !b) continue;
      const [left, right] = isWithin(pair.type) ? ([pair.a, pair.b] as const) : ([pair.b, pair.a] as const);
      examples.push({
        pairType: typeOf(pair.type),
        waiver: { type: pair.type, a: pair.a, b: pair.b },
        left: await pictureOf(left, images.get(left)!),
        right: await pictureOf(right, images.get(right)!),
        level: pair.evidence.level,
        score: scoreOf(pair, 'shown'),
        verdict: meets(pair.evidence, thresholds) ? matchWord(pair) : 'listed, no match',
      });
    }
  }
  return examples;
}

function matchWord({ evidence }: EvidencePair): string {
  if ('distance' in evidence) return 'near';
  if ('ncc' in evidence) return 'pixels agree';
  return 'cosine' in evidence ? 'similar' : 'exact';
}

/** For sorting, closer is lower; as shown, the distance or the cosine itself. */
function scoreOf({ evidence }: EvidencePair, use: 'order' | 'shown'): number {
  if ('distance' in evidence) return evidence.distance;
  if ('ncc' in evidence) return use === 'order' ? -evidence.ncc : evidence.ncc;
  if ('cosine' in evidence) return use === 'order' ? -evidence.cosine : evidence.cosine;
  return use === 'order' ? 0 : 1;
}

/** One histogram per level that has scores, one series per pair type; distances in whole bits, the others in 40 bins. */
export function scoreHistograms(pairs: readonly EvidencePair[]): ScoreHistogram[] {
  const levels = [...new Set(pairs.filter(hasScore).map(({ evidence }) => evidence.level))];
  return levels.map((level) => {
    const own = pairs.filter(({ evidence }) => evidence.level === level);
    const isDistance = level === 'phash' || level === 'dhash';
    const values = own.map((pair) => scoreOf(pair, 'shown'));
    const low = isDistance ? 0 : Math.floor(least(values) * BINS) / BINS;
    const high = isDistance ? -least(values.map((value) => -value)) + 1 : 1;
    const bins = isDistance ? high : Math.max(1, Math.round((high - low) * BINS));
    const edges = Array.from({ length: bins + 1 }, (_, i) => low + ((high - low) * i) / bins);
    const byType = new Map<PairType, number[]>();
    own.forEach((pair, i) => {
      const counts = byType.get(typeOf(pair.type)) ?? new Array<number>(bins).fill(0);
      byType.set(typeOf(pair.type), counts);
      const bin = Math.floor(((values[i]! - low) / (high - low)) * bins);
      counts[Math.min(bins - 1, Math.max(0, bin))]! += 1;
    });
    return {
      level,
      score: isDistance ? 'bits that differ' : level === 'verified' ? 'correlation' : 'cosine similarity',
      edges,
      series: [...byType].map(([pairType, counts]) => ({ pairType, counts })),
    };
  });
}

const hasScore = ({ evidence }: EvidencePair): boolean =>
  evidence.level !== 'byte' && evidence.level !== 'pixel';

/** Of any number of values: spreading them into Math.min overflows the stack. */
const least = (values: readonly number[]): number =>
  values.reduce((low, value) => Math.min(low, value), Infinity);
