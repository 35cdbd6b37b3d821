/** What happened, as data. Renderers and events.ndjson read it; nothing below the CLI prints. */
import type { Json } from '../core/canonical-json.ts';

export type RunEvent =
  | { readonly kind: 'run-started'; readonly pipeline: string; readonly seed: number }
  | { readonly kind: 'stage-started'; readonly stage: string; readonly plan: Json }
  | { readonly kind: 'stage-reused'; readonly stage: string; readonly seen: number; readonly kept: number }
  | {
      readonly kind: 'stage-progress';
      readonly stage: string;
      readonly done: number;
      readonly total: number;
      readonly unit: string;
      /** What else a person may want to see beside the count. */
      readonly detail?: string;
    }
  | { readonly kind: 'stage-note'; readonly stage: string; readonly text: string; readonly data?: Json }
  | {
      readonly kind: 'stage-finished';
      readonly stage: string;
      readonly seen: number;
      readonly kept: number;
      readonly rejected: number;
      readonly seconds: number;
    }
  | { readonly kind: 'run-finished'; readonly seconds: number }
  | { readonly kind: 'run-failed'; readonly stage: string | null; readonly message: string };

/** What a stage may say while it works. */
export interface StageEvents {
  progress(done: number, total: number, unit: string, detail?: string): void;
  note(text: string, data?: Json): void;
}
