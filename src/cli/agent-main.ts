/**
 * The `heartbead` of an agent: what is on its PATH, and what every other `heartbead` is inside an attempt. It reports
 * to the runner and does nothing else. It runs at once.
 * @module
 */
import { operatorsDoThis } from './operator-verbs.js';
import { run } from './run.js';
import { agent } from './verbs/agent.js';
import { mcp } from './verbs/mcp.js';

await run([agent, mcp, operatorsDoThis]);
