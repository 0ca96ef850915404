import { quietRuntime } from '../../src/testing/quiet-runtime.js';

// A failing test says what failed without the runtime's log; `TEST_LOG=INFO` (or `DEBUG`) brings it back.
// Files start and end workers by themselves; signals are for the test runner.
quietRuntime({ shutdownSignals: [] }, (process.env['TEST_LOG'] ?? 'ERROR') as 'ERROR');
