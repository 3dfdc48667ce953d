import { createRequire } from 'node:module';

import nx from '@nx/eslint-plugin';
import prettier from 'eslint-config-prettier';
import jest from 'eslint-plugin-jest';
import tseslint from 'typescript-eslint';

import { boundaries } from './tools/boundaries/constraints.mjs';

const js = createRequire(import.meta.url)('@eslint/js');

const tests = [
  '**/*.spec.ts',
  '**/*.integration-spec.ts',
  '**/*.contract-spec.ts',
  '**/*.e2e-spec.ts',
  '**/*.contract-suite.ts',
  'apps/*/src/**/test-*.ts',
  'apps/*/e2e/**/*.ts',
];
/** Code that runs only in tests and on developers' machines. */
const notProduction = [...tests, 'libs/test-kit/**', 'tools/**'];

const noDefaultExport = {
  selector: 'ExportDefaultDeclaration',
  message: 'No default exports: one name for a thing, wherever it is used.',
};
const onlyTheClockReadsTheTime = [
  {
    selector: "CallExpression[callee.object.name='Date'][callee.property.name='now']",
    message: 'Ask the Clock: time is an argument everywhere else, or tests cannot move it.',
  },
  {
    selector: "NewExpression[callee.name='Date'][arguments.length=0]",
    message: 'Ask the Clock: time is an argument everywhere else, or tests cannot move it.',
  },
  {
    selector: "CallExpression[callee.name='Date']",
    message: 'Ask the Clock: time is an argument everywhere else, or tests cannot move it.',
  },
];

/** `===` ends at the first byte that differs, and the time it takes tells how many were right. */
const SECRET_NAME = '/(token|secret|password|apikey|api_key|signature|mac|digest|hash)$/i';
const secretsAreComparedInConstantTime = ['name', 'property.name'].flatMap((name) =>
  [
    ['left', 'right'],
    ['right', 'left'],
  ].map(([secret, other]) => ({
    selector:
      `BinaryExpression[operator=/^[!=]==?$/][${secret}.${name}=${SECRET_NAME}]` +
      `[${other}.type!='Literal'][${other}.name!='undefined']`,
    message: 'Compare secrets with timingSafeEqual: the time that === takes tells how much of a guess was right.',
  })),
);

export default [
  {
    ignores: ['**/node_modules/', 'dist/', 'tmp/', 'coverage/', '.nx/', '.flatline/', 'tools/boundaries/fixtures/'],
  },
  { plugins: { '@nx': nx } },
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  js.configs.recommended,
  {
    files: ['**/*.{js,cjs,mjs}'],
    languageOptions: {
      globals: Object.fromEntries(
        [
          'process console Buffer URL performance setTimeout clearTimeout setInterval clearInterval setImmediate',
          'fetch AbortController AbortSignal structuredClone queueMicrotask TextDecoder TextEncoder',
        ]
          .join(' ')
          .split(' ')
          .map((name) => [name, 'readonly']),
      ),
    },
    rules: { 'no-unused-vars': ['error', { varsIgnorePattern: '^_', argsIgnorePattern: '^_' }] },
  },
  {
    files: ['**/*.{js,cjs}'],
    languageOptions: {
      sourceType: 'commonjs',
      globals: { require: 'readonly', module: 'writable', __dirname: 'readonly', __filename: 'readonly' },
    },
  },
  ...tseslint.configs.recommended.map((config) => ({ ...config, files: ['**/*.ts'] })),
  {
    files: ['**/*.ts'],
    languageOptions: { parserOptions: { project: './tsconfig.json', tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': ['error', { checksVoidReturn: { arguments: false } }],
      '@typescript-eslint/await-thenable': 'error',
      '@typescript-eslint/return-await': ['error', 'error-handling-correctness-only'],
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/no-unused-vars': ['error', { varsIgnorePattern: '^_', argsIgnorePattern: '^_' }],
      // A Nest module is a class whose decorator says everything.
      '@typescript-eslint/no-extraneous-class': 'off',
    },
  },
  {
    files: ['**/*.ts', '**/*.mjs', '**/*.js'],
    rules: {
      'max-lines': ['error', 400],
      'max-params': ['error', { max: 6 }],
      eqeqeq: ['error', 'always', { null: 'ignore' }],
    },
  },
  {
    files: ['apps/**/*.ts', 'libs/**/*.ts'],
    rules: {
      '@nx/enforce-module-boundaries': ['error', boundaries()],
      'no-console': 'error',
      'no-restricted-syntax': [
        'error',
        noDefaultExport,
        ...onlyTheClockReadsTheTime,
        ...secretsAreComparedInConstantTime,
      ],
    },
  },
  {
    // These are made of the other applications; nobody else may import one.
    files: ['apps/standalone/**/*.ts', 'apps/migrate/**/*.ts'],
    rules: { '@nx/enforce-module-boundaries': ['error', boundaries({ mayImportApps: true })], 'no-console': 'off' },
  },
  {
    files: ['libs/domain/**/*.ts'],
    ignores: tests,
    rules: {
      'no-restricted-imports': [
        'error',
        {
          patterns: [
            { regex: '^node:(?!crypto$|buffer$)', message: 'The domain is pure: no I/O, now is an argument.' },
          ],
        },
      ],
    },
  },
  {
    files: ['libs/service-kernel/src/**/*clock.ts'],
    rules: { 'no-restricted-syntax': ['error', noDefaultExport, ...secretsAreComparedInConstantTime] },
  },
  {
    files: notProduction.filter((pattern) => !pattern.startsWith('tools')),
    rules: {
      '@nx/enforce-module-boundaries': ['error', boundaries({ tests: true })],
      'no-restricted-syntax': ['error', noDefaultExport],
    },
  },
  {
    files: ['apps/standalone/**/*spec.ts'],
    rules: { '@nx/enforce-module-boundaries': ['error', boundaries({ tests: true, mayImportApps: true })] },
  },
  {
    files: tests,
    plugins: { jest },
    languageOptions: { globals: jest.environments.globals.globals },
    rules: {
      ...jest.configs['flat/recommended'].rules,
      'jest/valid-expect': ['error', { maxArgs: 1 }],
      'jest/expect-expect': [
        'error',
        { assertFunctionNames: ['expect', 'expect*', '**.expect*', 'eventually', 'fc.assert'] },
      ],
      'jest/no-standalone-expect': ['error', { additionalTestBlockFunctions: ['beforeEach', 'afterEach'] }],
      'jest/no-disabled-tests': 'error',
      // Property tests and tables of cases branch; what they assert is checked by expect-expect.
      'jest/no-conditional-expect': 'off',
      // Contract suites export the function that declares them.
      'jest/no-export': 'off',
      'jest/require-top-level-describe': 'off',
    },
  },
  prettier,
];
