import { defineConfig } from 'vitest/config';

/** `npm run record-histories`: no test, but it needs what tests need. */
export default defineConfig({
  test: {
    include: ['test/replay/record.ts'],
    globalSetup: ['test/support/global/build.ts', 'test/support/global/test-server.ts'],
    setupFiles: ['test/support/exit-on-signals.ts', 'test/support/quiet-runtime.ts'],
    pool: 'forks',
    testTimeout: 600_000,
    hookTimeout: 120_000,
  },
});
