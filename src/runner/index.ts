/**
 * The runner: one small supervisor process per attempt, detached from the worker. It holds the attempt's lease, owns
 * the agent's processes, and saves its work. The host talks to it by {@link RunnerControl}, the agent by {@link
 * AgentSocketClient}.
 * @module
 */
export { AttemptDir, DamagedFileError } from './attempt/attempt-dir.js';
export { FruitlessStarts } from './attempt/fruitless-starts.js';
export { inspectAttempt, mayHaveAgent } from './attempt/inspect-attempt.js';
export { bootRunner, spawnRunner } from './spawn-runner.js';
export type { BootedRunner } from './spawn-runner.js';
export { SpareRunner } from './spare-runner.js';
export { RunnerControl, RunnerGoneError, RunnerRefusedError } from './sockets/runner-control.js';
export { AgentSocketClient, AgentSocketError } from './sockets/agent-socket-client.js';
export type { MuteEnd } from './end/end-mute.js';
export { endMute, mutePatience, questionWithin, runnerAnswers } from './end/end-mute.js';
export { endLeftovers, reapAttempt } from './end/reap-attempt.js';
export { holderState, ownPlace, ownProcess, touchedAt } from './processes/process-place.js';
export type { PlacedProcess, ProcessPlace } from './processes/process-place.js';
export { connectionRecord, connectRunner } from './lease/connection.js';
export { processAlive, processStartTime, processStopped } from './processes/process.js';
export { endProcesses, findProcesses, signalProcess } from './processes/end-processes.js';
export type { AttemptProcesses } from './processes/end-processes.js';
export type * from './types.js';
