/**
 * Progress on stderr: one live line with rate and ETA on a terminal, plain lines otherwise (one per stage, and a line now and
 * then for long ones). stdout stays free for results.
 */
import { printable } from '../core/failure.ts';
import type { Clock } from '../core/clock.ts';
import type { RunEvent } from '../run/events.ts';

export interface ProgressTarget {
  readonly isTTY: boolean;
  readonly columns: number;
  write(text: string): void;
}

const LIVE_EVERY_MS = 100;
const PLAIN_EVERY_MS = 10_000;

export function progressPrinter(target: ProgressTarget, clock: Clock): (event: RunEvent) => void {
  let lastShownMs = 0;
  let live = false;
  let first = { done: 0, atMs: 0 };
  const line = (text: string): void => {
    if (live) target.write('\r\u001b[2K');
    live = false;
    target.write(`${printable(text)}\n`);
  };
  return (event) => {
    const now = clock.elapsedMs();
    switch (event.kind) {
      case 'run-started':
        line(`run ${event.pipeline}, seed ${event.seed}`);
        break;
      case 'stage-started':
        lastShownMs = now;
        first = { done: -1, atMs: now };
        line(`  ${event.stage} ...`);
        break;
      case 'stage-reused':
        line(`  ${event.stage}: unchanged, reused (${event.kept} of ${event.seen} kept)`);
        break;
      case 'stage-progress': {
        if (first.done < 0) first = { done: event.done, atMs: now };
        const every = target.isTTY ? LIVE_EVERY_MS : PLAIN_EVERY_MS;
        if (now - lastShownMs < every) break;
        lastShownMs = now;
        const text = `  ${event.stage}: ${progressText(event, first, now)}`;
        if (target.isTTY) {
          target.write(`\r\u001b[2K${printable(text).slice(0, target.columns - 1)}`);
          live = true;
        } else line(text);
        break;
      }
      case 'stage-note':
        line(`    ${event.text}`);
        break;
      case 'stage-finished':
        line(
          `  ${event.stage}: ${event.kept} of ${event.seen} kept, ${event.rejected} rejected, ${event.seconds.toFixed(1)} s`,
        );
        break;
      case 'run-finished':
        line(`done in ${event.seconds.toFixed(1)} s`);
        break;
      case 'run-failed':
        if (live) target.write('\n');
        live = false;
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

/** `8 s`, `4 min 10 s`, `2 h 5 min`. */
function durationText(seconds: number): string {
  const whole = Math.ceil(seconds);
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  return minutes < 60
    ? `${minutes} min ${whole % 60} s`
    : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
