// `make check`: every step with its seconds, and as last line what passed and failed in all. A step counts as one test; the test
// runner's own tests count one by one. Usage: node test/config/check.mjs [step ...]
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';

const bin = (name) => `node_modules/.bin/${name}`;
const suite = (name, config, results) => ({
  name,
  command: [bin('vitest'), 'run', '--config', config],
  results,
});
const steps = [
  {
    name: 'format',
    command: [
      bin('prettier'),
      ...['--config', 'test/config/prettier.json', '--check', 'src', 'test', 'pipelines', 'manifests'],
      ...['package.json', 'tsconfig.json', '!**/*.md', '!test/golden/**'],
    ],
  },
  { name: 'types', command: [bin('tsc'), '-p', 'test/config/tsconfig.json'] },
  {
    name: 'lint',
    command: [bin('eslint'), '-c', 'test/config/eslint.config.js', '--max-warnings=0', 'src', 'test'],
  },
  { name: 'layers', command: [bin('depcruise'), '--config', 'test/config/depcruise.cjs', 'src'] },
  { name: 'build', command: [bin('tsc'), '-p', 'tsconfig.json', '--noEmit', 'false'] },
  suite('test', 'test/config/vitest.config.ts', 'out/test-results.json'),
  suite('fault', 'test/config/vitest.fault.config.ts', 'out/fault-results.json'),
  suite('cross', 'test/config/vitest.cross.config.ts', 'out/cross-results.json'),
  suite('laws', 'test/config/vitest.laws.config.mts', 'out/laws-results.json'),
  suite('demo', 'test/config/vitest.demo.config.ts', 'out/demo-results.json'),
  suite('browser', 'test/config/vitest.browser.config.ts', 'out/browser-results.json'),
];

const asked = process.argv.slice(2);
const chosen = asked.map((name) => steps.find((step) => step.name === name) ?? fail(`no step named ${name}`));
const total = { passed: 0, failed: 0, skipped: 0 };

for (const step of chosen) {
  if (step.results) rmSync(step.results, { force: true });
  const started = performance.now();
  const { status } = spawnSync(step.command[0], step.command.slice(1), { stdio: 'inherit' });
  const counts = step.results
    ? testCounts(step.results, status)
    : { passed: status === 0 ? 1 : 0, failed: status === 0 ? 0 : 1, skipped: 0 };
  for (const key of Object.keys(total)) total[key] += counts[key];
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(`-- ${step.name}: ${status === 0 ? 'ok' : `FAILED (exit ${status})`}, ${seconds} s`);
}
console.log(
  `${total.passed} passed, ${total.failed} failed${total.skipped > 0 ? `, ${total.skipped} skipped` : ''}`,
);
process.exitCode = total.failed > 0 ? 1 : 0;

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
