import type { BeadView, ConvoyView, RigStop, RigView, SharedCause } from '../../contract/index.js';
import { lossesToOpen } from '../rig/breaker.js';
import { personNeeded } from '../convoy/ready.js';
import { giveUpAt, pauseUnheard } from '../bead/deadline.js';
import { hostAnswersWithin } from '../bead/effects.js';
import { sharedCauseOf } from '../bead/landing.js';
import { bareReason, heldBy, inForce, stopText } from '../rig/stops.js';
import type {
  DamagedFact,
  ForgottenFact,
  KeptTreeFact,
  RefusedAccountFact,
  TeardownFact,
  TownFacts,
} from './town-facts.js';
import { counted, firstOf, durationText } from '../words.js';
import { approveCommand } from '../approval/needs-key.js';

/** Everything that needs a person. Closed union; `docs/operators.md` has a section for each. */
export type ProblemKind =
  | 'no-worker'
  | 'hosts-full'
  | 'no-refinery'
  | 'host-silent'
  | 'attempt-damaged'
  | 'bead-unknown'
  | 'teardown-failed'
  | 'tree-kept'
  | 'shared-cause'
  | 'declined'
  | 'account-refused'
  | 'accounts-refused'
  | 'spend'
  | 'bead-blocked'
  | 'escalation'
  | 'approval'
  | 'budget'
  | 'losses'
  | 'stalled'
  | 'saves-stay'
  | 'work-stays'
  | 'suspect'
  | 'stopping'
  | 'paused'
  | 'no-answer'
  | 'malformed'
  | 'breaker'
  | 'rig-paused'
  | 'merge-failed'
  | 'convoy-blocked'
  | 'convoy-paused'
  | 'convoy-staged';

/**
 * `stuck`: nothing happens before a person acts. `look`: it may go on by itself, but somebody should look. `know`:
 * somebody wanted it so.
 */
export type Severity = 'stuck' | 'look' | 'know';

/** One thing that needs a person. */
export interface Problem {
  kind: ProblemKind;
  severity: Severity;
  /** The bead, rig, convoy, host or task queue that it is about. */
  about: string;
  what: string;
  why: string;
  /** The command that helps, ready to be typed. It never ends, removes or overrides anything. */
  fix: string;
  /** What to do besides, in words. */
  advice?: string;
  /** Since when, in milliseconds, where that is known. */
  since?: number;
  /** Whoever tells of problems tells once of those with the same key; its kind and `about` when absent. */
  once?: string;
  /** What `about` names, where the kind does not say it. */
  of?: 'bead' | 'rig' | 'host';
}

/**
 * An attempt waits so long in the queue before that is worth a person's look: a host that has just come free polls
 * within seconds.
 */
const placePatience = 5 * 60_000;
/** Work that a remote has not taken for so long is worth a person's look: short trouble of it passes. */
const offerPatience = 10 * 60_000;
/** From the order to stop to a host's word, over and above the agent's own `stopGrace`. */
const stopPatience = 60_000;

const order: Record<Severity, number> = { stuck: 0, look: 1, know: 2 };

