/**
 * The test kit: a town of fake hosts and scripted agents under virtual time, over the real workflows. Hours pass in
 * seconds, and what really ran is counted, not believed.
 *
 * ```ts
 * const town = await openTown({ agent: { coldStart: '10m', works: '1h' } });
 * const bead = await town.sling();
 * await bead.untilEnded('2h');
 * expectOneAgent(bead);
 * await town.close();
 * ```
 *
 * Needs the packages `@temporalio/testing` and `@temporalio/worker`, and the time-skipping server.
 * @module
 */
export { openTown, World } from './world.js';
export type { WorldOptions } from './world.js';
export { Town } from './town.js';
export type { Fact, Scripts, SlingOptions, TownOptions } from './town.js';
export { TownBead } from './town-bead.js';
export { TownWorkflow } from './town-workflow.js';
export { FakeRefinery } from './fake-refinery.js';
export type { Status } from './town-bead.js';
export { FakeHost } from './fake-host.js';
export { FakeRemote } from './fake-remote.js';
export type { AgentEnd, AgentScript } from './agent-script.js';
export { AgentCensus } from './agent-census.js';
export type { AgentLife } from './agent-census.js';
export { VirtualClock } from './virtual-clock.js';
export type { Clock } from './clock.js';
export type { HostContext } from './fake-host.js';
export type { TaskInHand } from './task-in-hand.js';
export { ActivityDesk } from './activity-desk.js';
export { WorkflowWatch } from './workflow-watch.js';
export { milliseconds } from './duration.js';
export type { Duration } from './duration.js';
export * from './expect.js';
