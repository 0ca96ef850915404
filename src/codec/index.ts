/**
 * Payloads that the server cannot read: a key ring, and the codec that seals with it. Known by clients, workers,
 * runners and the codec endpoint alike.
 * @module
 */
export * from './data-converter.js';
export * from './endpoint.js';
export * from './keys.js';
export * from './marked.js';
export * from './opened.js';
export * from './ring.js';
export * from './seal.js';
export * from './source.js';
