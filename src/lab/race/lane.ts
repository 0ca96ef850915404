/** From an instant (milliseconds after the sling) till the next span's. */
export interface LaneSpan {
  from: number;
  value: string;
}

/** What one design showed of a bead, and what really happened. All instants are milliseconds after the sling. */
export interface Lane {
  name: string;
  /** Status of the bead, as its operators see it. */
  bead: LaneSpan[];
  /** Status of the agent, likewise. */
  agent: LaneSpan[];
  /** What no operator sees: `no process`, `starting`, `alive`. */
  process: LaneSpan[];
  /** Agent processes that ever were. */
  agents: number;
  /** Instants at which an attempt began. */
  attempts: number[];
  /** Instants at which the system heard of the agent or its start. */
  heartbeats: number[];
  /** Instants at which a bead in progress was put back to open. */
  resets: number[];
}

/** One line of a lane's table: what it showed at the end of the step, and what happened in it. */
export interface Row {
  bead: string;
  agent: string;
  process: string;
  attempt: number;
  heartbeats: number;
  reset: boolean;
}

/** @returns the value at an instant; the empty text before the first span. */
export function valueAt(spans: readonly LaneSpan[], instant: number): string {
  return spans.findLast(({ from }) => from <= instant)?.value ?? '';
}

/** @returns the lane's line for the step from `from` to `to`. */
export function rowOf(lane: Lane, from: number, to: number): Row {
  const last = to - 1;
  const within = (instants: readonly number[]): number => instants.filter((at) => at >= from && at < to).length;
  return {
    bead: valueAt(lane.bead, last),
    agent: valueAt(lane.agent, last),
    process: valueAt(lane.process, last),
    attempt: lane.attempts.filter((at) => at < to).length,
    heartbeats: within(lane.heartbeats),
    reset: within(lane.resets) > 0,
  };
}

/** Appends a span, unless nothing has changed. */
export function change(spans: LaneSpan[], from: number, value: string): void {
  if (spans.at(-1)?.value !== value) spans.push({ from, value });
}
