// A report input of realistic size: the made-up facts of the golden case, with longer curves and many real thumbnails
// (emoji of two vendors, from the packages that the demo uses).
import { readFileSync } from 'node:fs';
import type {
  DetectionCurve,
  LossCurve,
  PairExample,
  ReportInput,
  Thumbnail,
} from '../../src/report/input.ts';

const root = new URL('../..', import.meta.url);

/** The facts of the golden case; small, with one-pixel thumbnails. */
export function goldenInput(): ReportInput {
  return JSON.parse(readFileSync(new URL('test/golden/report/input.json', root), 'utf8')) as ReportInput;
}

export const HOSTILE_NAME = "\"><script>alert(1)</script>\n\u202e\ud800 & 'x'.png";

/** @param pairCount how many gallery pairs, each with two thumbnails. */
export function sampleInput(pairCount = 48): Required<ReportInput> {
  const input = goldenInput() as Required<ReportInput>;
  const all = emoji();
  const { audit, curate, training, ledger } = input;
  return {
    ...input,
    audit: {
      ...audit,
      curves: [
        detectionCurve('cross-vendor twins', 'nanodet 416', 0.55),
        detectionCurve('cross-vendor twins', 'ppocr 320', 0.35),
        detectionCurve('cross-vendor twins', 'perceptual hash', 0.12),
        detectionCurve('variants', 'nanodet 416', 0.75),
        detectionCurve('variants', 'perceptual hash', 0.6),
      ],
      pairs: Array.from({ length: pairCount }, (_, i) => pairOf(all, i)),
    },
    curate: {
      ...curate,
      examples: Array.from({ length: 14 }, (_, i) => ({
        ...curate.examples[i % curate.examples.length]!,
        thumbnail: thumbnailOf(all[(i * 97 + 11) % all.length]!, 'twitter'),
      })),
    },
    training: { ...training, curves: training.curves.map(longerCurve) },
    ledger: {
      ...ledger,
      rows: Array.from({ length: 20 }, (_, i) => ({
        ...ledger.rows[i % ledger.rows.length]!,
        uri: i === 3 ? HOSTILE_NAME : `npm:emoji-datasource-twitter/img/twitter/64/${all[i * 97]!.image}`,
      })),
    },
  };
}

interface Emoji {
  readonly name: string;
  readonly image: string;
}

function emoji(): Emoji[] {
  const file = new URL('node_modules/emoji-datasource-twitter/emoji.json', root);
  return JSON.parse(readFileSync(file, 'utf8')) as Emoji[];
}

function thumbnailOf(one: Emoji, vendor: 'twitter' | 'google'): Thumbnail {
  const file = new URL(`node_modules/emoji-datasource-${vendor}/img/${vendor}/64/${one.image}`, root);
  return {
    name: one.name.toLowerCase(),
    dataUri: `data:image/png;base64,${readFileSync(file).toString('base64')}`,
  };
}

const hex = (n: number): string => n.toString(16).padStart(64, '0');

const PAIR_LEVELS = ['perceptual hash', 'nanodet 416', 'ppocr 320'] as const;

function pairOf(all: readonly Emoji[], i: number): PairExample {
  const one = all[(i * 61) % all.length]!;
  const level = PAIR_LEVELS[i % 3]!;
  const left = thumbnailOf(one, 'google');
  return {
    pairType: 'eval-train',
    waiver: { type: 'train-eval', a: hex(i), b: hex(i + 1000) },
    left: i === 3 ? { ...left, name: HOSTILE_NAME } : left,
    right: i === 7 ? { name: 'no thumbnail', dataUri: null } : thumbnailOf(one, 'twitter'),
    level,
    score: level === 'perceptual hash' ? 4 + (i % 5) : 0.97 - i * 0.0011,
    verdict: i % 5 === 0 ? 'near' : 'very similar',
  };
}

function detectionCurve(task: string, level: string, knee: number): DetectionCurve {
  const at = Array.from({ length: 41 }, (_, i) => i / 40);
  return {
    task,
    level,
    thresholds: at.map((x) => 0.5 + x / 2),
    precision: at.map((x) => Math.min(1, 0.04 + 0.96 / (1 + Math.exp(-(x - knee * 0.83 + 0.12) * 14)))),
    recall: at.map((x) => 1 - 1 / (1 + Math.exp(-(x - knee) * 9))),
  };
}

/** 150 steps from the curve's first value to its last, with some noise. */
function longerCurve(curve: LossCurve): LossCurve {
  const from = curve.values[0] ?? 1;
  const to = curve.values.at(-1) ?? 0;
  const at = Array.from({ length: 150 }, (_, i) => i);
  return {
    teacher: curve.teacher,
    steps: at.map((i) => i * 10),
    values: at.map((i) => to + (from - to) * Math.exp(-i / 24) + 0.012 * Math.sin(i * 1.7 + from * 9)),
  };
}
