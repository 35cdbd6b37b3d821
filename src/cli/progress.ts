/**
 * Progress on stderr: one live line with rate and ETA on a terminal, plain lines otherwise (one per stage, and a line now and
 * then for long ones). stdout stays free for results.
 */
import type { Clock } from '../core/clock.ts';
import type { RunEvent } from '../run/events.ts';
import { durationText } from './duration-text.ts';
import { type ProgressTarget, StatusLine } from './status-line.ts';

export function progressPrinter(target: ProgressTarget, clock: Clock): (event: RunEvent) => void {
  const out = new StatusLine(target);
  let first = { done: 0, atMs: 0 };
  return (event) => {
    const now = clock.elapsedMs();
    switch (event.kind) {
      case 'run-started':
        out.line(`run ${event.pipeline}, seed ${event.seed}`);
        break;
      case 'stage-started':
        out.begin(now);
        first = { done: -1, atMs: now };
        out.line(`  ${event.stage} ...`);
        break;
      case 'stage-reused':
        out.line(`  ${event.stage}: unchanged, reused (${event.kept} of ${event.seen} kept)`);
        break;
      case 'stage-progress':
        if (first.done < 0) first = { done: event.done, atMs: now };
        out.status(() => `  ${event.stage}: ${progressText(event, first, now)}`, now);
        break;
      case 'stage-note':
        out.line(`    ${event.text}`);
        break;
      case 'stage-finished':
        out.line(
          `  ${event.stage}: ${event.kept} of ${event.seen} kept, ${event.rejected} rejected, ${event.seconds.toFixed(1)} s`,
        );
        break;
      case 'run-finished':
        out.line(`done in ${event.seconds.toFixed(1)} s`);
        break;
      case 'run-failed':
        out.end();
        break;
    }
  };
}

/** `480/1200 images  40%  96/s  ETA 8 s`; the rate is measured from the first report of the stage. */
export function progressText(
  at: {
    readonly done: number;
    readonly total: number;
    readonly unit: string;
    readonly detail?: string;
  },
  first: { readonly done: number; readonly atMs: number },
  nowMs: number,
): string {
  const share = at.total > 0 ? Math.floor((100 * at.done) / at.total) : 100;
  const seconds = (nowMs - first.atMs) / 1000;
  const rate = seconds > 0 ? (at.done - first.done) / seconds : 0;
  const eta =
    rate > 0
      ? `  ${rate >= 10 ? rate.toFixed(0) : rate.toFixed(1)}/s  ETA ${durationText((at.total - at.done) / rate)}`
      : '';
  const detail = at.detail === undefined ? '' : `  ${at.detail}`;
  return `${at.done}/${at.total} ${at.unit}  ${share}%${eta}${detail}`;
}
