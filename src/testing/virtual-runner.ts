/**
 * A runner on a fake host: the production supervisor, with its fence, its lease and its freezer, on fakes of what is
 * outside of it: the time, the server, the agent's process, the disk.
 * @module
 */
import type { CellPlan } from '../cell/index.js';
import type { AttemptResult, Message, StartAgentInput } from '../contract/index.js';
import { BeadLink } from '../runner/lease/bead-link.js';
import type { FenceRefusal } from '../runner/lease/fence.js';
import type { ProcessControl } from '../runner/processes/process-control.js';
import { RequestRefused } from '../runner/sockets/request-refused.js';
import { Supervisor } from '../runner/supervisor.js';
import { sleep } from '../runner/time.js';
import type { AdoptOutcome, StopRequest } from '../runner/types.js';
import type { TaskInHand } from './task-in-hand.js';
import type { AgentLife } from './agent-census.js';
import { FakeAgent } from './fake-agent.js';
import type { FakeAttempt } from './fake-attempt.js';
import type { FakeHost } from './fake-host.js';
import { fakeLine, isExpected } from './fake-line.js';
import type { FakeProcess } from './fake-process.js';
import { FakeTime } from './fake-time.js';
import { scriptedAdapter } from './scripted-adapter.js';

const noWalls: CellPlan = { launcher: 'none', network: 'all', read: [], write: [] };

/** Nothing looks whether a fake folder is still there: who empties a disk kills what runs on it. */
const noFolder = {};

export class VirtualRunner {
  readonly process: FakeProcess;
  readonly #supervisor: Supervisor;
  readonly #time: FakeTime;
  #agent: FakeAgent | undefined;
  #life: AgentLife | undefined;

  constructor(
    private readonly host: FakeHost,
    private readonly attempt: FakeAttempt,
  ) {
    const { input, work } = attempt;
    this.process = host.process();
    this.#time = new FakeTime(host, this.process);
    const trouble = (_what: string, error: unknown): void => host.trouble(isExpected(error) ? undefined : error);
    this.#supervisor = new Supervisor({
      input: this.#input(),
      setup: { host: host.id, baseSha: host.remote.baseSha, mirror: '/nowhere' },
      adapter: scriptedAdapter,
      cell: noWalls,
      token: host.tokenOf(attempt.task),
      time: this.#time,
      link: new BeadLink(fakeLine(host, input.bead, this.process), input.bead, trouble, this.#time),
      processes: this.#processes(),
      files: {
        bead: input.bead,
        attempt: input.attempt,
        writeToken: async (token) => void (attempt.task = host.taskOf(token)),
        writeConnection: () => Promise.resolve(),
        writeReport: () => Promise.resolve(),
        writeResult: async (result) => void (attempt.result = result),
        exists: () => Promise.resolve(true),
      },
      record: { update: () => Promise.resolve() },
      lock: { renew: () => Promise.resolve() },
      work: (events) => {
        work.events = events;
        return work;
      },
      folder: () => noFolder,
      log: {
        info: () => undefined,
        warn: ({ err }: { err?: unknown }) => host.trouble(isExpected(err) ? undefined : err),
      },
    });
  }

  /** @returns why there is no agent, and no runner any more; undefined when the agent was spawned. */
  async run(): Promise<FenceRefusal | undefined> {
    const passed = await this.#supervisor.fence();
    if (!('lease' in passed)) {
      this.process.kill();
      return passed;
    }
    this.#supervisor
      .supervise(passed.lease, () => this.#spawn())
      .then(
        () => this.process.kill(),
        (error: unknown) => this.host.trouble(error),
      );
    return undefined;
  }

  adopt(task: TaskInHand): Promise<AdoptOutcome> {
    return this.#supervisor.adopt(this.host.tokenOf(task));
  }

  /** Resolves (in virtual time) when no process is left. */
  stop(request: StopRequest): Promise<AttemptResult> {
    return this.#supervisor.stop(request);
  }

  pause(paused: boolean): void {
    this.#supervisor.pause(paused);
  }

  deliver(message: Message): void {
    this.#supervisor.deliver(message);
    this.#agent?.hear();
  }

  clockMoved(): void {
    this.#time.clockMoved();
  }

  /** SIGKILL of runner and agent: nothing is recorded; the worktree stays. */
  kill(): void {
    this.process.kill();
    this.#agent?.end({ signal: 'SIGKILL' });
  }

  /** As coarse beats as the town wants them. */
  #input(): StartAgentInput {
    const { input } = this.attempt;
    return { ...input, clocks: { ...input.clocks, beatEvery: this.host.beatStep(input.clocks) } };
  }

  #spawn(): FakeAgent {
    const { host, attempt } = this;
    const { bead, attempt: id, clocks, agent: spec } = attempt.input;
    const { desk, watch } = this.#supervisor;
    watch.begin({ spec });
    this.#life = host.census.spawned(bead, id, host.id);
    host.note(bead, 'spawn', `agent of ${id} on ${host.id}`);
    this.#agent = new FakeAgent({
      plan: attempt.plan,
      clock: host.clock,
      process: this.process,
      pid: host.census.lives.length,
      quietFor: clocks.signalEvery,
      ways: {
        line: (line) => watch.line(line, 'stdout'),
        done: () => this.#done(),
        escalate: (text) => desk.escalate(text),
        messages: () => desk.messages().messages.map(({ id: message }) => message),
        acknowledge: (ids) => desk.acknowledge(ids),
        change: () => attempt.work.change(),
        gone: () => this.#gone(),
      },
    });
    return this.#agent;
  }

  async #done(): Promise<'taken' | 'again' | 'kept'> {
    try {
      await this.#supervisor.desk.done();
      return 'taken';
    } catch (error) {
      if (!(error instanceof RequestRefused)) throw error;
      return this.attempt.work.refused ? 'kept' : 'again';
    }
  }

  #gone(): void {
    const { bead, attempt } = this.attempt.input;
    if (this.#life !== undefined) this.host.census.ended(this.#life);
    this.host.note(bead, 'end', `agent of ${attempt} ended`);
  }

  #processes(): ProcessControl {
    let forLease = false;
    const { host, attempt } = this;
    const { bead } = attempt.input;
    const still = (stopped: boolean): void => {
      const agent = this.#agent;
      if (agent === undefined || this.#life === undefined || !agent.alive || agent.stopped === stopped) return;
      if (stopped) agent.stop();
      else agent.continue();
      host.census.frozen(this.#life, stopped);
    };
    return {
      freeze: () => {
        still(true);
        forLease = this.#supervisor.status().frozenBy.includes('lease');
        if (forLease) host.note(bead, 'freeze', 'the lease is over: frozen');
      },
      thaw: () => {
        still(false);
        if (forLease) host.note(bead, 'thaw', 'the lease is renewed: goes on');
        forLease = false;
      },
      end: async ({ graceMs }) => {
        const agent = this.#agent;
        if (agent?.alive !== true) return;
        const kill = graceMs === 0 || attempt.plan.ignoresSigterm;
        if (graceMs > 0) still(false);
        if (kill && graceMs > 0) await sleep(this.#time, graceMs);
        agent.end({ signal: kill ? 'SIGKILL' : 'SIGTERM' });
      },
      tether: () => ({ release: () => undefined }),
    };
  }
}
