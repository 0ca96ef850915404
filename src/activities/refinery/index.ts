/**
 * The refinery on a host: merges with their checks, exactly once.
 * @module
 */
export { createRefineryActivities } from './activities.js';
export { refineryFailures } from './failures.js';
export { refineryFolder } from './merge.js';
export type { RefineryDeps } from './merge.js';
export type { MergeBeatDetails } from './merge-beats.js';
export { prepareRefinery, refineryWorkerOptions } from './worker-options.js';
export type { RefineryWorkerOptions } from './worker-options.js';
