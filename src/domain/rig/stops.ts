/**
 * What beads of a rig have in common when they fail: the first that meets such a cause stops the further starts, one
 * at a time finds out whether it still holds, and one word of an operator lets all go on.
 * @module
 */
import { clip, sharedCauses } from '../../contract/index.js';
import type {
  Grant,
  ReturnGrant,
  RigSettings,
  RigState,
  RigStop,
  SharedCause,
  GrantEnd,
  GrantRequest,
  OnTrial,
  SpentMinute,
} from '../../contract/index.js';
import type { RigDraft } from './draft.js';
import { insertRequest } from './queue.js';
import { backoff } from '../clocks.js';
import { counted, durationText } from '../words.js';

const minute = 60_000;
const hour = 60 * minute;

/**
 * Paid starts within an hour that may lead to no verified work. Two a minute is more than a rig of ten agents needs
 * that work at all, and at a dollar each what an owner may find in the morning without ruin.
 */
export const defaultStartsPerHour = 120;
/** A rig with so many different causes at once has one that is not listed; and its state has to stay small. */
const mostStops = 20;
/** Beads that are told by themselves when the cause is gone; no rig runs more at once. */
const mostMet = 1_000;

/**
 * When the next bead finds out whether time has healed it. A refused login heals when another agent has renewed it;
 * credit comes back by the provider's own calendar. What a person has to install or to set does not heal by itself.
 */
const healsAfter: Partial<Record<RigStop['cause'], readonly number[]>> = {
  auth_failed: [minute, 5 * minute, 30 * minute],
  out_of_credit: [30 * minute],
};
/** A probe that works before it is refused costs money, and not an instant but a quarter of an hour or more. */
const healsAfterWork = [5 * minute, 30 * minute, 2 * hour, 4 * hour];
const probeAfter = (cause: RigStop['cause'], probes: number, now: number, afterWork = false): number | undefined => {
  const steps = afterWork ? healsAfterWork : healsAfter[cause];
  return steps === undefined ? undefined : now + (steps[Math.min(probes, steps.length - 1)] ?? hour);
};

/** What one bead alone may have met: a branch of its own, a file that the remote does not take. */
const mayBeItsOwn: Record<SharedCause, boolean> = {
  auth_failed: false,
  out_of_credit: false,
  not_installed: true,
  setup_failed: true,
  push_refused: true,
};

/** Reasons differ by the names of beads, attempts, commits and folders; two causes of this kind do not. */
const sameReason = (a: string, b: string): boolean => bareReason(a) === bareReason(b);
export const bareReason = (reason: string): string =>
  reason
    .replaceAll(/\/\S+/g, '/')
    .replaceAll(/\b\d+-[a-z0-9]{4,}\b/g, '#')
    .replaceAll(/\b[0-9a-f]{7,64}\b|\d+/g, '#')
    .trim();

/**
 * @returns whether a stop holds starts back yet. A remote that refuses the work of one bead may object to that work;
 * to find out costs a whole attempt, so a second refusal decides.
 */
export const inForce = ({ cause, confirmed }: RigStop): boolean => cause !== 'push_refused' || confirmed;

/** @returns whether a request has to wait because of a stop. */
const concerns = (stop: Pick<RigStop, 'agent'>, agent: string | undefined): boolean =>
  stop.agent === undefined || stop.agent === (agent ?? 'rig');

/** @returns the stops that hold a request back. */
export const stopsOf = (s: RigState, agent: string | undefined): RigStop[] =>
  (s.stops ?? []).filter((stop) => inForce(stop) && concerns(stop, agent));

/** @returns requests that wait and are held back by this stop. */
export const heldBy = (s: RigState, stop: RigStop): GrantRequest[] =>
  inForce(stop) ? s.waiting.filter(({ agent }) => concerns(stop, agent)) : [];

/** @returns when somebody that waits may find out whether a cause still holds; undefined when only an operator says. */
export function nextStopProbe(s: RigState): number | undefined {
  const instants = s.waiting.flatMap((request) => {
    const stops = stopsOf(s, request.agent);
    if (stops.length === 0 || stops.some((stop) => !mayTry(s, stop, request))) return [];
    return [Math.max(...stops.map(({ probeAt }) => probeAt ?? Infinity))];
  });
  const soonest = Math.min(...instants);
  return Number.isFinite(soonest) ? soonest : undefined;
}

