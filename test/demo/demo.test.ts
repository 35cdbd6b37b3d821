// The promises of `make demo`: its figures, that a second run computes nothing, that one teacher's parts come back alone, and that
// SIGKILL at any moment changes no output.
import { type ChildProcess, spawn } from 'node:child_process';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Rng } from '../../src/core/rng.ts';

const folder = fs.mkdtempSync(join(tmpdir(), 'stillhouse-demo-'));
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

interface Ran {
  readonly code: number | null;
  readonly seconds: number;
  readonly stdout: string;
  readonly stderr: string;
}

function start(out: string): { child: ChildProcess; done: Promise<Ran> } {
  const started = performance.now();
  const child = spawn('node', ['dist/cli/main.js', 'run', 'pipelines/demo.yaml', '--out', out]);
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const done = new Promise<Ran>((resolve) =>
    child.on('close', (code) =>
      resolve({ code, seconds: (performance.now() - started) / 1000, stdout, stderr }),
    ),
  );
  return { child, done };
}

interface Summary {
  readonly images: unknown;
  readonly targets: {
    readonly written: number;
    readonly perTeacher: Readonly<Record<string, Readonly<Record<string, { readonly written: number }>>>>;
  };
  readonly loss: Readonly<Record<string, { readonly start: number; readonly end: number }>>;
  readonly fidelity: Readonly<Record<string, number>>;
  readonly knn: Scores;
  readonly twin: Scores;
  readonly audit: { readonly levels: object; readonly twins: object; readonly variants: object };
  readonly stages: readonly {
    readonly id: string;
    readonly seen: number;
    readonly kept: number;
    readonly rejected: Readonly<Record<string, number>>;
    readonly reused: boolean;
  }[];
}

interface Scores {
  readonly teachers: Readonly<Record<string, number>>;
  readonly pixels: number;
  readonly student: number;
  readonly untrained: number;
}

const summaryOf = (out: string): Summary =>
  JSON.parse(fs.readFileSync(join(out, 'demo', 'summary.json'), 'utf8')) as Summary;

/** Digests of every declared output of every stage: what a run means, whatever its times. */
function outputsOf(out: string): Record<string, Record<string, string>> {
  const stages: Record<string, Record<string, string>> = {};
  for (const name of fs.readdirSync(join(out, 'demo'))) {
    const marker = join(out, 'demo', name, 'stage.json');
    if (!fs.existsSync(marker)) continue;
    const { outcome } = JSON.parse(fs.readFileSync(marker, 'utf8'));
    stages[name] = Object.fromEntries(
      outcome.outputs.map((o: { name: string; digest: string }) => [o.name, o.digest]),
    );
  }
  return stages;
}

const undisturbed = join(folder, 'undisturbed');
let first: Ran;

beforeAll(async () => {
  first = await start(undisturbed).done;
  console.log(`first run: ${first.seconds.toFixed(1)} s\n${first.stdout}`);
});

describe('the demo', () => {
  it('ends within 240 s and prints the stages and the report', () => {
    expect(first.stderr.includes('defect')).toBe(false);
    expect(first.code).toBe(0);
    expect(first.seconds).toBeLessThan(240);
    expect(first.stdout).toMatch(/stage +seen +kept +rejected +seconds/);
    expect(first.stdout).toMatch(/report\.html/);
  });

  it('leaves a summary with every figure, and a student that learned', () => {
    const summary = summaryOf(undisturbed);
    expect(summary.images).toMatchObject({ train: expect.any(Number), eval: expect.any(Number) });
    expect(summary.targets.written).toBeGreaterThan(0);
    for (const teacher of ['nanodet', 'ppocr-det']) {
      expect(Object.keys(summary.targets.perTeacher[teacher]!)).toHaveLength(2);
      expect(summary.loss[teacher]!.end).toBeLessThan(summary.loss[teacher]!.start);
      expect(summary.fidelity[teacher]).toBeGreaterThan(1);
      expect(summary.knn.teachers[teacher]).toBeGreaterThan(0);
      expect(summary.twin.teachers[teacher]).toBeGreaterThan(0);
    }
    for (const subject of ['pixels', 'student', 'untrained'] as const)
      expect([summary.knn[subject], summary.twin[subject]]).toEqual([expect.any(Number), expect.any(Number)]);
    expect(summary.twin.student).toBeGreaterThan(summary.twin.untrained);
    for (const task of ['twins', 'variants'] as const)
      expect(Object.values(summary.audit[task])[0]).toMatchObject({
        precision: expect.any(Number),
        recall: expect.any(Number),
      });
    expect(Object.keys(summary.audit.levels)).toEqual(
      expect.arrayContaining([
        'byte',
        'pixel',
        'phash',
        'dhash',
        'teacher:nanodet@128',
        'teacher:ppocr-det@96',
      ]),
    );
    for (const stage of summary.stages)
      expect(stage.seen).toBe(stage.kept + Object.values(stage.rejected).reduce((a, b) => a + b, 0));
  });

  it('computes nothing the second time, within 15 s', async () => {
    const again = await start(undisturbed).done;
    expect(again.code).toBe(0);
    expect(again.seconds).toBeLessThan(15);
    const summary = summaryOf(undisturbed);
    expect(summary.targets.written).toBe(0);
    expect(summary.stages.every((stage) => stage.reused)).toBe(true);
  });

  it('computes only the targets of a teacher whose parts were removed, and nothing after them', async () => {
    const before = outputsOf(undisturbed);
    const data = join(undisturbed, 'cache', 'data');
    for (const name of fs.readdirSync(data).filter((entry) => entry.startsWith('ppocr-det@')))
      fs.rmSync(join(data, name), { recursive: true });
    const again = await start(undisturbed).done;
    expect(again.code).toBe(0);
    const { perTeacher } = summaryOf(undisturbed).targets;
    expect(Object.values(perTeacher['nanodet']!).map((size) => size.written)).toEqual([0, 0]);
    for (const size of Object.values(perTeacher['ppocr-det']!)) expect(size.written).toBeGreaterThan(0);
    const ran = summaryOf(undisturbed).stages.filter((stage) => !stage.reused);
    expect(ran.map((stage) => stage.id)).toEqual(['embed', 'cache']);
    expect(outputsOf(undisturbed)).toEqual(before);
  });

  it('gives the same outputs after SIGKILL at random moments', async () => {
    const out = join(folder, 'killed');
    const rng = new Rng(1, 'kills');
    let [kills, last] = [0, null as Ran | null];
    while (last?.code !== 0) {
      const { child, done } = start(out);
      if (kills < 6) {
        const timer = setTimeout(() => child.kill('SIGKILL'), rng.between(2000, 35_000));
        last = await done;
        clearTimeout(timer);
        kills += last.code === null ? 1 : 0;
      } else last = await done;
    }
    console.log(`${kills} kills`);
    expect(kills).toBeGreaterThan(2);
    expect(outputsOf(out)).toEqual(outputsOf(undisturbed));
  });
});
