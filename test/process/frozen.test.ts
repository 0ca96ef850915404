import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, inject, it, onTestFinished } from 'vitest';
import { attemptRefs } from '../../src/contract/index.js';
import { startDevServer } from '../../src/server/dev-server.js';
import type { DevServer } from '../../src/server/dev-server.js';
import { scratchFolder } from '../support/scratch.js';
import { Town, generous, processState, quickClocks, until } from './support/town.js';
import { Wire } from './support/wire.js';

/** A server of the test's own, on a file, so that it can be away and come back. */
async function ownServer(): Promise<{
  up: () => Promise<DevServer>;
  down: () => Promise<void>;
  address: string;
  namespace: string;
}> {
  const dbFile = `${scratchFolder('server')}/temporal.db`;
  let server = await startDevServer({ dbFile, uiPort: false, namespace: 'default' });
  onTestFinished(() => server.kill());
  const { address, namespace } = server;
  return {
    address,
    namespace,
    down: () => server.kill(),
    up: async () =>
      (server = await startDevServer({ dbFile, uiPort: false, port: Number(address.split(':')[1]), namespace })),
  };
}

describe('what freezes, and thaws', { timeout: 4 * generous }, () => {
  it('a worker stopped in mid-start past the heartbeat time-out and continued starts exactly one agent, with one attempt', async () => {
    const { address } = inject('devServer');
    const town = await Town.open(inject('devServer'));
    const host = await town.host(address);
    const bead = await town.sling({ prepareMs: 4_000, steps: 10, stepMs: 300 });
    const view = await town.seen(bead, 'is being prepared', (now) => now.agent === 'starting');
    host.signal('SIGSTOP');
    // The workflow's own worker is the frozen one: the server alone can tell that the activity timed out.
    await until('the server has given the activity up', async () => {
      const { raw } = await town.client.workflow.getHandle(`bead-${bead}`).describe();
      return !(raw.pendingActivities ?? []).some((activity) => activity.activityType?.name === 'startAgent');
    });
    host.signal('SIGCONT');
    const closed = await town.closedByOne(bead, view.current?.id);
    expect(closed.attempts[0]?.adoptions).toBeGreaterThan(0);
    // The demo agent says so once per process: what it committed was begun by one process only.
    const log = readFileSync(host.attempt(bead, view.current?.id ?? '').agentLog, 'utf8');
    expect(log.match(/"type":"session"/g)).toHaveLength(1);
  });

  it('a server away for longer than the heartbeat time-out costs neither the agent nor an attempt', async () => {
    const server = await ownServer();
    const town = await Town.open(server);
    const host = await town.host(server.address);
    // A lease that outlasts it on a busy machine too.
    const clocks = { ...quickClocks, leaseFor: 30_000, giveUpAfter: 60_000 };
    const bead = await town.sling({ steps: 120, stepMs: 150 }, { clocks });
    const { agent, view } = await town.working(bead, host);
    await server.down();
    await sleep(quickClocks.heartbeatTimeout + 1_500);
    expect(processState(agent)).not.toBe('T');
    await server.up();
    await town.closedByOne(bead, view.current?.id);
  });

  it('a server away for longer than leaseFor freezes the agent; it is thawed when it is adopted, and no attempt is used up', async () => {
    const server = await ownServer();
    const town = await Town.open(server);
    const host = await town.host(server.address);
    const bead = await town.sling({ steps: 120, stepMs: 150 });
    const { agent, view } = await town.working(bead, host);
    await server.down();
    await until('the agent is frozen', () => Promise.resolve(processState(agent) === 'T'));
    await server.up();
    await until('the agent is thawed', () =>
      Promise.resolve(processState(agent) !== 'T' && processState(agent) !== undefined),
    );
    await town.closedByOne(bead, view.current?.id);
  });

  it('across a partition no two agents run: the old one is frozen before the bead moves on, ended on its return, and its work is kept', async () => {
    const { address, namespace } = inject('devServer');
    const town = await Town.open({ address, namespace });
    const wire = await Wire.to(address);
    const far = await town.host(wire.address, { name: 'far' });
    const bead = await town.sling(
      { steps: 400, stepMs: 150 },
      { agent: { adapter: 'demo', options: { steps: 400, stepMs: 150, commits: 200 } } },
    );
    const { agent, view } = await town.working(bead, far);
    const first = view.current?.id ?? '';
    await until('work in progress is on the remote', () => town.remote(attemptRefs.wip(bead, first)));
    const near = await town.host(address, { name: 'near' });
    wire.cut();
    // Whenever the bead has moved on, the old agent stands still.
    const moved = await until('the bead has moved on', async () => {
      const now = await town.view(bead);
      return now.current !== undefined && now.current.id !== first ? now : undefined;
    });
    expect(processState(agent)).toBe('T');
    expect(moved.attempts[0]).toMatchObject({ outcome: 'lost', countedAs: 'infra' });
    const second = await town.working(bead, near);
    expect(processState(agent)).toBe('T');
    wire.mend();
    await until('the old agent is ended', () => Promise.resolve(town.processesOf(first).length === 0));
    expect(processState(second.agent)).toBeDefined();
    expect(await town.remote(attemptRefs.wip(bead, first))).toBeDefined();
    expect((await town.view(bead)).current?.id).toBe(second.view.current?.id);
    await town.beads.cancel(bead);
    await town.seen(bead, 'is cancelled', (now) => now.status === 'cancelled');
  });

  it('an activity paused in the Web UI stops the agent, and unpaused lets it go on; the bead knows', async () => {
    const { address, namespace } = inject('devServer');
    const town = await Town.open({ address, namespace });
    const host = await town.host(address);
    const bead = await town.sling({ steps: 60, stepMs: 150 });
    const { agent, view } = await town.working(bead, host);
    const { raw } = await town.client.workflow.getHandle(`bead-${bead}`).describe();
    const activity = raw.pendingActivities?.find(({ activityType }) => activityType?.name === 'startAgent');
    const which = {
      namespace,
      execution: { workflowId: `bead-${bead}` },
      id: activity?.activityId ?? '',
      identity: 'test',
    };
    await town.connection.workflowService.pauseActivity(which);
    await until('the agent is stopped', () => Promise.resolve(processState(agent) === 'T'));
    await town.seen(bead, 'shows the pause', (now) => now.agent === 'paused');
    await town.connection.workflowService.unpauseActivity(which);
    await until('the agent goes on', () =>
      Promise.resolve(processState(agent) !== 'T' && processState(agent) !== undefined),
    );
    await town.closedByOne(bead, view.current?.id);
  });

  it('a bead paused by an operator freezes its agent and its clocks, and goes on after resume', async () => {
    const { address } = inject('devServer');
    const town = await Town.open(inject('devServer'));
    const host = await town.host(address);
    const bead = await town.sling({ steps: 40, stepMs: 150 });
    const { agent } = await town.working(bead, host);
    expect(await town.beads.pause(bead)).toContain('frozen');
    await until('the agent stands still', () => Promise.resolve(processState(agent) === 'T'));
    expect(await town.beads.resume(bead)).toContain('goes on');
    const closed = await town.closed(bead);
    expect(closed.attemptCount).toBe(1);
  });
});