/** @returns all that needs a person: what stands still first, then the oldest. */
export function problemsOf(town: TownFacts): Problem[] {
  const declined = declinedByHost(town);
  const shared = sharedByHost(town, declined);
  const accounts = refusedByAgent(town, declined, shared);
  const toldByAccounts = (group: SharedByHost): boolean => accounts.some(({ blocked }) => blocked.includes(group));
  const inRigs = new Set(town.rigs.flatMap(({ view }) => (view?.stops ?? []).filter(inForce).flatMap(blockedBy)));
  const found = [
    ...townProblems(town),
    ...shared.flatMap((group) => (isAlone(group) || toldByAccounts(group) ? [] : [sharedProblem(group)])),
    ...declined
      .filter((group) => shared.every(({ waiting }) => waiting !== group) && !accounts.some(holds(group)))
      .map(declinedProblem),
    ...accounts.flatMap((refused) =>
      areAll(refused)
        ? [accountsProblem(refused, town.now)]
        : refused.facts.map((fact) => accountProblem(fact, town.now)),
    ),
    ...(town.damaged ?? []).map(damagedProblem),
    ...unknownBeads(town.forgotten ?? []),
    ...(town.teardowns ?? []).map(teardownProblem),
    ...(town.keptTrees ?? []).filter(({ since }) => town.now - since > offerPatience).map(keptTreeProblem),
    ...town.rigs.flatMap(({ rig, view }) => (view === undefined ? [] : rigProblems(rig, view))),
    ...town.convoys.flatMap(({ convoy, view }) => (view === undefined ? [] : convoyProblems(convoy, view))),
    ...town.beads.flatMap(({ bead, view, unasked }) =>
      view === undefined
        ? unasked === true
          ? []
          : unanswered(bead, town)
        : beadProblems(view, town.now, { ...alone(view), silent: town.hosts.silent }),
    ),
  ];
  /** @returns whether a blocked bead is a problem by itself, or one of many; and under which key it is told. */
  function alone(view: BeadView): { listed: boolean; once?: string } {
    if (inRigs.has(view.bead)) return { listed: false };
    const group = shared.find(({ beads }) => beads.includes(view));
    if (group === undefined) return { listed: true };
    return { listed: isAlone(group) && !toldByAccounts(group), once: onceOf(group) };
  }
  return found
    .map((problem, index) => ({ problem, index }))
    .sort(
      (a, b) =>
        order[a.problem.severity] - order[b.problem.severity] ||
        (a.problem.since ?? 0) - (b.problem.since ?? 0) ||
        a.index - b.index,
    )
    .map(({ problem }) => problem);
}

function townProblems({ beads, rigs, convoys, hosts, taskQueue, now }: TownFacts): Problem[] {
  const found: Problem[] = [];
  const open = beads.length + rigs.length + convoys.length;
  if (hosts.up.length === 0) {
    // Everything else follows from it: no bead can even say how it is.
    return open === 0
      ? []
      : [
          {
            kind: 'no-worker',
            severity: 'stuck',
            about: taskQueue,
            what: `no worker polls ${taskQueue}`,
            why:
              `${open} open ${open === 1 ? 'workflow waits' : 'workflows wait'} for one; agents that already run ` +
              'go on',
            fix: 'heartbead up',
          },
        ];
  }
  const waiting = beads.flatMap(({ view }) =>
    view?.current !== undefined &&
    view.current.acceptedAt === undefined &&
    view.current.stopping === undefined &&
    !view.paused
      ? [view.current.startedAt]
      : [],
  );
  const longest = Math.min(...waiting);
  if (waiting.length > 0 && hosts.free.length === 0 && now - longest > placePatience) {
    found.push({
      kind: 'hosts-full',
      severity: 'look',
      about: taskQueue,
      what:
        `${waiting.length} ${waiting.length === 1 ? 'attempt waits' : 'attempts wait'} for a place, and no host ` +
        'has one free',
      why:
        `${hosts.up.length} ${hosts.up.length === 1 ? 'host is' : 'hosts are'} up (${hosts.up.join(', ')}), all at ` +
        'their limit of agents or below their floor of free disk',
      fix: 'heartbead doctor',
      advice: 'start a worker on another host, or one with a higher --max-agents',
      since: longest,
    });
  }
  const merges = rigs.some(({ view }) => view !== undefined && view.queue.length + view.merging.length > 0);
  if (merges && hosts.merging.length === 0)
    found.push({
      kind: 'no-refinery',
      severity: 'stuck',
      about: taskQueue,
      what: 'work waits for its merge, and no worker polls the merge queue',
      why: 'every worker of this version does: those that are up are older, or have just gone',
      fix: 'heartbead doctor',
    });
  for (const host of hosts.silent) {
    const on = beads.flatMap(({ view }) => (view?.current?.host === host ? [view] : []));
    const names = on.map(({ bead }) => bead);
    const first = Math.min(...on.flatMap((view) => (view.current === undefined ? [] : [giveUpAt(view, view.current)])));
    const another = hosts.up.find((other) => other !== host && machineOf(other) === machineOf(host));
    found.push({
      kind: 'host-silent',
      severity: 'look',
      about: host,
      what: `host ${host} is out of reach`,
      why:
        `nobody polls its queue; it has an attempt of ${firstOf(names, 20)}` +
        (first > now && Number.isFinite(first) ? `, given up in ${durationText(first - now)} at the earliest` : ''),
      fix: `heartbead explain ${names[0] ?? ''}`.trim(),
      advice:
        another === undefined
          ? 'start its worker again (heartbead up, there): it adopts what still runs'
          : `${another} is up on that machine with a state directory of its own: start a worker with the former one ` +
            'too; if it is lost, its attempts are given up by themselves and go on from what the remote has',
    });
  }
  return found;
}

