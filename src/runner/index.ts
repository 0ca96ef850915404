/**
 * The runner: one small supervisor process per attempt, detached from the worker. It holds the attempt's lease, owns
 * the agent's processes, and saves its work. The host talks to it by {@link RunnerControl}, the agent by {@link
 * AgentSocketClient}.
 * @module
 */
export { AttemptDir, DamagedFileError } from './attempt-dir.js';
export { inspectAttempt } from './inspect-attempt.js';
export { bootRunner, spawnRunner } from './spawn-runner.js';
export type { BootedRunner } from './spawn-runner.js';
export { RunnerControl, RunnerGoneError, RunnerRefusedError } from './runner-control.js';
export { AgentSocketClient, AgentSocketError } from './agent-socket-client.js';
export { endLeftovers, reapAttempt } from './reap-attempt.js';
export { holderState, ownPlace, ownProcess } from './process-place.js';
export type { PlacedProcess, ProcessPlace } from './process-place.js';
export { connectionRecord, connectRunner } from './connection.js';
export { processAlive, processStartTime, processStopped } from './process.js';
export { endProcesses, findProcesses, signalProcess } from './end-processes.js';
export type { AttemptProcesses } from './end-processes.js';
export type * from './types.js';
