import js from '@eslint/js';
import tseslint from 'typescript-eslint';
import { builtinModules } from 'node:module';

const builtins = builtinModules.map((name) => ({ name, message: 'no Node module here', allowTypeImports: true }));
const hostPackages = [
  '@temporalio/client',
  '@temporalio/worker',
  '@temporalio/activity',
  '@temporalio/testing',
  '@temporalio/envconfig',
];
const edges = ['zod', 'execa', 'commander', 'pino', 'p-retry', 'env-paths'];

const spreads = ['consequent', 'alternate'].map((empty) => ({
  selector: `SpreadElement > ConditionalExpression > ObjectExpression.${empty}[properties.length=0]`,
  message: 'write `{ base: state.base }`: JSON and every reader here leave out what is undefined',
}));

/**
 * Code that runs in the workflow sandbox: nothing of Node, nothing of the edges. Types may be imported from anywhere.
 */
const restricted = (patterns, message) => ({
  '@typescript-eslint/no-restricted-imports': [
    'error',
    { paths: builtins, patterns: [{ group: ['node:*', ...patterns], message, allowTypeImports: true }] },
  ],
});

export default tseslint.config(
  { ignores: ['dist/', 'node_modules/', 'coverage/', '.heartbead/'] },
  js.configs.recommended,
  ...tseslint.configs.recommended,
  {
    files: ['**/*.ts', '**/*.tsx'],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': 'error',
      '@typescript-eslint/await-thenable': 'error',
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'separate-type-imports' }],
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      'no-empty': ['error', { allowEmptyCatch: false }],
      // Agents' words and terminals are full of control characters, and patterns that take them out must name them.
      'no-control-regex': 'off',
    },
  },
  {
    files: ['src/contract/**/*.ts', 'src/domain/**/*.ts'],
    rules: restricted(
      [
        ...hostPackages,
        ...edges,
        '@temporalio/*',
        '**/workflows/*',
        '**/activities/*',
        '**/runner/**',
        '**/package/*',
        '**/cli/*',
        '**/host/*',
        '**/git/*',
        '**/edge/*',
      ],
      'contract and domain are pure: no Node, no Temporal, no edges',
    ),
  },
  {
    files: ['src/workflows/**/*.ts'],
    rules: {
      ...restricted(
        [
          ...hostPackages,
          ...edges,
          '../activities/*',
          '../runner/**',
          '../package/*',
          '../cli/*',
          '../host/*',
          '../git/*',
          '../agents/*',
          '../edge/*',
        ],
        'workflow code runs in the sandbox: only contract, domain and @temporalio/workflow',
      ),
      'no-restricted-globals': ['error', 'process', 'fetch', 'WeakRef', 'setInterval', 'structuredClone', 'Buffer'],
    },
  },
  {
    files: ['src/**/*.{ts,tsx}', 'scripts/**/*.mjs'],
    rules: { 'no-restricted-syntax': ['error', ...spreads] },
  },
  {
    files: ['src/contract/**/*.ts', 'src/domain/**/*.ts', 'src/workflows/**/*.ts'],
    rules: {
      // This list replaces the one above, so it holds that too.
      'no-restricted-syntax': [
        'error',
        ...spreads,
        {
          selector: ':matches(Program, Program > ExportNamedDeclaration) > VariableDeclaration:not([kind="const"])',
          message:
            'all workflows of a worker share this module (preloadModules): what changes belongs into a ' +
            'workflow, not into a variable of a module',
        },
      ],
    },
  },
  {
    files: ['src/operator/**/*.ts', 'src/board/**/*.ts', 'src/board/**/*.tsx'],
    rules: {
      '@typescript-eslint/no-restricted-imports': [
        'error',
        {
          patterns: [
            {
              regex: '^(?:\\.\\./)+cli/',
              message: 'what the board and the command line both need lies below both: src/operator, client or domain',
            },
          ],
        },
      ],
    },
  },
  {
    files: ['src/**/*.{ts,tsx}', 'scripts/**/*.mjs'],
    rules: { 'max-len': ['error', { code: 120, ignoreUrls: true, ignoreRegExpLiterals: true }] },
  },
  {
    files: ['**/*.mjs'],
    languageOptions: {
      globals: {
        process: 'readonly',
        console: 'readonly',
        URL: 'readonly',
        setTimeout: 'readonly',
        clearTimeout: 'readonly',
        setInterval: 'readonly',
        clearInterval: 'readonly',
        Buffer: 'readonly',
      },
    },
  },
);
