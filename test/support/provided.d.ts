import 'vitest';

declare module 'vitest' {
  /** What the set-up files under `test/support/global` hand to the tests by `inject(…)`. */
  export interface ProvidedContext {
    /** Executable of the time-skipping server (projects `workflow`). */
    testServer: string;
    /** The production workflow bundle, `dist/workflow-bundle.js` (projects `workflow` and `server`). */
    workflowBundle: string;
    /** The dev server that all files of project `server` share, with search attributes registered. */
    devServer: { address: string; namespace: string };
    /** The `temporal` program, for tests that start a dev server of their own. */
    devServerProgram: string;
    /** Of the server in that program: `1.32.0`. */
    devServerVersion: string;
  }
}
