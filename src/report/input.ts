/**
 * Everything the report shows, as pure data: JSON in, HTML out. The stages fill it; nothing here knows a stage.
 *
 * Sections that a run lacks are left out, not filled with zeros. Counts are whole numbers, shares lie in [0, 1], sizes are
 * bytes, durations seconds. `rowsIn` is always the file with the rows behind a section, relative to the run folder.
 */

/** A measured value: null, NaN and infinities are all shown as "not measured". */
export type Measured = number | null;

export interface ReportInput {
  readonly run: RunFacts;
  readonly stages: readonly StageFacts[];
  readonly datasets?: readonly DatasetFacts[];
  readonly audit?: AuditFacts;
  readonly curate?: CurateFacts;
  readonly teachers?: readonly TeacherFacts[];
  readonly cache?: CacheFacts;
  readonly training?: TrainingFacts;
  readonly evaluation?: EvaluationFacts;
  readonly ledger?: LedgerFacts;
}

export interface RunFacts {
  readonly name: string;
  /** sha256 of the pipeline file's canonical form. */
  readonly pipelineDigest: string;
  readonly stillhouseVersion: string;
  readonly seed: number;
  readonly device: string;
  readonly nodeVersion: string;
  /** Engines with their versions: `onnxruntime-node` -> `1.30.0`. */
  readonly engines: Readonly<Record<string, string>>;
  /** ISO 8601, UTC. */
  readonly started: string;
  /** What to type to get this run again. */
  readonly command: string;
}

export interface StageFacts {
  readonly id: string;
  /** The kind of stage: `audit`, `cache`. */
  readonly stage: string;
  readonly seen: number;
  readonly kept: number;
  readonly rejected: Readonly<Record<string, number>>;
  readonly seconds: Measured;
  /** True when the stage was skipped because nothing that could change its output had changed. */
  readonly reused: boolean;
}

/** Images of one class before and after curation. */
export interface ClassCount {
  readonly label: string;
  readonly before: number;
  readonly after: number;
}

export interface DatasetFacts {
  readonly name: string;
  readonly split: string;
  readonly images: number;
  readonly digest: string;
  readonly licence: string;
  readonly classes: readonly ClassCount[];
  readonly rowsIn?: string;
}

/** Which two sets the members of a pair come from. Kept apart everywhere: a leak is not a duplicate within one set. */
export type PairType =
  'eval-train' | 'val-train' | 'eval-val' | 'within-train' | 'within-val' | 'within-eval';

export interface AuditFacts {
  /** Strongest evidence first. */
  readonly levels: readonly LevelFacts[];
  /** Digest of what the audit found; '' where it is not known. */
  readonly digest: string;
  /** Sentences about pairs that were not all listed. */
  readonly listNotes: readonly string[];
  /** The level that the opening sentence quotes; by default the first one of type `eval-train`. */
  readonly headlineLevel?: string;
  /** Near-uniform or tiny images: they match everything, so they are counted apart and never in a rate. */
  readonly degenerate: number;
  readonly detection: readonly DetectionFacts[];
  readonly curves: readonly DetectionCurve[];
  readonly histograms: readonly SimilarityHistogram[];
  /** Scores of listed pairs by pair type: where matches across the sets lie beside those within one set. */
  readonly scores: readonly ScoreHistogram[];
  /** Null without two levels that flag anything. */
  readonly agreement: AgreementFacts | null;
  /** Highest shrunken rate first. */
  readonly classes: readonly ClassOverlap[];
  readonly classesIn: string;
  readonly transfer: readonly TransferFacts[];
  readonly transferIn: string;
  /** One per embedding. */
  readonly distances: readonly DistanceFacts[];
  readonly distancesIn: string;
  /** A choice of pairs to look at; `pairsTotal` says how many there are. */
  readonly pairs: readonly PairExample[];
  readonly pairsTotal: number;
  /** The table of pairs. */
  readonly rowsIn: string;
}

