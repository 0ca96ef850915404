import { defineConfig } from 'vitest/config';

const setupFiles = ['test/support/exit-on-signals.ts', 'test/support/quiet-runtime.ts'];

/**
 * Tests wait for events; this is only the limit after which an event is believed never to come, on a slow machine with
 * two busy cores: the longest of those that have no limit of their own take a quarter of it.
 */
const slow = { testTimeout: 300_000, hookTimeout: 300_000, teardownTimeout: 30_000 };

const project = (name: string, include: string[], more: object = {}) => ({
  extends: true as const,
  test: { name, include: include.map((folder) => `test/${folder}/**/*.test.ts`), ...more },
});

export default defineConfig({
  test: {
    pool: 'forks',
    // Two cores are what the smallest machines have. Most tests wait for servers, agents and git: with two at a time a
    // third of the processor's time is left.
    maxWorkers: 3,
    globalSetup: [],
    // Most tests are about something else, and pass on machines that can make no sandbox, and count their processes:
    // those that are about either ask for it.
    env: { HEARTBEAD_SANDBOX: 'none', HEARTBEAD_SPARE_RUNNER: 'none', HEARTBEAD_SPARE_TREE: 'none' },
    // The SDK tries a failed request again from a timer, and throws there, where nobody can catch it, when the
    // connection has been closed meanwhile.
    onUnhandledError: (error) =>
      !(error.message === 'Channel has been shut down' && error.stack?.includes('grpc-retry') === true),
    projects: [
      // Pure code and single processes: nothing is set up, so a run starts at once. Some race with the kernel; what
      // needed its second try is marked.
      project('unit', ['unit'], { ...slow, retry: 1 }),
      // Real git and real processes; no server.
      project('host', ['refinery', 'scripts', 'server-binaries', 'cell'], {
        ...slow,
        retry: 1,
        globalSetup: 'test/support/global/build.ts',
        setupFiles,
      }),
      // The time-skipping server: one per file, made by `createTimeSkipping()`.
      project('workflow', ['workflow', 'replay'], {
        ...slow,
        // Virtual time shares a machine with whatever else runs on it; a rule that is broken fails twice, and what
        // needed its second try is marked in the output.
        retry: 1,
        globalSetup: ['test/support/global/build.ts', 'test/support/global/test-server.ts'],
        setupFiles,
      }),
      // Real git, real processes, compiled programs, and one dev server for all files.
      project('server', ['server', 'activities', 'cli', 'host', 'runner', 'process', 'ui', 'board'], {
        ...slow,
        // Real processes on a machine that may be busy with others; what needed its second try is marked in the output.
        retry: 1,
        globalSetup: ['test/support/global/build.ts', 'test/support/global/dev-server.ts'],
        setupFiles,
      }),
      // Agent programs of others: `npm test` runs few of them through the main scenario, `npm run test:agents` all
      // through all.
      project('agents', ['agents'], {
        ...slow,
        // Real processes on a machine that may be busy with others; what needed its second try is marked in the output.
        retry: 1,
        globalSetup: ['test/support/global/build.ts', 'test/support/global/dev-server.ts'],
        setupFiles,
        // As on everybody's machine: in a sandbox where this host can make one.
        env: { HEARTBEAD_SANDBOX: process.env['HEARTBEAD_SANDBOX'] ?? 'auto' },
        ...(process.env['HEARTBEAD_TEST_AGENTS'] === undefined ? { include: ['test/agents/work.test.ts'] } : {}),
      }),
    ],
  },
});
