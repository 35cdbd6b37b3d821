/** What a pull is doing, on stderr: `  model.onnx: 45.2 of 88.1 MB  51%  5.2 MB/s  ETA 8 s`. */
import type { Clock } from '../core/clock.ts';
import type { PullEvent } from '../teachers/pull.ts';
import { bytesText } from './bytes-text.ts';
import { durationText } from './duration-text.ts';
import { type ProgressTarget, StatusLine } from './status-line.ts';

export interface PullPrinter {
  readonly onEvent: (event: PullEvent) => void;
  /** Leaves a live line as it stands, so that what comes next has a line of its own. */
  readonly end: () => void;
}

export function pullPrinter(target: ProgressTarget, clock: Clock): PullPrinter {
  const out = new StatusLine(target);
  let first = { doneBytes: -1, atMs: 0 };
  const nameOf = (uri: string): string => uri.slice(uri.lastIndexOf('/') + 1);
  const onEvent = (event: PullEvent): void => {
    const now = clock.elapsedMs();
    switch (event.kind) {
      case 'waiting':
        out.line(`  ${nameOf(event.uri)}: process ${event.pid} on ${event.host} is pulling it, waiting`);
        break;
      case 'started':
        out.begin(now);
        first = { doneBytes: -1, atMs: now };
        out.line(`  ${nameOf(event.uri)}: from ${event.url}`);
        break;
      case 'progress':
        if (first.doneBytes < 0) first = { doneBytes: event.doneBytes, atMs: now };
        out.status(() => `  ${nameOf(event.uri)}: ${bytesProgressText(event, first, now)}`, now);
        break;
      case 'retry':
        out.line(`  ${nameOf(event.uri)}: ${event.reason}; again in ${durationText(event.waitMs / 1000)}`);
        break;
      case 'finished':
        out.line(`  ${nameOf(event.file.uri)}: ${bytesText(event.file.sizeBytes)}, ${event.file.state}`);
        break;
    }
  };
  return { onEvent, end: () => out.end() };
}

/** The rate is measured from the first report of the file: what an earlier run brought does not flatter it. */
export function bytesProgressText(
  at: { readonly doneBytes: number; readonly totalBytes: number | null },
  first: { readonly doneBytes: number; readonly atMs: number },
  nowMs: number,
): string {
  const seconds = (nowMs - first.atMs) / 1000;
  const rate = seconds > 0 ? (at.doneBytes - first.doneBytes) / seconds : 0;
  const rateText = rate > 0 ? `  ${bytesText(rate)}/s` : '';
  if (at.totalBytes === null) return `${bytesText(at.doneBytes)}${rateText}`;
  const share = at.totalBytes > 0 ? Math.floor((100 * at.doneBytes) / at.totalBytes) : 100;
  const eta = rate > 0 ? `  ETA ${durationText((at.totalBytes - at.doneBytes) / rate)}` : '';
  return `${bytesText(at.doneBytes)} of ${bytesText(at.totalBytes)}  ${share}%${rateText}${eta}`;
}