/** One at a time, and of a cause that may be a bead's own another than those that have met it. */
function mayTry(s: RigState, stop: RigStop, { bead }: GrantRequest): boolean {
  if (stop.probeAt === undefined) return false;
  if (s.grants.some(({ ahead, agent }) => ahead === true && concerns(stop, agent))) return false;
  return stop.confirmed || !isOwn(stop) || !stop.met.some((met) => met.bead === bead && met.again !== true);
}
const isOwn = ({ cause }: RigStop): boolean => cause !== 'spend' && mayBeItsOwn[cause];

/** @returns whether a bead comes back that was sent ahead, and that its host did not even begin with. */
export const cameBack = ({ grants }: RigState, { bead, end }: ReturnGrant): boolean =>
  end?.outcome === 'declined' && grants.some((grant) => grant.bead === bead && grant.ahead === true);

/** An agent that has ended so was not refused by its provider, however long it had worked. */
const wasNotRefused: Partial<Record<GrantEnd['outcome'], true>> = {
  done: true,
  no_changes: true,
  unreported: true,
  escalated: true,
  agent_failed: true,
  timed_out: true,
};

const trialOf = (s: RigState, grant: Grant, { outcome, agent, reached }: GrantEnd): OnTrial | undefined =>
  reached === 'progress'
    ? s.onTrial?.find((one) => one.cause === outcome && one.agent === agent && grant.grantedAt >= one.since)
    : undefined;

/**
 * @returns whether an attempt worked before it was refused for a cause that seemed gone because one like it had worked:
 * such attempts would let each other go on for ever.
 */
export const refusedAfterWork = (s: RigState, { bead, end }: ReturnGrant): boolean =>
  end !== undefined && s.grants.some((grant) => grant.bead === bead && trialOf(s, grant, end) !== undefined);

/** What has been spent in the hour before. */
export function spentOf(s: RigState, now: number): { starts: number; usd: number } {
  const since = Math.floor((now - hour) / minute);
  const recent = (s.spent ?? []).filter((one) => one.minute > since);
  return {
    starts: recent.reduce((sum, { starts }) => sum + starts, 0),
    usd: recent.reduce((sum, { usd }) => sum + usd, 0),
  };
}

/** @returns why a rig has spent enough, or undefined. */
export function spendProblem(
  { startsPerHour = defaultStartsPerHour, usdPerHour }: RigSettings,
  { starts, usd }: { starts: number; usd: number },
): string | undefined {
  if (usdPerHour !== undefined && usd >= usdPerHour)
    return `its attempts have cost ${usd.toFixed(2)} USD within an hour, and its limit is ${usdPerHour}`;
  return starts >= startsPerHour
    ? `${starts} paid starts within an hour have led to no verified work, and its limit is ${startsPerHour}`
    : undefined;
}

/** @returns a stop in one sentence, for people. */
export function stopText(stop: RigStop, now: number): string {
  const where = stop.host === undefined ? '' : ` (first on host ${stop.host})`;
  const next =
    stop.probeAt === undefined
      ? 'it goes on when an operator says so'
      : stop.probeAt > now
        ? `the next bead tries in ${durationText(stop.probeAt - now)}`
        : 'the next bead tries whether it still holds';
  return `${stop.reason}${where}; ${next}`;
}

/** The rules, over a draft of the rig's state. */
export class StopRules {
  constructor(private readonly draft: RigDraft) {}