/** A host's id is the name of its machine, and what tells its state directory from others there. */
const machineOf = (host: string): string => host.replace(/-[0-9a-f]+$/, '');

const damagedProblem = ({ bead, attempt, problem, setAside }: DamagedFact): Problem => ({
  kind: 'attempt-damaged',
  severity: 'look',
  about: bead,
  what: `the folder of attempt ${attempt} of bead ${bead} on this host is damaged`,
  why: `${problem}; the worker passes it over and has ended what was left of its agent`,
  fix: setAside,
  advice: 'look first whether its worktree holds work that is nowhere else; the bead goes on with its next attempt',
});

/** One for each bead: the command is that of its newest attempt. */
function unknownBeads(forgotten: readonly ForgottenFact[]): Problem[] {
  const newest = new Map<string, ForgottenFact>();
  const number = ({ attempt }: ForgottenFact): number => Number(attempt.split('-')[0]);
  for (const fact of forgotten) {
    const known = newest.get(fact.bead);
    if (known === undefined || number(known) < number(fact)) newest.set(fact.bead, fact);
  }
  return [...newest.values()].map(({ bead, attempt, refs, setAside }) => ({
    kind: 'bead-unknown',
    severity: 'look',
    about: bead,
    what: `the server knows nothing of bead ${bead}, whose attempt ${attempt} is on this host`,
    why: 'its database was restored from before, or it is another namespace; the agent is ended and its work saved',
    fix: setAside,
    advice:
      `first: look for its work on the remote (${refs.join(', ')}) ` + 'or in its worktree here, and sling it again',
  }));
}

const teardownProblem = ({ bead, attempt, failed, log, settle }: TeardownFact): Problem => ({
  kind: 'teardown-failed',
  severity: 'look',
  about: bead,
  what: `what attempt ${attempt} of bead ${bead} had others start may still run on this host`,
  why: `its rig ends that after the attempt, and could not: ${failed}`,
  fix: settle,
  advice: `first: see in ${log} what was to be ended, and end it by hand; the command says that this is done`,
});

const keptTreeProblem = ({ bead, attempt, worktree, since, reason }: KeptTreeFact): Problem => ({
  kind: 'tree-kept',
  severity: 'look',
  about: bead,
  what: `the working tree of attempt ${attempt} of bead ${bead} stays on this host`,
  why: reason,
  fix: `heartbead diff ${bead} --attempt ${attempt}`,
  advice:
    'mend what the reason names: the host looks again every ten minutes; where nothing in it is needed, remove ' +
    `${worktree} by hand`,
  since,
});

function unanswered(bead: string, { hosts }: TownFacts): Problem[] {
  return hosts.up.length === 0
    ? []
    : [
        {
          kind: 'no-answer',
          severity: 'look',
          about: bead,
          what: `bead ${bead} does not answer`,
          why:
            'a worker is up, but the bead did not answer in time: its workflow task fails again and again, or the ' +
            'worker is overloaded',
          fix: `heartbead show ${bead}`,
          advice: 'the log of the worker says why',
        },
      ];
}

const blockedBy = ({ met }: RigStop): string[] => met.map(({ bead }) => bead);

/** Beads that one host gives back for the same reason. */
interface DeclinedByHost {
  host: string;
  agent: string;
  reason: string;
  beads: { bead: string; since: number | undefined }[];
}

function declinedByHost({ beads }: TownFacts): DeclinedByHost[] {
  const groups = new Map<string, DeclinedByHost>();
  for (const { view } of beads) {
    const last = view?.attempts.at(-1);
    if (view?.wait?.for !== 'backoff' || last?.outcome !== 'declined' || last.host === undefined) continue;
    const reason = last.reason ?? '';
    const agent = view.agentSpec.adapter;
    const key = JSON.stringify([last.host, agent, bareReason(reason)]);
    const group = groups.get(key) ?? { host: last.host, agent, reason, beads: [] };
    group.beads.push({ bead: view.bead, since: last.endedAt });
    groups.set(key, group);
  }
  return [...groups.values()];
}

