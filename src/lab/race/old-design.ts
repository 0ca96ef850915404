/**
 * A small model of the design that this project answers: a dispatcher that writes a status for the agent which it asks
 * a container to start, and a reconciler that judges by that status. The rules are those of the public bug report
 * (Kilo-Org/cloud #1358); nothing else is in it.
 * @module
 */
import { change } from './lane.js';
import type { Lane } from './lane.js';

const second = 1_000;
const minute = 60 * second;

/** The old system's own numbers. */
export const oldClocks = {
  /** The reconciler's alarm. */
  alarmEvery: 5 * second,
  /** The dispatcher gives up on `POST /agents/start` and marks the agent idle. */
  startTimeout: minute,
  /** A bead in progress with no working agent for so long is reset to open. */
  resetAfter: 5 * minute,
  /** The agent's heartbeats; they touch a timestamp and nothing else. */
  heartbeatEvery: 30 * second,
};

/** Runs the old design over virtual time, a second a step. */
export class OldDesign {
  readonly lane: Lane = {
    name: 'old design',
    bead: [],
    agent: [],
    process: [],
    agents: 0,
    attempts: [],
    heartbeats: [],
    resets: [],
  };
  /** The rows of its database. */
  readonly bead: { status: 'open' | 'in_progress'; since: number } = { status: 'open', since: 0 };
  readonly agent: { status: 'idle' | 'working'; lastActivity: number } = { status: 'idle', lastActivity: 0 };
  now = 0;
  /** The container: since when it has been at it, and since when the agent runs. */
  #begun: number | undefined;
  #up: number | undefined;
  /** The start request that the dispatcher still waits for. */
  #request: { since: number } | undefined;

  /** @param coldStart milliseconds that the clone and the worktree take. */
  constructor(private readonly coldStart: number) {
    this.#record();
  }

  /** @param ms how much virtual time passes. */
  advance(ms: number): void {
    for (const end = this.now + ms; this.now < end; this.now += second) {
      this.#container();
      this.#dispatcher();
      if (this.now % oldClocks.alarmEvery === 0) this.#reconcile();
      this.#record();
    }
  }

  /** The container starts the agent, however long it takes, and the agent runs from then on. */
  #container(): void {
    if (this.#up === undefined && this.#begun !== undefined && this.now - this.#begun >= this.coldStart) {
      this.#up = this.now;
      this.lane.agents += 1;
    }
    if (this.#up !== undefined && (this.now - this.#up) % oldClocks.heartbeatEvery === 0) {
      // The heart of the matter: the status is not touched.
      this.agent.lastActivity = this.now;
      this.lane.heartbeats.push(this.now);
    }
  }

  /** Waits for the answer of the start request, but not longer than its time-out. */
  #dispatcher(): void {
    if (this.#request === undefined) return;
    if (this.#up !== undefined && this.#up >= this.#request.since) {
      this.#request = undefined;
    } else if (this.now - this.#request.since >= oldClocks.startTimeout) {
      this.#request = undefined;
      this.agent.status = 'idle';
    }
  }

  #reconcile(): void {
    if (
      this.bead.status === 'in_progress' &&
      this.agent.status !== 'working' &&
      this.now - this.bead.since >= oldClocks.resetAfter
    ) {
      this.bead.status = 'open';
      this.bead.since = this.now;
      this.lane.resets.push(this.now);
    } else if (this.bead.status === 'open') {
      this.#dispatch();
    }
  }

  #dispatch(): void {
    this.bead.status = 'in_progress';
    this.bead.since = this.now;
    this.agent.status = 'working';
    this.lane.attempts.push(this.now);
    if (this.#up !== undefined) {
      // The container answers "already running", which is no success: the agent is marked idle at once.
      this.agent.status = 'idle';
      return;
    }
    this.#begun ??= this.now;
    this.#request = { since: this.now };
  }

  #record(): void {
    change(this.lane.bead, this.now, this.bead.status);
    change(this.lane.agent, this.now, this.agent.status);
    change(
      this.lane.process,
      this.now,
      this.#up !== undefined ? 'alive' : this.#begun !== undefined ? 'starting' : 'no process',
    );
  }
}
