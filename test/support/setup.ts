// Runs before every test file: property tests draw from a printed seed, so a failure can be repeated.
import fc from 'fast-check';

const seed =
  process.env['SEED'] === 'random' ? (Math.random() * 2 ** 31) | 0 : Number(process.env['SEED'] ?? 20261124);
fc.configureGlobal({ seed, ...(process.env['RUNS'] ? { numRuns: Number(process.env['RUNS']) } : {}) });