function declinedProblem({ host, reason, beads }: DeclinedByHost): Problem {
  const names = beads.map(({ bead }) => bead);
  return {
    kind: 'declined',
    of: 'host',
    severity: 'look',
    about: host,
    what: `host ${host} gives ${counted(beads.length, 'bead')} back`,
    why: `${reason}; ${firstOf(names, 5)}`,
    fix: `heartbead retry --host ${host}`,
    advice:
      'first mend there what the reason names; until then they try again by themselves, and any host may take them',
    since: Math.min(...beads.map(({ since }) => since ?? Infinity)),
    once: `declined:${host}:${bareReason(reason)}`,
  };
}

const accountCures: Record<RefusedAccountFact['cause'], string> = {
  rate_limited: 'nothing has to be done: it is used again when its time is over',
  auth_failed: 'log in again with it on that host; it is tried when no other account is free, and after a retry',
  out_of_credit: 'add credit at its provider; it is tried when no other account is free, and after a retry',
};

function accountProblem(
  { host, agent, account, cause, reason, since, until }: RefusedAccountFact,
  now: number,
): Problem {
  const left = until > now ? ` for ${durationText(until - now)} yet` : '';
  return {
    kind: 'account-refused',
    of: 'host',
    severity: cause === 'rate_limited' ? 'know' : 'look',
    about: host,
    what: `account ${account} of ${agent} on host ${host} is left alone${left}`,
    why: reason,
    fix: 'heartbead doctor',
    advice: accountCures[cause],
    since,
    once: `account-refused:${host}:${agent}:${account}:${cause}:${since}`,
  };
}

/** What providers refuse of the accounts that a host has for one agent, and who waits for that. */
interface RefusedByAgent {
  host: string;
  agent: string;
  facts: RefusedAccountFact[];
  /** Those that the host gives back, and those that met it; only where all accounts are refused. */
  waiting: DeclinedByHost[];
  blocked: SharedByHost[];
}

const areAll = ({ facts }: RefusedByAgent): boolean => facts.length >= (facts[0]?.of ?? Infinity);
const holds =
  (group: DeclinedByHost) =>
  ({ waiting }: RefusedByAgent): boolean =>
    waiting.includes(group);

function refusedByAgent(
  { refusedAccounts = [], now }: TownFacts,
  declined: readonly DeclinedByHost[],
  shared: readonly SharedByHost[],
): RefusedByAgent[] {
  const groups = new Map<string, RefusedByAgent>();
  for (const fact of refusedAccounts) {
    if (fact.cause === 'rate_limited' && fact.until <= now) continue;
    const { host, agent } = fact;
    const key = JSON.stringify([host, agent]);
    const group = groups.get(key) ?? { host, agent, facts: [], waiting: [], blocked: [] };
    group.facts.push(fact);
    groups.set(key, group);
  }
  for (const group of [...groups.values()].filter(areAll)) {
    const ofIt = ({ host, agent }: { host: string; agent: string }): boolean =>
      host === group.host && agent === group.agent;
    group.waiting = declined.filter((other) => ofIt(other) && /: account /.test(other.reason));
    group.blocked = shared.filter(
      (other) => ofIt(other) && (other.cause === 'auth_failed' || other.cause === 'out_of_credit'),
    );
  }
  return [...groups.values()];
}

/** While none of them is left, they are one matter: whoever mends one lets all beads go on. */
function accountsProblem({ host, agent, facts, waiting, blocked }: RefusedByAgent, now: number): Problem {
  const beads = [
    ...blocked.flatMap((group) => group.beads.map(({ bead }) => bead)),
    ...waiting.flatMap((group) => group.beads.map(({ bead }) => bead)),
  ];
  const limited = facts.filter(({ cause }) => cause === 'rate_limited');
  const soonest = Math.min(...limited.map(({ until }) => until));
  const [mended] = facts.filter(({ cause }) => cause !== 'rate_limited');
  const trial = `heartbead agent-test ${agent} --account ${(mended ?? facts[0])?.account ?? ''}`;
  const since = Math.max(...facts.map((fact) => fact.since));
  return {
    kind: 'accounts-refused',
    of: 'host',
    severity: limited.length === 0 ? 'stuck' : beads.length === 0 ? 'know' : 'look',
    about: host,
    what:
      `host ${host} starts no ${agent}: ` +
      (facts.length === 1 ? 'its only account is refused' : `all ${facts.length} of its accounts are refused`),
    why:
      facts.map(({ account, reason }) => `${account}: ${reason}`).join('; ') +
      (beads.length === 0
        ? ''
        : `; ${counted(beads.length, 'bead')} ${beads.length === 1 ? 'waits' : 'wait'}: ${firstOf(beads, 5)}`),
    fix: `heartbead retry --host ${host}`,
    advice:
      limited.length === 0
        ? `first: log in again with one of them on that host, or add credit (${trial} tries it)`
        : `${limited.length === facts.length ? 'nothing has to be done' : 'it goes on by itself'}: the first of them ` +
          `is used again in ${durationText(soonest - now)}`,
    since,
    once: `accounts-refused:${host}:${agent}:${since}`,
  };
}

