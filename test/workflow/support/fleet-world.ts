import { fileURLToPath } from 'node:url';
import { Context } from '@temporalio/activity';
import { Client } from '@temporalio/client';
import type { WorkflowHandleWithFirstExecutionRunId } from '@temporalio/client';
import { bundleWorkflowCode, DefaultLogger, Worker } from '@temporalio/worker';
import { pino } from 'pino';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { createFleetActivities } from '../../../src/activities/fleet/index.js';
import { beadWorkflowId, convoyWorkflowId, rigWorkflowId, taskQueues } from '../../../src/contract/index.js';
import type {
  BeadInput,
  BranchLook,
  ConvoyBead,
  ConvoySpec,
  ConvoyView,
  LookAtBranchInput,
  MergeInput,
  MergeOutcome,
  RigSettings,
  RigState,
  RigView,
} from '../../../src/contract/index.js';
import { createTimeSkipping, workflowBundle } from '../../support/time-skipping.js';
import type { Script, StandInState } from './stand-in-bead.js';

type Handle = WorkflowHandleWithFirstExecutionRunId;

/** A refinery that does what the test says, and remembers what it was asked. */
export class FakeRefinery {
  readonly merges: MergeInput[] = [];
  readonly branches: string[] = [];
  #running = 0;
  /** The most merges that ever ran at once. */
  most = 0;
  #commit = 0;
  /** The answer to each merge; by default it succeeds. */
  answer: (input: MergeInput) => Promise<MergeOutcome> | MergeOutcome = () => this.merged();

  merged(target = 'main'): MergeOutcome {
    this.#commit += 1;
    return { outcome: 'merged', sha: this.#commit.toString(16).padStart(40, 'a'), target, strategy: 'merge' };
  }

  /**
   * Each merge pushes and is interrupted before it can say so; `begun` is told. Asked again after the withdrawal, it
   * had been pushed already.
   */
  pushesUnheard(begun: () => void): void {
    this.answer = async (input) => {
      if (input.withdrawn === true) return this.merged();
      begun();
      const context = Context.current();
      for (;;) {
        context.heartbeat();
        await context.sleep(50);
      }
    };
  }

  async merge(input: MergeInput): Promise<MergeOutcome> {
    this.merges.push(input);
    this.#running += 1;
    this.most = Math.max(this.most, this.#running);
    try {
      // A merge that waits for a test which has failed must not keep its worker from ending.
      return await Promise.race([this.answer(input), Context.current().cancelled]);
    } finally {
      this.#running -= 1;
    }
  }
}

let bundled: ReturnType<typeof bundleWorkflowCode> | undefined;

/**
 * Convoys and rigs as they ship, beads that follow a script, a fake refinery, and virtual time. One per test: a
 * terminated workflow may leave a lock on time behind.
 */
export class FleetWorld {
  readonly refinery = new FakeRefinery();
  /** What the remote shows of a branch; by default all that is asked for. */
  branch: (input: LookAtBranchInput) => BranchLook | Promise<BranchLook> = () => ({ sha: 'b'.repeat(40), missing: [] });
  looks = 0;
  /** What was looked at last, and what it waited for: for the report of a test that ran into its limit. */
  lastLook = 'nothing';
  #workers: Worker[] = [];
  #running: Promise<void>[] = [];
  readonly queue = 'fleet';

  private constructor(
    readonly env: TestWorkflowEnvironment,
    readonly client: Client,
  ) {}

  /** @param bundle the workflows of rigs and convoys; those that ship when absent. */
  static async open(bundle: { code: string } | { codePath: string } = workflowBundle()): Promise<FleetWorld> {
    const env = await createTimeSkipping();
    // Not the environment's own client: that one lets time jump while it waits for a result.
    const world = new FleetWorld(env, new Client({ connection: env.connection, namespace: env.namespace }));
    bundled ??= bundleWorkflowCode({
      workflowsPath: fileURLToPath(new URL('stand-in-bead.ts', import.meta.url)),
      logger: new DefaultLogger('ERROR'),
    });
    const standIns = await bundled;
    const fleet = createFleetActivities({
      client: world.client,
      taskQueue: 'stand-ins',
      mirrors: '/nowhere',
      logger: pino({ level: 'silent' }),
    });
    const common = {
      connection: env.nativeConnection,
      namespace: env.namespace,
      maxHeartbeatThrottleInterval: 1,
    };
    world.#workers = await Promise.all([
      Worker.create({
        ...common,
        taskQueue: world.queue,
        workflowBundle: bundle,
        activities: {
          ...fleet,
          lookAtWorkflows: (input: Parameters<typeof fleet.lookAtWorkflows>[0]) => {
            world.looks += 1;
            return fleet.lookAtWorkflows(input);
          },
          lookAtBranch: (input: LookAtBranchInput) => Promise.resolve(world.branch(input)),
        },
      }),
      Worker.create({
        ...common,
        taskQueue: taskQueues.merge(world.queue),
        maxConcurrentActivityTaskExecutions: 50,
        activities: {
          merge: (input: MergeInput) => world.refinery.merge(input),
          ensureBranch: ({ branch }: { branch: string }) => {
            world.refinery.branches.push(branch);
            return Promise.resolve({ branch, sha: 'c'.repeat(40), created: true });
          },
        },
      }),
      Worker.create({ ...common, taskQueue: 'stand-ins', workflowBundle: standIns }),
    ]);
    world.#running = world.#workers.map((worker) => worker.run());
    return world;
  }

