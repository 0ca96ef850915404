/**
 * The `heartbead` command. Imported by `bin/heartbead.mjs`, it runs at once.
 * @module
 */
import { agentEnvironment } from '../contract/index.js';
import { run } from './run.js';

// Agents call in often: their verbs are loaded alone, which takes a third of the time.
if (process.argv[2] === 'agent') await run([(await import('./verbs/agent.js')).agent]);
else if ((process.env[agentEnvironment.attempt] ?? '') !== '') await import('./agent-main.js');
else await run((await import('./verbs/index.js')).verbs);