/** Beads that the same thing blocks on one host. */
interface SharedByHost {
  cause: SharedCause;
  host: string;
  agent: string;
  /** The one that has been blocked for longest first. */
  beads: BeadView[];
  /** Beads that the host does not even begin, because of these. */
  waiting?: DeclinedByHost | undefined;
}

const isAlone = ({ beads, waiting }: SharedByHost): boolean => beads.length < 2 && waiting === undefined;

/** Without a rig, what beads have in common is their host and their agent. */
function sharedByHost({ beads }: TownFacts, declined: readonly DeclinedByHost[]): SharedByHost[] {
  const groups = new Map<string, SharedByHost>();
  for (const { view } of beads) {
    if (view === undefined || view.rig !== undefined) continue;
    const cause = sharedCauseOf(view);
    const last = view.attempts.at(-1);
    if (cause === undefined || last?.host === undefined) continue;
    // What the remote of one repository refuses is another matter than what another one does.
    const what = cause === 'push_refused' ? view.repo : view.agentSpec.adapter;
    const reason = cause === 'setup_failed' || cause === 'push_refused' ? bareReason(last.reason ?? '') : '';
    const key = JSON.stringify([last.host, cause, what, reason]);
    const group = groups.get(key) ?? { cause, host: last.host, agent: view.agentSpec.adapter, beads: [] };
    group.beads.push(view);
    groups.set(key, group);
  }
  for (const group of groups.values()) {
    group.beads.sort((a, b) => blockedSince(a) - blockedSince(b));
    group.waiting = declined.find((given) => isOfSameCause(group, given));
  }
  return [...groups.values()];
}

/** What one bead was told in full, the next ones are given back by. */
function isOfSameCause({ cause, host, agent, beads }: SharedByHost, given: DeclinedByHost): boolean {
  if (given.host !== host || given.agent !== agent) return false;
  switch (cause) {
    case 'auth_failed':
    case 'out_of_credit':
      return true;
    case 'not_installed':
    case 'setup_failed':
      return beads.some(({ attempts }) => saidOf(attempts.at(-1)?.reason ?? '') === saidOf(given.reason));
    case 'push_refused':
      return false;
    default:
      return cause satisfies never;
  }
}
/** A reason without the words before it that name its host. */
const saidOf = (reason: string): string => bareReason(reason.replace(/^(?:on )?host .*?: /, ''));

const blockedSince = ({ wait }: BeadView): number => (wait?.for === 'person' ? wait.since : 0);

const onceOf = ({ cause, host, beads }: SharedByHost): string =>
  `${cause}:${host}:${beads[0]?.bead ?? ''}:${beads[0] === undefined ? 0 : blockedSince(beads[0])}`;

function sharedProblem(group: SharedByHost): Problem {
  const { cause, host, beads, waiting } = group;
  const [first] = beads;
  const wait = first?.wait?.for === 'person' ? first.wait : undefined;
  const names = beads.map(({ bead }) => bead);
  return {
    kind: 'shared-cause',
    of: 'host',
    severity: 'stuck',
    about: host,
    what:
      `${counted(beads.length, 'bead')} ${beads.length === 1 ? 'is' : 'are'} blocked on host ${host} by one cause` +
      (waiting === undefined
        ? ''
        : `, and ${waiting.beads.length} more ${waiting.beads.length === 1 ? 'waits' : 'wait'} for it`),
    why: `${wait?.text ?? cause}; ${firstOf(names, 5)}`,
    fix: waiting === undefined ? `heartbead retry --host ${host} --cause ${cause}` : `heartbead retry --host ${host}`,
    advice: wait === undefined ? undefined : `first: ${wait.fix}`,
    since: wait?.since,
    once: onceOf(group),
  };
}

