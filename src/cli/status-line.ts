/** One live line on a terminal, rewritten in place; lines that stay are printed above it. Elsewhere only lines that stay. */
import { printable } from '../core/failure.ts';

export interface ProgressTarget {
  readonly isTTY: boolean;
  readonly columns: number;
  write(text: string): void;
}

const LIVE_EVERY_MS = 100;
const PLAIN_EVERY_MS = 10_000;

export class StatusLine {
  readonly #target: ProgressTarget;
  #isLive = false;
  #lastShownMs = -Infinity;

  constructor(target: ProgressTarget) {
    this.#target = target;
  }

  /** A line that stays. */
  line(text: string): void {
    if (this.#isLive) this.#target.write('\r\u001b[2K');
    this.#isLive = false;
    this.#target.write(`${printable(text)}\n`);
  }

  /** Something long begins: the first sign of it is shown only after a while. */
  begin(nowMs: number): void {
    this.#lastShownMs = nowMs;
  }

  /** How far something is, shown often on a terminal and now and then elsewhere. */
  status(text: () => string, nowMs: number): void {
    const every = this.#target.isTTY ? LIVE_EVERY_MS : PLAIN_EVERY_MS;
    if (nowMs - this.#lastShownMs < every) return;
    this.#lastShownMs = nowMs;
    if (!this.#target.isTTY) {
      this.line(text());
      return;
    }
    this.#target.write(`\r\u001b[2K${printable(text()).slice(0, this.#target.columns - 1)}`);
    this.#isLive = true;
  }

  /** Leaves the live line as it stands. */
  end(): void {
    if (this.#isLive) this.#target.write('\n');
    this.#isLive = false;
  }
}

/** Standard error: stdout stays free for results. */
export function standardError(): ProgressTarget {
  return {
    isTTY: process.stderr.isTTY,
    columns: process.stderr.columns || 100,
    write: (text) => void process.stderr.write(text),
  };
}
