/** Options and arguments that several verbs take: each is declared here, once. @module */
import { z } from 'zod';
import { mergeStrategies } from '../contract/rig.js';
import {
  attemptArgument,
  beadArgument,
  budgetOptions,
  clockOptions,
  keyValues,
  networkArgument,
  wholeNumber,
} from './args.js';
import { argument, option, repeatable } from './verb.js';

export const oneBead = argument('<bead>', 'id of the bead', beadArgument);
export const rigName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,59}$/, 'a rig has a name of lower-case letters, digits and dashes');

export const taskQueue = option('--task-queue <name>', "the town's task queue", z.string().min(1).max(200).optional());
export const priority = (says: string) => option('--priority <n>', says, wholeNumber('a priority', 1, 5).optional());
export const attempt = (says: string) => option('--attempt <id>', says, attemptArgument.optional());
export const atMost = (most: number, usual: number, says = 'at most so many') =>
  option('--limit <n>', `${says} (default: ${usual})`, wholeNumber('--limit', 1, most).default(usual));

/** Which agent, and how it is called. */
export const agentOptions = (names: string) => ({
  agent: option('--agent <name>', `the agent program${names}`, z.string().optional()),
  command: option('--command <cmd>', 'the command line of the shell agent', z.string().optional()),
  option: repeatable(
    '--option <key=value>',
    "an option of the agent's adapter; the value may be JSON",
    keyValues.default({}),
  ),
  env: repeatable(
    '--env <name>',
    "a variable of the worker's host that the agent may see",
    z.array(z.string()).default([]),
  ),
  sandbox: option(
    '--sandbox',
    'the agent runs in a sandbox or not at all (default: in one where its host can make one)',
    z.boolean().optional(),
  ),
  network: option(
    '--network <hosts>',
    'the only hosts that the agent reaches, with commas between, or none; its provider comes by itself',
    networkArgument.optional(),
  ),
  noSandbox: option('--no-sandbox', 'the agent runs without one, where its host lets it', z.boolean().optional()),
});

export const clock = repeatable(
  '--clock <name=duration>',
  'another setting for one of the clocks, such as maxRuntime=2h',
  clockOptions.optional(),
);
export const budget = repeatable(
  '--budget <name=number>',
  'a budget, such as maxCostUsd=5, maxTokens=2000000 or agentFailures=3',
  budgetOptions.optional(),
);

/** How the refinery treats the work of a rig. */
export const strategy = option(
  '--strategy <name>',
  `how work lands: ${mergeStrategies.join(', ')} (default: merge)`,
  z.enum(mergeStrategies, { error: `the strategy is one of ${mergeStrategies.join(', ')}` }).optional(),
);
