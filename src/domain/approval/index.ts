/** Approval by key: signatures of OpenSSH, and what they sign. @module */
export * from './approval.js';
export * from './needs-key.js';
export * from './ssh-signature.js';
