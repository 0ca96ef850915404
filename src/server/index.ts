/** Finding, building, starting Temporal servers, and making them ready for Heartbead. @module */
export { cacheDirectory } from './cache.js';
export { findDevServer } from './find-dev-server.js';
export { findTestServer } from './find-test-server.js';
export { ServerNotFound, describeBinary } from './found-binary.js';
export type { BinarySource, FindOptions, FoundBinary } from './found-binary.js';
export { DevServerProblem, serverSettings, startDevServer } from './dev-server.js';
export type { DevServer, DevServerOptions } from './dev-server.js';
export {
  SearchAttributesProblem,
  missingSearchAttributes,
  registerSearchAttributes,
  searchAttributeNames,
} from './search-attributes.js';
export { probePriorities } from './probe-priorities.js';
export type { PriorityProbe } from './probe-priorities.js';
