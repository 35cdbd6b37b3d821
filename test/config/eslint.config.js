// Lint rules. Bans that carry the design: no clock, randomness, console, env or exit outside their one home.
import tseslint from 'typescript-eslint';

const banned = [
  { object: 'Math', property: 'random', message: 'Use Rng from core/rng.ts.' },
  { object: 'Date', property: 'now', message: 'Take a Clock (core/clock.ts) as a parameter.' },
  { object: 'process', property: 'env', message: 'Only src/cli reads the environment.' },
  { object: 'process', property: 'exit', message: 'Only src/cli ends the process.' },
];

export default tseslint.config(
  { ignores: ['dist/**', 'out/**', 'test/config/**', 'test/golden/**'] },
  ...tseslint.configs.strictTypeChecked,
  {
    languageOptions: {
      parserOptions: {
        project: './test/config/tsconfig.json',
        tsconfigRootDir: new URL('../..', import.meta.url).pathname,
      },
    },
    rules: {
      // Index checks in numeric kernels would drown the code; bounds are covered by tests.
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowBoolean: true },
      ],
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-confusing-void-expression': 'off',
      '@typescript-eslint/no-unnecessary-condition': ['error', { allowConstantLoopConditions: true }],
      // there are no enums (erasableSyntaxOnly), and a third of lint's time went into these two
      '@typescript-eslint/no-unsafe-enum-assignment': 'off',
      '@typescript-eslint/no-unsafe-class-instance-assignment': 'off',
      'no-console': 'error',
      'no-empty': ['error', { allowEmptyCatch: false }],
      'no-restricted-properties': ['error', ...banned],
      'max-lines': ['error', { max: 400 }],
    },
  },
  {
    files: ['src/cli/**', 'src/core/clock.ts', 'src/core/rng.ts'],
    rules: { 'no-console': 'off', 'no-restricted-properties': 'off' },
  },
  {
    files: ['test/**'],
    rules: {
      'no-console': 'off',
      'no-restricted-properties': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-call': 'off',
      '@typescript-eslint/no-unsafe-argument': 'off',
    },
  },
  // plain JavaScript run by node: no types to check with
  { files: ['test/**/*.mjs'], ...tseslint.configs.disableTypeChecked },
);
