import { startDevServer } from './dist/server/index.js';
import { processes } from './dist/bench/processes.js';
import { quietRuntime } from './dist/testing/quiet-runtime.js';
quietRuntime();
const server = await startDevServer({ uiPort: false, log: () => {} });
try { for (const f of await processes(server, { say: (t) => console.error(t) })) console.log(f.name, f.value, f.against?.value, f.ratio); } finally { await server.stop(); }
