import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const setupFiles = ['test/support/exit-on-signals.ts', 'test/support/quiet-runtime.ts'];

/**
 * For `scripts/coverage.mjs`: the pure code by its unit tests, and the workflows inside their sandbox by the tests
 * under virtual time, each in a run of its own.
 */
export default defineConfig({
  root: fileURLToPath(new URL('../..', import.meta.url)),
  test: {
    pool: 'forks',
    maxWorkers: 2,
    teardownTimeout: 30_000,
    coverage: {
      enabled: true,
      provider: 'istanbul',
      reportOnFailure: true,
      include: ['src/domain/**', 'src/workflows/**'],
      reporter: ['json'],
      reportsDirectory: process.env['HEARTBEAD_COVERAGE_INTO'] ?? 'coverage',
    },
    projects: [
      { extends: true, test: { name: 'unit', include: ['test/unit/**/*.test.ts'], testTimeout: 60_000 } },
      {
        extends: true,
        test: {
          name: 'workflow',
          include: ['test/workflow/**/*.test.ts', 'test/replay/**/*.test.ts'],
          testTimeout: 300_000,
          hookTimeout: 120_000,
          retry: 1,
          globalSetup: ['test/support/global/test-server.ts', 'test/coverage/bundle.ts'],
          setupFiles: [...setupFiles, 'test/coverage/setup.ts'],
        },
      },
    ],
  },
});
