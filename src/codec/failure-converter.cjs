/* eslint-disable @typescript-eslint/no-require-imports, no-undef -- the SDK loads this file with `require` */
/**
 * Puts what a failure says (message and stack) into a payload, so that it is sealed like all the rest. The SDK loads it
 * by its path with `require`.
 * @module
 */
const { DefaultFailureConverter } = require('@temporalio/common');

exports.failureConverter = new DefaultFailureConverter({ encodeCommonAttributes: true });