/** n + 1 ascending edges; one series per pair type, with n counts. */
export interface ScoreHistogram {
  readonly level: string;
  readonly score: string;
  readonly edges: readonly number[];
  readonly series: readonly { readonly pairType: PairType; readonly counts: readonly number[] }[];
}

/** Square matrices over `levels`, [row][column]. */
export interface AgreementFacts {
  readonly levels: readonly string[];
  /** Of the pairs that the row flags, the share that the column flags too. */
  readonly shareOfRow: readonly (readonly Measured[])[];
  readonly kappa: readonly (readonly Measured[])[];
  readonly rowsIn: string;
}

/** One class of the evaluation set at one level. */
export interface ClassOverlap {
  readonly level: string;
  readonly label: string;
  readonly images: number;
  readonly matched: number;
  readonly rate: Measured;
  readonly low: Measured;
  readonly high: Measured;
  /** Empirical-Bayes rate. */
  readonly shrunk: Measured;
  /** False discovery rate; null for a class too small to test. */
  readonly qValue: Measured;
}

/** From which training class the evaluation images of a class have their match, or their nearest image. */
export interface TransferFacts {
  readonly basis: 'match' | 'nearest';
  readonly level: string;
  readonly trainLabels: readonly string[];
  readonly evalLabels: readonly string[];
  /** [training label][evaluation label]: share of the evaluation class. */
  readonly shares: readonly (readonly Measured[])[];
  /** Whether only the largest classes are shown. */
  readonly isCut: boolean;
}

export interface DistanceFacts {
  readonly teacher: string;
  /** Images a side. */
  readonly images: number;
  readonly anchorKind: 'given' | 'shuffled';
  readonly metrics: readonly MetricFacts[];
  readonly leftOut: readonly { readonly metric: string; readonly reason: string }[];
}

export interface MetricFacts {
  readonly metric: string;
  readonly value: Measured;
  readonly low: Measured;
  readonly high: Measured;
  readonly pValue: Measured;
  /** What theory expects of two samples of one distribution. */
  readonly expected: Measured;
  readonly trainNull: Measured;
  readonly evalNull: Measured;
  readonly anchor: Measured;
  /** 0 at trainNull, 1 at anchor. */
  readonly relative: Measured;
  readonly warning: string | null;
}

/** One level of evidence over one pair type. The rate counts unique images, never pairs. */
export interface LevelFacts {
  readonly level: string;
  readonly pairType: PairType;
  readonly pairs: number;
  /** Unique evaluation images with at least one match (of the one set, for pairs within a set). */
  readonly uniqueEval: number;
  /** Images that the level could compare. */
  readonly evalTotal: number;
  /** Images that it could not compare, in no rate. */
  readonly uncompared: number;
  /** What is a lower bound: nothing, the pairs, or the images with a match as well. */
  readonly bounded: 'no' | 'pairs' | 'images';
  /** Images without a match that have pairs nobody looked at. */
  readonly open: number;
  /** uniqueEval / evalTotal. */
  readonly rate: Measured;
  /** 95 % Clopper-Pearson interval of the rate. */
  readonly low: Measured;
  readonly high: Measured;
}

/** How well a level finds pairs that are known to be true. */
export interface DetectionFacts {
  /** What is to be found: `cross-vendor twins`, `variants`. */
  readonly task: string;
  readonly level: string;
  readonly threshold: Measured;
  readonly precision: Measured;
  readonly recall: Measured;
  readonly truePairs: number;
  readonly predictedPairs: number;
}

/** Precision and recall at each threshold; three arrays of one length, in order of the threshold. */
export interface DetectionCurve {
  readonly task: string;
  readonly level: string;
  readonly thresholds: readonly Measured[];
  readonly precision: readonly Measured[];
  readonly recall: readonly Measured[];
}

/** Scores of known true pairs against those of all others. n counts, n + 1 ascending edges. */
export interface SimilarityHistogram {
  readonly level: string;
  /** What the score is: `cosine similarity`. */
  readonly score: string;
  readonly edges: readonly number[];
  readonly truePairs: readonly number[];
  readonly otherPairs: readonly number[];
}

