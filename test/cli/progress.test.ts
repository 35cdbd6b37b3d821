import { describe, expect, it } from 'vitest';
import { progressPrinter, progressText } from '../../src/cli/progress.ts';
import type { ProgressTarget } from '../../src/cli/status-line.ts';
import { textTable } from '../../src/cli/table.ts';
import type { RunEvent } from '../../src/run/events.ts';

const from = { done: 0, atMs: 0 };
const at = (done: number, total: number) => ({ done, total, unit: 'images' });

describe('the text of progress', () => {
  it.each([
    [at(480, 1200), from, 5000, '480/1200 images  40%  96/s  ETA 8 s'],
    [at(3, 10), from, 2000, '3/10 images  30%  1.5/s  ETA 5 s'],
    [at(10, 10), from, 2000, '10/10 images  100%  5.0/s  ETA 0 s'],
    [at(100, 1000), from, 60_000, '100/1000 images  10%  1.7/s  ETA 9 min 0 s'],
    [at(1, 10_000), from, 1000, '1/10000 images  0%  1.0/s  ETA 2 h 46 min'],
  ])('%j since %j at %i ms', (now, first, nowMs, text) => {
    expect(progressText(now, first, nowMs)).toBe(text);
  });

  it('measures the rate from the first report, so that work found done does not count', () => {
    expect(progressText(at(150, 200), { done: 100, atMs: 1000 }, 6000)).toBe(
      '150/200 images  75%  10/s  ETA 5 s',
    );
  });

  it('shows no rate before there is one, and no division by nothing', () => {
    expect(progressText(at(0, 10), from, 0)).toBe('0/10 images  0%');
    expect(progressText(at(0, 10), from, 1000)).toBe('0/10 images  0%');
    expect(progressText(at(0, 0), from, 1000)).toBe('0/0 images  100%');
  });
});

function printed(events: readonly (readonly [atMs: number, event: RunEvent])[], isTTY: boolean): string {
  let text = '';
  let nowMs = 0;
  const target: ProgressTarget = { isTTY, columns: 40, write: (more) => void (text += more) };
  const print = progressPrinter(target, { elapsedMs: () => nowMs, nowIso: () => '' });
  for (const [atMs, event] of events) {
    nowMs = atMs;
    print(event);
  }
  return text;
}

const step = (done: number): RunEvent => ({
  kind: 'stage-progress',
  stage: 'cache',
  done,
  total: 90,
  unit: 'views',
});
const story: readonly (readonly [number, RunEvent])[] = [
  [0, { kind: 'run-started', pipeline: 'demo', seed: 7 }],
  [0, { kind: 'stage-reused', stage: 'images', seen: 90, kept: 88 }],
  [0, { kind: 'stage-started', stage: 'cache', plan: null }],
  ...Array.from({ length: 90 }, (_, i): [number, RunEvent] => [i * 500, step(i)]),
  [45_000, { kind: 'stage-note', stage: 'cache', text: 'a name\nwith \u001b[31m colour' }],
  [45_000, { kind: 'stage-finished', stage: 'cache', seen: 90, kept: 90, rejected: 0, seconds: 45 }],
  [45_000, { kind: 'run-finished', seconds: 45 }],
];

describe('progress on stderr', () => {
  it('is plain lines where there is no terminal: one per stage, and one now and then', () => {
    const lines = printed(story, false).split('\n');
    expect(lines).toEqual([
      'run demo, seed 7',
      '  images: unchanged, reused (88 of 90 kept)',
      '  cache ...',
      '  cache: 20/90 views  22%  2.0/s  ETA 35 s',
      '  cache: 40/90 views  44%  2.0/s  ETA 25 s',
      '  cache: 60/90 views  66%  2.0/s  ETA 15 s',
      '  cache: 80/90 views  88%  2.0/s  ETA 5 s',
      '    a name\\u000awith \\u001b[31m colour',
      '  cache: 90 of 90 kept, 0 rejected, 45.0 s',
      'done in 45.0 s',
      '',
    ]);
  });

  it('is one live line on a terminal, never wider than it, and gone before the next lasting line', () => {
    const text = printed(story, true);
    const live = text.match(/\r\u001b\[2K[^\r\n]+/g) ?? [];
    expect(live.length).toBeGreaterThan(50);
    for (const line of live) expect(line.replace('\r\u001b[2K', '').length).toBeLessThan(80);
    expect(text).toMatch(/89\/90 views.*\r\u001b\[2K {4}a name/);
  });
});

describe('a table', () => {
  it('puts numbers right and text left, and a dash for nothing', () => {
    expect(
      textTable(
        ['stage', 'seen'],
        [
          ['a', 5],
          ['longer', 1200],
          ['x', null],
        ],
      ),
    ).toBe(['stage   seen', '------  ----', 'a          5', 'longer  1200', 'x          -'].join('\n'));
  });

  it('without rows is its header', () => {
    expect(textTable(['stage', 'seen'], [])).toBe('stage  seen\n-----  ----');
  });
});