  async close(): Promise<void> {
    for (const worker of this.#workers) worker.shutdown();
    await Promise.all(this.#running);
    await this.env.teardown();
  }

  rig(rig: string, more: Partial<RigSettings> = {}): Promise<Handle> {
    const settings: RigSettings = {
      repo: '/srv/r.git',
      base: 'main',
      agent: { adapter: 'demo' },
      maxAgents: 5,
      checks: [],
      strategy: 'merge',
      approval: false,
      ...more,
    };
    return this.client.workflow.start('rig', {
      taskQueue: this.queue,
      workflowId: rigWorkflowId(rig),
      args: [{ rig, settings }],
    });
  }

  /** A bead of its own, without a convoy. */
  bead(id: string, rig: string, script: Script = {}, more: Partial<BeadInput> = {}): Promise<Handle> {
    const input: BeadInput = {
      bead: id,
      title: id,
      repo: '/srv/r.git',
      agent: { adapter: 'rig' },
      rig,
      body: JSON.stringify(script),
      ...more,
    };
    return this.client.workflow.start('bead', {
      taskQueue: 'stand-ins',
      workflowId: beadWorkflowId(id),
      args: [input],
    });
  }

  convoy(convoy: string, rig: string, beads: ConvoyBead[], more: Partial<ConvoySpec> = {}): Promise<Handle> {
    const spec: ConvoySpec = {
      convoy,
      title: `convoy ${convoy}`,
      rig,
      beads,
      policy: 'wait',
      target: 'base',
      staged: false,
      ...more,
    };
    return this.client.workflow.start('convoy', {
      taskQueue: this.queue,
      workflowId: convoyWorkflowId(convoy),
      args: [{ spec }],
    });
  }

  rigState(rig: string): Promise<RigView> {
    return this.client.workflow.getHandle(rigWorkflowId(rig)).query<RigView>('state');
  }
  convoyState(convoy: string): Promise<ConvoyView> {
    return this.client.workflow.getHandle(convoyWorkflowId(convoy)).query<ConvoyView>('state');
  }
  beadState(id: string): Promise<StandInState> {
    return this.client.workflow.getHandle(beadWorkflowId(id)).query<StandInState>('state');
  }
  update(workflowId: string, name: string, payload: object = {}): Promise<{ text: string }> {
    return this.client.workflow
      .getHandle(workflowId)
      .executeUpdate<{ text: string }, [object]>(name, { args: [payload] });
  }

  /** Lets virtual time pass until something is so; looks every `step` of it. */
  async until<T>(
    what: string,
    look: () => Promise<T>,
    holds: (value: T) => boolean,
    { within = 24 * 3_600_000, step = 30_000 } = {},
  ): Promise<T> {
    const giveUpAt = (await this.env.currentTimeMs()) + within;
    for (;;) {
      const value = await look();
      if (holds(value)) return value;
      this.lastLook = `not so: ${what}: ${JSON.stringify(value)}`;
      if ((await this.env.currentTimeMs()) > giveUpAt)
        throw new Error(
          `after ${within / 60_000} virtual minutes it is still not so: ${what}; seen last: ${JSON.stringify(value)}`,
        );
      await this.env.sleep(step);
    }
  }
  untilRig(
    rig: string,
    what: string,
    holds: (state: RigState) => boolean,
    options?: { within?: number; step?: number },
  ): Promise<RigView> {
    return this.until(what, () => this.rigState(rig), holds, options);
  }
  untilConvoy(
    convoy: string,
    what: string,
    holds: (state: ConvoyView) => boolean,
    options?: { within?: number; step?: number },
  ): Promise<ConvoyView> {
    return this.until(what, () => this.convoyState(convoy), holds, options);
  }
  untilBead(
    id: string,
    what: string,
    holds: (state: StandInState) => boolean,
    options?: { within?: number; step?: number },
  ): Promise<StandInState> {
    return this.until(what, () => this.beadState(id), holds, options);
  }
}

/** A bead of a convoy with a script. */
export const scripted = (
  id: string,
  needs: string[] = [],
  script: Script = {},
  more: Partial<ConvoyBead> = {},
): ConvoyBead => ({ id, title: `bead ${id}`, needs, body: JSON.stringify(script), ...more });

/** Something a test opens when it is time. */
export function gate(): { opened: Promise<void>; open: () => void } {
  let open: () => void = () => undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}