  get #all(): RigStop[] {
    return this.draft.s.stops ?? [];
  }

  #keep(stops: RigStop[]): void {
    const { s } = this.draft;
    if (stops.length === 0) delete s.stops;
    else s.stops = stops.slice(-mostStops);
  }

  /** `free`: nothing holds it back; `ahead`: it goes to find out; `held`: it waits. */
  lets(request: GrantRequest): 'free' | 'ahead' | 'held' {
    const { s, now } = this.draft;
    const stops = stopsOf(s, request.agent);
    if (stops.length === 0) return 'free';
    return stops.every((stop) => (stop.probeAt ?? Infinity) <= now && mayTry(s, stop, request)) ? 'ahead' : 'held';
  }

  /**
   * An attempt has ended whose grant was used.
   * @param afterWork by the rule of `refusedAfterWork`.
   */
  ended(grant: Grant, end: GrantEnd, afterWork: boolean): void {
    this.#spend(end);
    const cause = sharedCauses.find((known) => known === end.outcome);
    if (cause !== undefined) return this.#met(grant, cause, end, afterWork);
    if (end.outcome === 'done') return this.reached(grant, 'pushed');
    this.reached(grant, end.reached === 'progress' && wasNotRefused[end.outcome] === true ? 'ended' : end.reached);
  }

  /** A host gave back the bead that went ahead: another may take it, but nobody is sent after it at once. */
  triedInVain({ agent }: Grant): void {
    const { s, now } = this.draft;
    const tried = stopsOf(s, agent).filter(({ cause }) => cause !== 'spend');
    this.#keep(
      this.#all.map((stop) =>
        tried.includes(stop) ? { ...stop, probes: stop.probes + 1, probeAt: now + backoff(stop.probes + 1) } : stop,
      ),
    );
  }

  /** What an attempt has got to proves which causes gone, if it began after they were met. */
  reached(grant: Grant, reached: Reached): void {
    if (reached === 'nothing') return;
    const later = ({ agent, since }: Pick<RigStop, 'agent' | 'since'>): boolean =>
      concerns({ agent }, grant.agent) && grant.grantedAt >= since;
    if (reached === 'ended' || reached === 'pushed')
      this.#try((this.draft.s.onTrial ?? []).filter((one) => !later(one)));
    const gone = this.#all.filter(
      (stop) =>
        (later(stop) || (stop.cause === 'push_refused' && concerns(stop, grant.agent))) && provesGone(stop, reached),
    );
    if (reached === 'progress')
      for (const { cause, agent, since } of gone.filter(isOfProvider))
        this.#try([
          ...(this.draft.s.onTrial ?? []).filter((one) => one.cause !== cause || one.agent !== agent),
          { cause, agent, since },
        ]);
    if (gone.length > 0) this.#lift(gone, `${grant.bead} got past it`);
  }

  #try(trials: OnTrial[]): void {
    const { s } = this.draft;
    if (trials.length === 0) delete s.onTrial;
    else s.onTrial = trials.slice(-mostStops);
  }

  #met(grant: Grant, cause: SharedCause, end: GrantEnd, afterWork: boolean): void {
    const { s, now } = this.draft;
    const { bead, workflowId, ahead } = grant;
    const { agent, reason, host } = end;
    const trial = afterWork ? trialOf(s, grant, end) : undefined;
    const known = this.#all.find(
      (stop) =>
        stop.cause === cause &&
        stop.agent === (cause === 'push_refused' ? undefined : agent) &&
        (cause !== 'setup_failed' || sameReason(stop.reason, reason)),
    );
    const met = { bead, workflowId };
    if (known === undefined) {
      const stop: RigStop = {
        cause,
        agent: cause === 'push_refused' ? undefined : agent,
        reason: clip(reason, 500),
        host,
        since: now,
        met: [met],
        confirmed: !mayBeItsOwn[cause],
        // Another bead tells at once whether it is the first one's own affair.
        probeAt: mayBeItsOwn[cause] && cause !== 'push_refused' ? now : probeAfter(cause, 0, now, trial !== undefined),
        probes: 0,
        workIsNoProof: trial === undefined ? undefined : true,
      };
      this.#keep([...this.#all, stop]);
      if (inForce(stop)) this.#stopped(stop);
      return;
    }
    const another = known.met.every((other) => other.bead !== bead);
    const probes = known.probes + (ahead === true ? 1 : 0);
    const stop: RigStop = {
      ...known,
      met: [...known.met.filter((other) => other.bead !== bead), met].slice(-mostMet),
      confirmed: known.confirmed || another,
      probes,
      probeAt:
        ahead !== true && known.confirmed
          ? known.probeAt
          : !another && !known.confirmed && cause !== 'push_refused'
            ? now
            : probeAfter(cause, probes, now, known.workIsNoProof ?? trial !== undefined),
      workIsNoProof: known.workIsNoProof ?? (trial === undefined ? undefined : true),
    };
    this.#keep(this.#all.map((other) => (other === known ? stop : other)));
    if (inForce(stop) && !inForce(known)) this.#stopped(stop);
    else if (ahead === true) this.draft.tell(`${bead} met it again: ${stopText(stop, now)}`);
  }

  #stopped(stop: RigStop): void {
    const { s, now } = this.draft;
    this.draft.tell(`no further starts: ${stopText(stop, now)}`);
    // Whoever has not heard of its grant waits with the others.
    const back = s.grants.filter(({ told, agent, probe }) => told !== true && !probe && concerns(stop, agent));
    s.grants = s.grants.filter((grant) => !back.includes(grant));
    for (const { bead, workflowId, priority, since, agent } of back)
      insertRequest(s.waiting, { bead, workflowId, priority, since, agent });
  }

  #spend({ fruitless, usd }: GrantEnd): void {
    const { s, now } = this.draft;
    if (fruitless === 0 && usd === 0) return;
    const at = Math.floor(now / minute);
    const recent = (s.spent ?? []).filter((one) => one.minute > at - 60);
    const last = recent.at(-1);
    const spent: SpentMinute =
      last?.minute === at
        ? { minute: at, starts: last.starts + fruitless, usd: last.usd + usd }
        : { minute: at, starts: fruitless, usd };
    s.spent = [...recent.filter((one) => one.minute !== at), spent];
    const reason = spendProblem(s.settings, spentOf(s, now));
    if (reason === undefined || this.#all.some(({ cause }) => cause === 'spend')) return;
    const stop: RigStop = { cause: 'spend', reason, since: now, met: [], confirmed: true, probes: 0 };
    this.#keep([...this.#all, stop]);
    this.#stopped(stop);
  }

  #lift(gone: RigStop[], why: string): void {
    this.#keep(this.#all.filter((stop) => !gone.includes(stop)));
    for (const stop of gone) {
      if (inForce(stop))
        this.draft.tell(`starts again after ${counted(stop.met.length, 'bead')} met ${stop.cause}: ${why}`);
      // What only one bead has met, and the next one did not, is its own: it waits for a person by itself.
      for (const { bead, workflowId, again } of stop.met)
        if (stop.confirmed || again === true)
          this.draft.say(workflowId, {
            signal: 'causeGone',
            payload: { bead, ordered: again === true ? true : undefined },
          });
    }
  }

  /**
   * Things are mended, an operator says: what was spent is forgiven, and one bead finds out about the rest.
   * @param agent whose requests are meant; all when absent.
   */
  forgive(agent?: string): void {
    const spend = this.#all.filter(({ cause }) => cause === 'spend');
    if (spend.length > 0) {
      delete this.draft.s.spent;
      this.#lift(spend, 'an operator wants it so');
    }
    this.mended(agent);
  }

  /** Something has changed that may be the cure: one bead finds out at once. */
  mended(agent?: string): void {
    const { s, now } = this.draft;
    const meant = (stop: RigStop): boolean =>
      inForce(stop) && stop.cause !== 'spend' && (agent === undefined || concerns(stop, agent));
    this.#try((s.onTrial ?? []).filter((one) => agent !== undefined && !concerns(one, agent)));
    this.#keep(
      this.#all.map((stop) =>
        meant(stop)
          ? {
              ...stop,
              probeAt: now,
              workIsNoProof: undefined,
              met: stop.met.map((met) => ({ ...met, again: true })),
            }
          : stop,
      ),
    );
    for (const stop of this.#all.filter(meant)) {
      const [first] = stop.met;
      const somebody =
        s.waiting.some((request) => concerns(stop, request.agent)) ||
        s.grants.some(({ ahead, agent: of }) => ahead === true && concerns(stop, of));
      // With nobody in the queue, one of those that are blocked by it finds out.
      if (!somebody && first !== undefined)
        this.draft.say(first.workflowId, { signal: 'causeGone', payload: { bead: first.bead, ordered: true } });
    }
  }

  /** Other limits may let a rig go on that had spent too much. */
  limitsChanged(): void {
    const { s, now } = this.draft;
    if (spendProblem(s.settings, spentOf(s, now)) === undefined)
      this.#lift(
        this.#all.filter(({ cause }) => cause === 'spend'),
        'its limits were changed',
      );
  }
}

/** How far an attempt got; `ended`: it worked, and has ended without being refused. */
type Reached = GrantEnd['reached'] | 'ended' | 'pushed';

const isOfProvider = ({ cause }: RigStop): boolean => cause === 'auth_failed' || cause === 'out_of_credit';

function provesGone({ cause, workIsNoProof }: RigStop, reached: Exclude<Reached, 'nothing'>): boolean {
  switch (cause) {
    case 'not_installed':
    case 'setup_failed':
      return true;
    case 'auth_failed':
    case 'out_of_credit':
      return reached === 'ended' || reached === 'pushed' || (reached === 'progress' && workIsNoProof !== true);
    case 'push_refused':
      return reached === 'pushed';
    case 'spend':
      return false;
    default:
      return cause satisfies never;
  }
}
