/**
 * The contract between operators, workflows, activities, runners and agents: names, ids, message types, guards, limits.
 * No run-time dependency; safe in the workflow sandbox, on the client and on the host alike.
 * @module
 */
export * from './names.js';
export * from './types.js';
export * from './clocks.js';
export * from './plain-text.js';
export * from './problems.js';
export * from './limits.js';
export * from './heartbeat.js';
export * from './rig.js';
export * from './landing-signals.js';
export * from './convoy.js';
export * from './fleet.js';
export * from './fleet-signals.js';
export * from './usage.js';
export * from './host-question.js';