interface BeadContext {
  /** Whether it is a problem by itself when it is blocked, and under which key. */
  listed: boolean;
  once?: string;
  /** Hosts that are told by themselves. */
  silent: readonly string[];
}

function beadProblems(view: BeadView, now: number, { listed, once, silent }: BeadContext): Problem[] {
  const { bead, current, clocks } = view;
  const found: Problem[] = [];
  const add = (
    kind: ProblemKind,
    severity: Severity,
    what: string,
    why: string,
    fix: string,
    more: Pick<Problem, 'advice' | 'since' | 'once'> = {},
  ): void => void found.push({ kind, severity, about: bead, what, why, fix, ...more });
  const escalated = view.attention === 'escalation';
  if (view.wait?.for === 'person' && !listed) {
    // Told with the others that the same thing blocks.
  } else if (view.wait?.for === 'person') {
    const { text, fix, since } = view.wait;
    const budget = /budget/.test(fix);
    add(
      budget ? 'budget' : escalated ? 'escalation' : 'bead-blocked',
      'stuck',
      `bead ${bead} is blocked`,
      text,
      `heartbead retry ${bead}`,
      { advice: `first: ${fix}`, since, once },
    );
  } else if (view.wait?.for === 'approval') {
    add('approval', 'stuck', `bead ${bead} waits for approval`, view.reason, approveCommand(view), {
      advice: `look at ${view.branch ?? 'its branch'} first; heartbead request-changes sends it back`,
      since: view.wait.since,
    });
  } else if (escalated) {
    add(
      'escalation',
      'look',
      `the agent of bead ${bead} asks for a person`,
      lastNote(view),
      `heartbead nudge ${bead} "your answer"`,
      { advice: `heartbead show ${bead} has its notes` },
    );
  }
  // Said for as long as the row lasts: the agent at work now may be lost as those before it.
  if (view.used.infraLosses >= lossesToOpen && view.wait?.for !== 'person') {
    const last = view.attempts.findLast(({ countedAs }) => countedAs === 'infra');
    add(
      'losses',
      'look',
      `bead ${bead} has lost ${view.used.infraLosses} agents in a row`,
      `none of them left saved work; at ${view.budgets.infraLosses} the bead is blocked; the last one: ` +
        `${last?.reason ?? 'see its attempts'}`,
      `heartbead show ${bead}`,
      {
        advice: 'look at what ends them (memory, disk, network); heartbead logs shows their last words',
        since: last?.endedAt,
      },
    );
  }
  if (current?.stopping !== undefined && now - current.stopping.at > clocks.stopGrace + stopPatience) {
    add(
      'stopping',
      'look',
      `bead ${bead} waits until its agent is gone`,
      `host ${current.host ?? '(unknown)'} has not confirmed the stop for ${durationText(now - current.stopping.at)}`,
      `heartbead explain ${bead}`,
      { advice: 'start the worker of that host again', since: current.stopping.at },
    );
  } else if (current?.suspectSince !== undefined && silent.includes(current.host ?? '')) {
    // Its host is told once, with all that it has.
  } else if (current?.suspectSince !== undefined && now - current.suspectSince > clocks.adoptWithin) {
    add(
      'suspect',
      'look',
      `the agent of bead ${bead} is out of sight`,
      current.trouble === undefined
        ? `host ${current.host ?? '(unknown)'} has been silent for ${durationText(now - current.suspectSince)}; ` +
            `it is not given up before ${durationText(clocks.giveUpAfter)} of silence`
        : `${current.trouble}; it is given up after ${durationText(clocks.giveUpAfter)} without a sign of its own ` +
            `(the last one ${durationText(now - current.lastSignAt)} ago)`,
      `heartbead explain ${bead}`,
      {
        advice: `start the worker of host ${current.host ?? '(unknown)'} again: it adopts the attempt`,
        since: current.suspectSince,
      },
    );
  } else if (current?.fencedOutSince !== undefined) {
    add(
      'suspect',
      'look',
      `no agent of bead ${bead} can start on host ${current.host ?? '(unknown)'}`,
      `${current.trouble ?? 'its runner does not reach the server'}; it is given up ` +
        `${durationText(clocks.giveUpAfter)} after the first try`,
      'heartbead doctor',
      { advice: 'run it on that host: its runners need the same server as its worker', since: current.fencedOutSince },
    );
  } else if (current?.stalledAt !== undefined && view.agent === 'stalled') {
    add(
      'stalled',
      'look',
      `the agent of bead ${bead} shows no progress`,
      `none for ${durationText(now - (current.lastProgressAt ?? current.spawnedAt ?? current.stalledAt))}; at ` +
        `${durationText(clocks.stopSilentAfter)} the attempt is stopped, its work saved`,
      `heartbead logs ${bead}`,
      { advice: `heartbead nudge ${bead} "…" gives it a hint`, since: current.stalledAt },
    );
  }
  if (current?.saveProblem !== undefined)
    add(
      'saves-stay',
      'look',
      `saves of bead ${bead} stay on host ${current.host ?? '(unknown)'}`,
      current.saveProblem,
      `heartbead explain ${bead}`,
      {
        advice:
          'allow refs/heartbead/* on the remote, or give the rig names that it allows (`--ref-prefix`); until then a ' +
          'next attempt finds the saves on that host only',
      },
    );
  const { unpushed } = view;
  const finishedAt = view.attempts.find(({ id }) => id === unpushed?.attempt)?.endedAt;
  if (
    unpushed !== undefined &&
    view.wait?.for !== 'person' &&
    finishedAt !== undefined &&
    now - finishedAt > offerPatience
  )
    add(
      'work-stays',
      'look',
      `finished commits of bead ${bead} stay on host ${unpushed.host}`,
      unpushed.tries === 0
        ? 'that host has not answered since, and only it has them'
        : `the remote did not take them in ${unpushed.tries + 1} tries: ${view.reason}`,
      `heartbead explain ${bead}`,
      {
        advice:
          unpushed.tries === 0
            ? `start the worker of host ${unpushed.host} again: it pushes them`
            : `they are pushed again by themselves, and at once by \`heartbead retry ${bead}\``,
        since: finishedAt,
      },
    );
  const unheardFor = pauseUnheard(view) ? now - (current?.pausedAt ?? now) : 0;
  if (unheardFor > hostAnswersWithin)
    add(
      'paused',
      'look',
      `bead ${bead} is to be paused, and its agent may work on`,
      `host ${current?.host ?? '(unknown)'} has not answered for ${durationText(unheardFor)}`,
      `heartbead explain ${bead}`,
      {
        advice: 'start the worker of that host again: it is told as soon as it answers',
        since: current?.pausedAt,
      },
    );
  else if (view.paused)
    add(
      'paused',
      'know',
      `bead ${bead} is paused`,
      'by an operator',
      `heartbead resume ${bead}`,
      current?.pausedAt === undefined ? {} : { since: current.pausedAt },
    );
  else if (current?.pausedByActivity === true)
    add(
      'paused',
      'know',
      `bead ${bead} is paused`,
      'its activity was paused in the Web UI',
      `temporal activity unpause --workflow-id bead-${bead} --activity-type startAgent`,
      current.pausedAt === undefined ? {} : { since: current.pausedAt },
    );
  if (view.malformed > 0)
    add(
      'malformed',
      'look',
      `bead ${bead} got ${view.malformed} ${view.malformed === 1 ? 'message' : 'messages'} that nobody can read`,
      'they were dropped: sent by hand or by another version',
      `heartbead history ${bead}`,
    );
  return found;
}

