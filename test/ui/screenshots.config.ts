import { defineConfig } from 'vitest/config';

/** `npm run test:ui`: the tests of the Web UI and of the board, and the pictures for the documentation. */
export default defineConfig({
  test: {
    include: ['test/ui/**/*.test.ts', 'test/board/**/*.test.ts'],
    globalSetup: ['test/support/global/build.ts', 'test/support/global/dev-server.ts'],
    setupFiles: ['test/support/exit-on-signals.ts', 'test/support/quiet-runtime.ts'],
    env: { HEARTBEAD_SCREENSHOTS: 'docs/images' },
    testTimeout: 120_000,
    hookTimeout: 180_000,
  },
});
