// `make check`: every step with its seconds, and as last line what passed and failed in all. A step counts as one test; the test
// runner's own tests count one by one. Usage: node test/config/check.mjs [step ...]
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';

const bin = (name) => `node_modules/.bin/${name}`;
const suite = (name, config, results) => ({
  name,
  command: [bin('vitest'), 'run', '--config', config],
  results,
});
const asked = process.argv.slice(2);
const steps = [
  {
    name: 'format',
    seconds: 15,
    command: [
      bin('prettier'),
      ...['--config', 'test/config/prettier.json', '--check', 'src', 'test', 'pipelines', 'manifests'],
      ...['package.json', 'tsconfig.json', '!**/*.md', '!test/golden/**'],
    ],
  },
  { name: 'types', seconds: 20, command: [bin('tsc'), '-p', 'test/config/tsconfig.json'] },
  {
    name: 'lint',
    seconds: 60,
    command: [bin('eslint'), '-c', 'test/config/eslint.config.js', '--max-warnings=0', 'src', 'test'],
  },
  { name: 'layers', command: [bin('depcruise'), '--config', 'test/config/depcruise.cjs', 'src'] },
  {
    name: 'build',
    seconds: 15,
    command: [
      bin('tsc'),
      ...['-p', 'tsconfig.json', '--noEmit', 'false'],
      // beside `types`, which checks the same files and the tests, it only writes
      ...(asked.includes('types') ? ['--noCheck'] : []),
    ],
  },
  suite('test', 'test/config/vitest.config.ts', 'out/test-results.json'),
  suite('fault', 'test/config/vitest.fault.config.ts', 'out/fault-results.json'),
  suite('cross', 'test/config/vitest.cross.config.ts', 'out/cross-results.json'),
  suite('laws', 'test/config/vitest.laws.config.mts', 'out/laws-results.json'),
  suite('demo', 'test/config/vitest.demo.config.ts', 'out/demo-results.json'),
  suite('gpu', 'test/config/vitest.gpu.config.mts', 'out/gpu-results.json'),
  suite('browser', 'test/config/vitest.browser.config.ts', 'out/browser-results.json'),
];

const chosen = asked.map((name) => steps.find((step) => step.name === name) ?? fail(`no step named ${name}`));
const total = { passed: 0, failed: 0, skipped: 0 };

// What only reads the sources goes side by side, the longest first: each takes one core. Tests come after, alone: they need dist/
// and keep all cores busy by themselves.
const atOnce = Math.min(2, availableParallelism());
const waiting = chosen.filter((step) => !step.results).sort((a, b) => (b.seconds ?? 0) - (a.seconds ?? 0));
await Promise.all(
  Array.from({ length: atOnce }, async () => {
    for (let step = waiting.shift(); step !== undefined; step = waiting.shift()) await carryOut(step, 'pipe');
  }),
);
for (const step of chosen.filter(({ results }) => results)) await carryOut(step, 'inherit');
console.log(
  `${total.passed} passed, ${total.failed} failed${total.skipped > 0 ? `, ${total.skipped} skipped` : ''}`,
);
process.exitCode = total.failed > 0 ? 1 : 0;

/** Runs one step and adds to the totals. Piped output is printed in one piece at its end, so that two steps do not mix. */
async function carryOut(step, stdio) {
  if (step.results) rmSync(step.results, { force: true });
  const started = performance.now();
  const child = spawn(step.command[0], step.command.slice(1), { stdio: ['ignore', stdio, stdio] });
  const said = [];
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (bytes) => said.push(bytes));
  const status = await new Promise((resolve) => {
    child.on('error', () => resolve(null));
    child.on('close', resolve);
  });
  process.stdout.write(Buffer.concat(said));
  const counts = step.results
    ? testCounts(step.results, status)
    : { passed: status === 0 ? 1 : 0, failed: status === 0 ? 0 : 1, skipped: 0 };
  for (const key of Object.keys(total)) total[key] += counts[key];
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(`-- ${step.name}: ${status === 0 ? 'ok' : `FAILED (exit ${status})`}, ${seconds} s`);
}

/** A runner that leaves no results, or fails without a failed test (an error while loading a file), counts as one failure. */
function testCounts(path, status) {
  if (!existsSync(path)) return { passed: 0, failed: 1, skipped: 0 };
  const { numPassedTests, numFailedTests, numPendingTests, numTodoTests } = JSON.parse(
    readFileSync(path, 'utf8'),
  );
  return {
    passed: numPassedTests,
    failed: status !== 0 && numFailedTests === 0 ? 1 : numFailedTests,
    skipped: numPendingTests + numTodoTests,
  };
}

function fail(message) {
  console.error(message);
  process.exit(2);
}