const lastNote = (view: BeadView): string => view.notes.at(-1) ?? view.reason;

const stopNames: Record<SharedCause, string> = {
  auth_failed: 'their program cannot log in',
  out_of_credit: 'their provider wants to be paid',
  not_installed: 'their program is not there',
  setup_failed: 'nothing can be made ready for them',
  push_refused: 'the remote takes no finished work',
};
const stopCures: Record<SharedCause, string> = {
  auth_failed: "first: give the agent's program valid credentials on its host",
  out_of_credit: 'first: add credit (or raise the spending limit) at the provider',
  not_installed: 'first: install the program on the hosts, or give the rig another agent (heartbead rig set)',
  setup_failed: 'first: mend what the reason names; a change by heartbead rig set is tried by itself',
  push_refused: 'first: mend what the remote objects to; finished commits are pushed before anybody works anew',
};

function rigProblems(rig: string, view: RigView): Problem[] {
  const found: Problem[] = [];
  if (view.breaker.open) {
    const { reason = `${view.breaker.losses} losses in a row without progress`, probeAt } = view.breaker;
    const held = `${view.waiting.length} ${view.waiting.length === 1 ? 'bead waits' : 'beads wait'}`;
    const next =
      probeAt === undefined || probeAt <= view.now ? '' : `, the next in ${durationText(probeAt - view.now)}`;
    found.push({
      kind: 'breaker',
      severity: 'look',
      about: rig,
      what: `rig ${rig} starts no agents: its breaker is open`,
      why: `${reason}; ${held}; one bead at a time tries whether things are better${next}`,
      fix: `heartbead rig show ${rig}`,
      advice: 'mend the hosts, the network or the repository: the first progress closes it',
      since: view.breaker.openedAt,
    });
  }
  for (const stop of (view.stops ?? []).filter(inForce)) {
    const waiting = heldBy(view, stop).length;
    const all = waiting + stop.met.length;
    found.push({
      kind: stop.cause === 'spend' ? 'spend' : 'shared-cause',
      of: 'rig',
      severity: stop.probeAt === undefined ? 'stuck' : 'look',
      about: rig,
      what: `rig ${rig} starts no agents: ${stop.cause === 'spend' ? 'it has spent its limit' : stopNames[stop.cause]}`,
      why: `${stopText(stop, view.now)}; ${all} ${all === 1 ? 'bead waits' : 'beads wait'} for it`,
      fix: `heartbead retry --rig ${rig}`,
      advice:
        stop.cause === 'spend'
          ? `look at what it went into first (heartbead costs --rig ${rig})`
          : stopCures[stop.cause],
      since: stop.since,
    });
  }
  if (view.paused)
    found.push(pausedProblem('rig', rig, `${view.waiting.length} wait for an agent, ${view.queue.length} for a merge`));
  if (view.attention === 'merge') {
    const last = view.notMerged.at(-1);
    found.push({
      kind: 'merge-failed',
      severity: 'look',
      about: rig,
      what: `rig ${rig} has work that could not be merged`,
      why:
        last === undefined
          ? (view.queue.find(({ lastReason }) => lastReason !== undefined)?.lastReason ?? 'see its queue')
          : `${last.item}: ${last.reason}`,
      fix: `heartbead queue ${rig}`,
      since: last?.at,
    });
  }
  return found;
}

