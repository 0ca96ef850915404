import { findProcesses, processAlive, processStartTime, processStopped, signalProcess } from '../../runner/index.js';
import type { ProcessIdentity } from '../../runner/index.js';
import type { ChaosServer } from './chaos-server.js';
import type { ChaosOrigin } from './origins.js';
import { refusals } from './plan.js';
import type { FaultPlan } from './plan.js';
import { rest, seenWithin } from './until.js';
import type { LivingAttempt, WorkerHost } from './worker-host.js';

/** Milliseconds within which finished work meets a remote that refuses until then. */
const meetWithin = 90_000;

/** A fault that happened. */
export interface Fault extends FaultPlan {
  /** Milliseconds since the epoch. */
  happenedAt: number;
  /** When it was made good again. */
  goodAt?: number;
  /** In a few words: host, bead, attempt, pids. */
  target: string;
  /** Attempts whose runner or agent it killed. */
  killed: { bead: string; attempt: string }[];
  /** Attempts of which it froze something. */
  frozen: string[];
}

export interface FaultsOptions {
  server: ChaosServer;
  hosts: WorkerHost[];
  origins: readonly ChaosOrigin[];
  /** @returns how often finished work that was pushed to that origin has been refused. */
  met: (origin: number) => number;
  stop: AbortSignal;
  say: (line: string) => void;
  /** Milliseconds that a fault waits for somebody whom it can befall. */
  targetWithin?: number;
}

/**
 * Makes things go wrong, one fault of the plan after the other, each at its time; what is to be made good again is, in
 * the background.
 */
export class Faults {
  readonly done: Fault[] = [];
  /** Those that befell nobody: there was nobody. */
  skipped = 0;
  readonly #repairs = new Set<Promise<void>>();
  readonly #busy = new Set<string>();
  readonly #stopped = new Map<string, ProcessIdentity>();

  constructor(private readonly options: FaultsOptions) {}