export interface Thumbnail {
  /** `data:image/(png|jpeg|webp|gif|avif);base64,…`; null, or anything else, shows an empty frame. */
  readonly dataUri: string | null;
  readonly name: string;
}

export interface PairExample {
  readonly pairType: PairType;
  /** What a waiver says of it (audit/gate/waivers.ts); null for a pair that none can name. */
  readonly waiver: { readonly type: string; readonly a: string; readonly b: string } | null;
  /** Of an `eval-train` pair, the evaluation image. */
  readonly left: Thumbnail;
  readonly right: Thumbnail;
  readonly level: string;
  readonly score: Measured;
  /** `exact`, `near`, `very similar`, `different`, `waived`. */
  readonly verdict: string;
}

export interface CurateFacts {
  readonly seen: number;
  readonly kept: number;
  readonly rejected: Readonly<Record<string, number>>;
  readonly classes: readonly ClassCount[];
  readonly examples: readonly RejectedExample[];
  readonly rowsIn: string;
}

export interface RejectedExample {
  readonly thumbnail: Thumbnail;
  readonly reason: string;
  readonly detail: string;
}

export interface TeacherFacts {
  readonly name: string;
  readonly engine: string;
  readonly licence: string;
  readonly source: string;
  readonly sha256: string;
  /** Null for a teacher without a summary. */
  readonly summaryTap: string | null;
  readonly spatialTap: string | null;
  /** Input sides it is asked at. */
  readonly sizesPx: readonly number[];
}

export interface CacheFacts {
  readonly spaces: readonly SpaceFacts[];
  /** The index of parts. */
  readonly rowsIn?: string;
}

/** One space: a teacher, a resolution and a kind of target. */
export interface SpaceFacts {
  readonly spaceId: string;
  readonly teacher: string;
  readonly resolutionPx: number;
  readonly kind: 'summary' | 'spatial' | 'pixels';
  /** One row's shape: `[512]`, `[512, 13, 13]`. */
  readonly shape: readonly number[];
  readonly dtype: string;
  readonly written: number;
  readonly reused: number;
  readonly failed: number;
  readonly sizeBytes: number;
}

export interface TrainingFacts {
  readonly curves: readonly LossCurve[];
  /** As in summary.json: of the first step, and the mean of the last tenth of them. */
  readonly loss: readonly { readonly teacher: string; readonly start: Measured; readonly end: Measured }[];
  readonly config: Readonly<Record<string, string | number | boolean>>;
  readonly secondsPerStep: Measured;
  readonly rowsIn: string;
}

/** One teacher's loss; two arrays of one length. */
export interface LossCurve {
  readonly teacher: string;
  readonly steps: readonly number[];
  readonly values: readonly Measured[];
}

export interface EvaluationFacts {
  readonly measures: readonly MeasureFacts[];
  readonly fidelity: readonly FidelityFacts[];
  readonly rowsIn: string;
}

/** One measure over every subject, as a share in [0, 1]: `k-NN accuracy by category`. */
export interface MeasureFacts {
  readonly title: string;
  /** How it is measured, in a sentence. */
  readonly meaning: string;
  readonly images: number;
  readonly scores: readonly ScoreFacts[];
}

export interface ScoreFacts {
  readonly subject: 'teacher' | 'pixels' | 'student' | 'untrained';
  /** As shown: a teacher's name, `student`. */
  readonly name: string;
  readonly value: Measured;
  readonly low?: Measured;
  readonly high?: Measured;
}

/** Var(teacher) / MSE on standardised features of evaluation images: 1 is no better than always answering the mean. */
export interface FidelityFacts {
  readonly teacher: string;
  /** `summary`, `spatial`. */
  readonly head: string;
  readonly value: Measured;
}

export interface LedgerFacts {
  /** A sample; `total` says how many there are. */
  readonly rows: readonly LedgerEntry[];
  readonly total: number;
  /** The Parquet file with all rows. */
  readonly rowsIn: string;
}

export interface LedgerEntry {
  readonly imageId: string | null;
  readonly uri: string;
  readonly stage: string;
  readonly reason: string;
  readonly detail: string;
}