function convoyProblems(convoy: string, view: ConvoyView): Problem[] {
  const needed = personNeeded(view);
  const found: Problem[] =
    needed.length === 0
      ? []
      : [
          {
            kind: 'convoy-blocked',
            severity: 'stuck',
            about: convoy,
            what: `convoy ${convoy} waits for a person`,
            why: needed.join('; '),
            fix: convoyFix(convoy, view),
          },
        ];
  if (view.endedAt !== undefined || view.ending !== undefined) return found;
  if (view.paused) found.push(pausedProblem('convoy', convoy, `${view.progress.pending} beads wait`));
  if (view.staged)
    found.push({
      kind: 'convoy-staged',
      severity: 'know',
      about: convoy,
      what: `convoy ${convoy} is staged`,
      why: `${view.progress.total} beads wait for its start`,
      fix: `heartbead convoy start ${convoy}`,
      since: view.createdAt,
    });
  return found;
}

function convoyFix(convoy: string, view: ConvoyView): string {
  if (view.trouble !== undefined || view.landing?.step === 'stuck') return `heartbead convoy resume ${convoy}`;
  const lost = view.beads.find(({ status }) => status === 'failed' || status === 'cancelled');
  if (lost !== undefined && view.policy === 'wait') return `heartbead convoy retry ${convoy} ${lost.id}`;
  const blocked = view.beads.find(({ status, bead }) => status === 'running' && bead === 'blocked');
  return blocked === undefined ? `heartbead convoy show ${convoy}` : `heartbead explain ${convoy}-${blocked.id}`;
}

/** What an operator has paused waits for an operator. */
const pausedProblem = (what: 'rig' | 'convoy', name: string, waits: string): Problem => ({
  kind: `${what}-paused`,
  severity: 'know',
  about: name,
  what: `${what} ${name} is paused`,
  why: `by an operator; ${waits}`,
  fix: `heartbead ${what} resume ${name}`,
});
