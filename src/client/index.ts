/**
 * Everything by which a program outside the workflows talks to beads: finding the server, typed requests, expected
 * failures as types.
 * @module
 */
export * from './attempt-reader.js';
export * from './beads.js';
export * from './check-log.js';
export * from './connect.js';
export * from './deadline.js';
export * from './deployment.js';
export * from './describe.js';
export * from './errors.js';
export * from './fleet.js';
export * from './home.js';
export * from './list.js';
export * from './look.js';
export * from './pollers.js';
export * from './records.js';
