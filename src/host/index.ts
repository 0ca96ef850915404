/**
 * The host of a worker: its state directory, the lock on it, the places for agents, and the watch over their runners.
 * @module
 */
export { openStateDirectory } from './state-directory.js';
export type { StateDirectory } from './state-directory.js';
export { acquireWorkerLock, WorkerLockHeldError } from './worker-lock.js';
export type { WorkerLockHolder, WorkerLock, WorkerLockOptions } from './worker-lock.js';
export { defaultDiskFloor, diskProblem } from './disk-space.js';
export { AgentPlaces } from './agent-places.js';
export type { AgentPlace, AgentPlacesOptions, PollPermit } from './agent-places.js';
export { AttemptTurns } from './attempt-turns.js';
export type { AttemptTurn, GiveWay } from './attempt-turns.js';
export { LivingRunners } from './living-runners.js';
export { checksIn, returnPorts, takePorts } from './port-blocks.js';
export type { PortHolder } from './port-blocks.js';
export { Host } from './host.js';
export type { HostOptions } from './host.js';
export { HostWatch } from './host-watch.js';
export type { HostWatchOptions } from './host-watch.js';
