/**
 * The server takes so many signals for one run of a workflow; here 20 instead of 10,000. Real server, rigs, convoys and
 * beads as they ship; agents and merges do nothing, when the test lets them.
 */
import { createHash } from 'node:crypto';
import { Client, Connection } from '@temporalio/client';
import { NativeConnection, Worker } from '@temporalio/worker';
import { pino } from 'pino';
import { afterAll, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest';
import { createFleetActivities } from '../../src/activities/fleet/index.js';
import { BeadClient, FleetClient } from '../../src/client/index.js';
import {
  beadWorkflowId,
  convoyBeadId,
  convoyMessages,
  convoyWorkflowId,
  integrationBranch,
  limits,
  messages,
  rigMessages,
  rigWorkflowId,
  taskQueues,
} from '../../src/contract/index.js';
import type { BeadView, ConvoyView, RefineryActivities, RigView, StartAgentInput } from '../../src/contract/index.js';
import { noWork } from '../../src/lab/bench/orchestration.js';
import { startDevServer } from '../../src/server/index.js';
import type { DevServer } from '../../src/server/index.js';
import { until } from '../support/until.js';

const most = 20;
/** A run goes on in a new one from here on: more than all that a bead or a rig of a test does otherwise. */
const longRun = 120;
const sha = 'a'.repeat(40);
const queue = 'full-runs';

let server: DevServer;
let connection: Connection;
let native: NativeConnection;
let client: Client;
let fleet: FleetClient;
let beads: BeadClient;
let workers: Worker[];
let running: Promise<void[]>;
/** What an agent, and a look at a branch, waits for. */
const gates = new Map<string, Promise<void>>();

beforeAll(async () => {
  server = await startDevServer({
    uiPort: false,
    settings: { 'history.maximumSignalsPerExecution': most, 'limit.historyCount.suggestContinueAsNew': longRun },
  });
  const { address, namespace } = server;
  connection = await Connection.connect({ address });
  native = await NativeConnection.connect({ address });
  client = new Client({ connection, namespace });
  fleet = new FleetClient({ client });
  beads = new BeadClient({ client });
  const refinery: RefineryActivities = {
    merge: ({ request }) => Promise.resolve({ outcome: 'merged', sha, target: request.target, strategy: 'merge' }),
    ensureBranch: ({ branch }) => Promise.resolve({ branch, sha, created: true }),
  };
  const common = { connection: native, namespace };
  workers = await Promise.all([
    Worker.create({
      ...common,
      taskQueue: queue,
      workflowBundle: { codePath: inject('workflowBundle') },
      activities: {
        ...createFleetActivities({ client, taskQueue: queue, mirrors: '/nowhere', logger: pino({ level: 'silent' }) }),
        ...noWork,
        lookAtBranch: async ({ branch }: { branch: string }) => {
          await gates.get(branch);
          return { sha: createHash('sha1').update(branch).digest('hex'), missing: [] };
        },
      },
    }),
    Worker.create({
      ...common,
      taskQueue: taskQueues.agents(queue),
      activities: {
        ...noWork,
        startAgent: async (input: StartAgentInput) => {
          await gates.get(input.bead);
          return noWork.startAgent(input);
        },
      },
    }),
    Worker.create({ ...common, taskQueue: taskQueues.merge(queue), activities: { ...refinery } }),
  ]);
  running = Promise.all(workers.map((worker) => worker.run()));
});
afterAll(async () => {
  for (const worker of workers ?? []) worker.shutdown();
  await running;
  await native?.close();
  await connection?.close();
  await server?.stop();
});

/** A second try has names of its own. */
let tries = 0;
beforeEach(() => void (tries += 1));
const named = (stem: string): string => `${stem}-${tries}`;

/** Sends what nobody can read until the run takes no more. */
async function fill(workflowId: string, name: string): Promise<void> {
  const handle = client.workflow.getHandle(workflowId);
  const refused = async (): Promise<boolean> => {
    try {
      await handle.signal(name, 'nonsense');
      return false;
    } catch (error) {
      expect(String((error as Error).cause)).toContain('limit for signal events');
      return true;
    }
  };
  for (let sent = 0; !(await refused()); sent += 1) expect(sent).toBeLessThan(most);
}

/** Orders, of which a run may have more than signals, until the workflow goes on in a new run. */
async function renew(workflowId: string, orders: () => Promise<unknown>): Promise<void> {
  const runs = async (): Promise<number> =>
    (await client.workflow.getHandle(workflowId).query<{ runs: number }>('state')).runs;
  const before = await runs();
  for (let given = 0; (await runs()) === before; given += 1) {
    expect(given).toBeLessThan(longRun);
    await orders();
  }
}
const renewRig = (rig: string): Promise<void> =>
  renew(rigWorkflowId(rig), async () => {
    await fleet.pauseRig(rig);
    await fleet.resumeRig(rig);
  });

/** Waits until a workflow was refused a signal, and has not given up on whom it was for. */
async function refusedOnce(workflowId: string): Promise<void> {
  await until(`${workflowId} was refused`, async () => {
    const { events = [] } = await client.workflow.getHandle(workflowId).fetchHistory();
    return events?.some(({ signalExternalWorkflowExecutionFailedEventAttributes: failed }) => failed != null) === true;
  });
}

/** @returns how long a run may work on one workflow task, in milliseconds. */
async function taskTimeout(workflowId: string): Promise<number> {
  const { raw } = await client.workflow.getHandle(workflowId).describe();
  return Number(raw.executionConfig?.defaultWorkflowTaskTimeout?.seconds) * 1_000;
}

const settings = {
  repo: '/nowhere',
  base: 'main',
  agent: { adapter: 'demo' },
  maxAgents: 5,
  checks: [],
  strategy: 'merge' as const,
  approval: false,
};
const sling = (bead: string, rig: string): Promise<unknown> =>
  beads.start({ bead, title: bead, repo: '/nowhere', rig, agent: { adapter: 'rig' } }, queue);
const stateOf = (bead: string): Promise<BeadView> =>
  client.workflow.getHandle(beadWorkflowId(bead)).query<BeadView>(messages.state);
const merged = (bead: string): Promise<true> =>
  until(`${bead} is merged`, async () => {
    const { status, reason } = await stateOf(bead);
    expect([status, reason]).not.toEqual(['blocked', expect.anything()]);
    return status === 'closed';
  });
/** What waits at a gate, until it is opened. */
function gate(name: string): () => void {
  let open: () => void = () => undefined;
  gates.set(name, new Promise((resolve) => (open = resolve)));
  return open;
}

describe('a run that has had as many signals as the server takes', () => {
  it('of a rig is asked again by a bead that wants a grant, until the rig goes on in a new run', async () => {
    const [rig, bead] = [named('asked'), named('asks')];
    await fleet.addRig(rig, settings, queue);
    await fill(rigWorkflowId(rig), rigMessages.askGrant);
    await sling(bead, rig);
    await refusedOnce(beadWorkflowId(bead));
    expect(await stateOf(bead)).toMatchObject({ status: 'open', wait: { for: 'grant' } });
    expect(await taskTimeout(rigWorkflowId(rig))).toBe(limits.workflowTask);
    await renewRig(rig);
    await merged(bead);
    expect(await taskTimeout(rigWorkflowId(rig))).toBe(limits.workflowTask);
  });

  it('of a rig gets a grant back, and what is to be merged, when it goes on in a new run', async () => {
    const [rig, bead] = [named('returned'), named('returns')];
    await fleet.addRig(rig, settings, queue);
    const open = gate(bead);
    await sling(bead, rig);
    await until('its agent works', async () => (await stateOf(bead)).current !== undefined);
    await fill(rigWorkflowId(rig), rigMessages.askGrant);
    open();
    await refusedOnce(beadWorkflowId(bead));
    await renewRig(rig);
    await merged(bead);
    const { grants } = await client.workflow.getHandle(rigWorkflowId(rig)).query<RigView>(rigMessages.state);
    expect(grants).toEqual([]);
  });

  it('of a bead gets its grant when it goes on in a new run, and the rig does not take it for ended', async () => {
    const [rig, bead] = [named('grants'), named('granted')];
    await fleet.addRig(rig, settings, queue);
    await fleet.pauseRig(rig);
    await sling(bead, rig);
    await until('it waits', async () => {
      const { waiting } = await client.workflow.getHandle(rigWorkflowId(rig)).query<RigView>(rigMessages.state);
      return waiting.length === 1;
    });
    await fill(beadWorkflowId(bead), messages.note);
    await fleet.resumeRig(rig);
    await refusedOnce(rigWorkflowId(rig));
    let nudges = 0;
    await renew(beadWorkflowId(bead), () => beads.nudge(bead, `${(nudges += 1)}`));
    await merged(bead);
  });

  it('of a convoy hears of the end of its bead in its next run, and lands', async () => {
    const [rig, convoyName] = [named('lands'), named('heard')];
    await fleet.addRig(rig, settings, queue);
    const bead = convoyBeadId(convoyName, 'only');
    const open = gate(bead);
    const openLanding = gate(integrationBranch(convoyName));
    await fleet.createConvoy(
      {
        convoy: convoyName,
        title: convoyName,
        rig,
        policy: 'wait',
        target: 'integration',
        staged: false,
        beads: [{ id: 'only', title: 'only', body: '', needs: [] }],
      },
      queue,
    );
    await until('its agent works', async () => (await stateOf(bead).catch(() => undefined))?.current !== undefined);
    const convoy = convoyWorkflowId(convoyName);
    await fill(convoy, convoyMessages.beadReport);
    open();
    await merged(bead);
    await refusedOnce(beadWorkflowId(bead));
    const look = (): Promise<ConvoyView> => client.workflow.getHandle(convoy).query<ConvoyView>(convoyMessages.state);
    expect((await look()).beads[0]?.status).toBe('running');
    await renew(convoy, async () => {
      await fleet.pauseConvoy(convoyName);
      await fleet.resumeConvoy(convoyName);
    });
    await until('the convoy has heard of it', async () => (await look()).beads[0]?.status === 'merged');
    // And on its way to the rig it meets the same.
    await fill(rigWorkflowId(rig), rigMessages.askGrant);
    openLanding();
    await refusedOnce(convoy);
    await renewRig(rig);
    expect(await client.workflow.getHandle(convoy).result()).toMatchObject({ status: 'landed' });
  });
});