  /** Resolves when all faults have happened and everything is good again. */
  async play(plans: readonly FaultPlan[]): Promise<void> {
    const begin = performance.now();
    for (const plan of plans) {
      await rest(begin + plan.at - performance.now(), this.options.stop);
      if (this.options.stop.aborted) break;
      await this.#befall(plan);
    }
    await Promise.all(this.#repairs);
  }

  /** Lets everything run again that a fault has stopped: a run that is broken off leaves nothing frozen. */
  thawAll(): void {
    for (const one of this.#stopped.values()) signalProcess(one, 'SIGCONT');
    this.#stopped.clear();
  }

  async #befall(plan: FaultPlan): Promise<void> {
    const { server, hosts } = this.options;
    switch (plan.kind) {
      case 'server-kill':
        if (!this.#take('server')) return this.#skip(plan);
        this.#note(plan, `server ${server.pid}`);
        await server.kill();
        return this.#later(plan, 'server', () => server.startAgain());
      case 'server-freeze': {
        if (!this.#take('server')) return this.#skip(plan);
        this.#note(plan, `server ${server.pid}`);
        const thaw = this.#freeze([server.pid]);
        return this.#later(plan, 'server', thaw);
      }
      case 'remote-refuses': {
        const { origins } = this.options;
        const place = plan.pick * origins.length;
        const at = Math.min(origins.length - 1, Math.floor(place));
        const origin = origins[at];
        const how = pickOf(refusals, place - at);
        if (origin === undefined || how === undefined || !this.#take(origin.path)) return this.#skip(plan);
        this.#note(plan, `${origin.path}: ${how}`);
        const { met, stop } = this.options;
        const before = met(at);
        await origin.refuse(how);
        return this.#later(plan, origin.path, async () => {
          if (plan.untilMet === true) await seenWithin(meetWithin, stop, () => (met(at) > before ? true : undefined));
          await origin.takeAgain();
        });
      }
      case 'worker-kill':
      case 'worker-freeze':
      case 'host-kill':
      case 'host-freeze': {
        const host = pickOf(
          hosts.filter(({ name, pid }) => pid !== undefined && !this.#busy.has(name)),
          plan.pick,
        );
        if (host?.pid === undefined || !this.#take(host.name)) return this.#skip(plan);
        return this.#befallHost(plan, host, host.pid);
      }
      case 'runner-kill':
      case 'runner-freeze':
      case 'agent-kill':
      case 'agent-freeze':
      case 'attempt-kill': {
        const found = await this.#attempt(plan.pick);
        if (found === undefined) return this.#skip(plan);
        return this.#befallAttempt(plan, found.host, found.attempt);
      }
      default:
        plan.kind satisfies never;
    }
  }

  async #befallHost(plan: FaultPlan, host: WorkerHost, worker: number): Promise<void> {
    const living = plan.kind === 'host-kill' || plan.kind === 'host-freeze' ? await host.living() : [];
    const fault = this.#note(
      plan,
      `${host.name}, worker ${worker}${living.length === 0 ? '' : `, ${living.length} attempts`}`,
    );
    switch (plan.kind) {
      case 'worker-kill':
        await host.kill();
        return this.#later(plan, host.name, () => host.start());
      case 'worker-freeze':
        return this.#later(plan, host.name, this.#freeze([worker]));
      case 'host-kill':
        // The runners first: they would record the end of their agents, which a power cut leaves no time for.
        for (const { runner } of living) signalProcess(runner, 'SIGKILL');
        for (const { dir, runner } of living) {
          for (const one of findProcesses({ attempt: dir.attempt, group: runner.agent })) signalProcess(one, 'SIGKILL');
          fault.killed.push({ bead: dir.bead, attempt: dir.attempt });
        }
        await host.kill();
        return this.#later(plan, host.name, () => host.start());
      default: {
        const agents = living.flatMap(({ dir, runner }) =>
          findProcesses({ attempt: dir.attempt, group: runner.agent }).map(({ pid }) => pid),
        );
        fault.frozen.push(...living.map(({ dir }) => dir.attempt));
        return this.#later(
          plan,
          host.name,
          this.#freeze([...living.map(({ runner }) => runner.pid), worker, ...agents]),
        );
      }
    }
  }

  #befallAttempt(plan: FaultPlan, host: WorkerHost, { dir, runner }: LivingAttempt): void {
    const { bead, attempt } = dir;
    const fault = this.#note(
      plan,
      `${bead} ${attempt} on ${host.name}, runner ${runner.pid}, agent ${runner.agent.pid}`,
    );
    switch (plan.kind) {
      case 'runner-freeze':
        fault.frozen.push(attempt);
        return this.#later(plan, attempt, this.#freeze([runner.pid]));
      case 'agent-freeze': {
        const thaw = this.#freeze(findProcesses({ attempt, group: runner.agent }).map(({ pid }) => pid));
        // Whoever has since stopped it for a reason of his own (the lease, the runner's death) is not crossed.
        return this.#later(plan, attempt, async () => {
          const now = await dir.readRunner();
          if (now?.state === 'running' && processAlive(now.pid, now.startTime)) thaw();
        });
      }
      default:
        fault.killed.push({ bead, attempt });
        if (plan.kind !== 'agent-kill') signalProcess(runner, 'SIGKILL');
        if (plan.kind !== 'runner-kill') signalProcess(runner.agent, 'SIGKILL');
        this.#busy.delete(attempt);
    }
  }

  /** @returns one of the attempts at work that nothing else befalls just now; taken. */
  async #attempt(pick: number): Promise<{ host: WorkerHost; attempt: LivingAttempt } | undefined> {
    const { hosts, stop, targetWithin = 3_000 } = this.options;
    const found = await seenWithin(targetWithin, stop, async () => {
      const all: { host: WorkerHost; attempt: LivingAttempt }[] = [];
      for (const host of hosts)
        for (const attempt of await host.living())
          if (!this.#busy.has(host.name) && !this.#busy.has(attempt.dir.attempt) && attempt.runner.state === 'running')
            all.push({ host, attempt });
      return pickOf(all, pick);
    });
    if (found !== undefined) this.#busy.add(found.attempt.dir.attempt);
    return found;
  }

  #take(what: string): boolean {
    if (this.#busy.has(what)) return false;
    this.#busy.add(what);
    return true;
  }

  #skip({ kind }: FaultPlan): void {
    this.skipped += 1;
    this.options.say(`${kind}: nobody there whom it could befall`);
  }

  #note(plan: FaultPlan, target: string): Fault {
    const fault: Fault = { ...plan, happenedAt: Date.now(), target, killed: [], frozen: [] };
    this.done.push(fault);
    this.options.say(`${plan.kind}${plan.lasts === 0 ? '' : ` for ${(plan.lasts / 1_000).toFixed(1)} s`}: ${target}`);
    return fault;
  }

  #later(plan: FaultPlan, what: string, makeGood: () => void | Promise<void>): void {
    const fault = this.done.at(-1);
    const repair = (async () => {
      await rest(plan.lasts, this.options.stop);
      if (!this.options.stop.aborted) await makeGood();
      if (fault !== undefined) fault.goodAt = Date.now();
      this.#busy.delete(what);
    })();
    this.#repairs.add(repair);
    // A failure is told by `play`, which waits for all of them; until then it must not end the process.
    repair.catch(() => undefined);
  }

  /** @returns lets them run again: those that this stopped, and that are still the same processes. */
  #freeze(pids: number[]): () => void {
    const frozen = pids.flatMap((pid): ProcessIdentity[] => {
      const startTime = processStartTime(pid);
      return startTime === undefined || processStopped(pid) ? [] : [{ pid, startTime }];
    });
    for (const one of frozen) {
      this.#stopped.set(`${one.pid}/${one.startTime}`, one);
      signalProcess(one, 'SIGSTOP');
    }
    return () => {
      for (const one of frozen) {
        this.#stopped.delete(`${one.pid}/${one.startTime}`);
        signalProcess(one, 'SIGCONT');
      }
    };
  }
}

const pickOf = <T>(items: readonly T[], pick: number): T | undefined =>
  items[Math.min(items.length - 1, Math.floor(pick * items.length))];
