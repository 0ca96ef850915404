/** The pure decisions: no `await`, no Node, no Temporal. @module */
export * from './accounts.js';
export * from './clocks.js';
export * from './deadline.js';
export * from './details.js';
export * from './explain.js';
export * from './input.js';
export * from './landing.js';
export * from './lifecycle.js';
export * from './words.js';
