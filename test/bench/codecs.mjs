// `npm run bench:codecs`: students from f32, f16, i8p and i4p targets under one seed, side by side. Runs pipelines/codecs.yaml with what
// `make demo` has done already (its targets, and its stages up to the curated set). Needs `make setup build`. SEED= takes another seed;
// SMALL=1 runs it with few images and steps, to see that it runs: its figures then mean nothing. What is done is not done again.
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parse, stringify } from 'yaml';
import { openCatalogue } from '../../dist/cache/catalogue.js';
import { storedRowBytes } from '../../dist/cache/codecs/stored-tensor.js';

const CODECS = ['f32', 'f16', 'i8p', 'i4p'];
/** What the demo shares with this run, in a run folder of the same seed. */
const SHARED = ['train-images', 'eval-images', 'embed', 'audit', 'curate'];
const small = process.env.SMALL === '1';
const out = process.env.OUT ?? 'out';
const file = parse(readFileSync('pipelines/codecs.yaml', 'utf8'));
const seed = Number(process.env.SEED ?? file.seed);
const name = small ? 'codecs-small' : seed === file.seed ? 'codecs' : `codecs-seed-${seed}`;

takeOver();
run();
const { spaces } = await openCatalogue(resolve(out, file.cache));
const rows = CODECS.map(rowOf);
print(rows);
console.log(JSON.stringify({ seed, steps: factsOf('train-f32').steps, small, codecs: rows }));

/** Finished stages of the demo are found to be unchanged, or run again; either way the result is the same. */
function takeOver() {
  if (small || seed !== file.seed) return;
  for (const id of SHARED)
    if (existsSync(join(out, 'demo', id, 'stage.json')) && !existsSync(join(out, name, id)))
      cpSync(join(out, 'demo', id), join(out, name, id), { recursive: true });
}

function run() {
  const path = join(out, `${name}.yaml`);
  mkdirSync(out, { recursive: true });
  writeFileSync(path, stringify({ ...file, name, stages: file.stages.map(staged) }));
  const command = ['dist/cli/main.js', 'run', path, '--out', out, '--seed', String(seed)];
  const { status } = spawnSync('node', command, { stdio: ['ignore', 'inherit', 'inherit'] });
  if (status !== 0) process.exit(status ?? 70);
}

/** The file lies elsewhere, so its datasets are named by whole paths. */
function staged(stage) {
  const given = stage.with;
  if (stage.stage === 'index') {
    const dataset = small
      ? `manifests/datasets/small-${stage.id === 'train-images' ? 'twitter' : 'google'}.yaml`
      : join('pipelines', given.dataset);
    return { ...stage, with: { ...given, dataset: resolve(dataset) } };
  }
  if (stage.stage === 'train' && small) return { ...stage, with: { ...given, steps: 20 } };
  return stage;
}

function factsOf(id) {
  return JSON.parse(readFileSync(join(out, name, id, 'stage.json'), 'utf8')).outcome.facts;
}

function rowOf(codec) {
  const cached = factsOf(`cache-${codec}`).spaces;
  const { fidelity, scores } = factsOf(`evaluate-${codec}`);
  const { loss } = factsOf(`train-${codec}`);
  const student = scores.find(({ subject }) => subject === 'student');
  return {
    codec,
    bytesPerView: cached.reduce(
      (sum, { spaceId }) => sum + storedRowBytes(spaces.get(spaceId).descriptor),
      0,
    ),
    fidelity,
    meanFidelity: geometricMean(Object.values(fidelity)),
    measures: Object.fromEntries(
      student.measures.map(({ measure, value, low, high }) => [measure, { value, low, high }]),
    ),
    loss: Object.fromEntries(Object.entries(loss).map(([teacher, { end }]) => [teacher, end])),
  };
}

function print(all) {
  const heads = Object.keys(all[0].fidelity).sort();
  const measures = Object.keys(all[0].measures);
  console.log(`\nfidelity = variance of the f32 targets / squared error, on evaluation images; seed ${seed}`);
  table([
    ['codec', 'bytes/view', ...heads, 'geometric mean', ...measures.map((name) => `${name} (95 %)`)],
    ...all.map(({ codec, bytesPerView, fidelity, meanFidelity, measures: found }) => [
      codec,
      String(bytesPerView),
      ...heads.map((head) => fidelity[head].toFixed(4)),
      meanFidelity.toFixed(4),
      ...measures.map((measure) => interval(found[measure])),
    ]),
  ]);
}

/** Fidelities are ratios: twice and half as good average to as good. */
function geometricMean(values) {
  return Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);
}

function interval({ value, low, high }) {
  return value === null ? '-' : `${value.toFixed(3)} (${low.toFixed(2)}-${high.toFixed(2)})`;
}

function table(lines) {
  const widths = lines[0].map((_, i) => Math.max(...lines.map((line) => line[i].length)));
  for (const line of lines)
    console.log(
      line
        .map((cell, i) => cell.padEnd(widths[i]))
        .join('  ')
        .trimEnd(),
    );
  console.log();
}
