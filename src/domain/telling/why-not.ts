import { isFinal } from '../../contract/index.js';
import type { BeadState, ConvoyView, RigView } from '../../contract/index.js';
import { pauseUnheard } from '../bead/deadline.js';
import { agedPriority, byGrantOrder } from '../rig/queue.js';
import type { TownHosts } from './town-facts.js';
import { stopsOf, stopText } from '../rig/stops.js';
import { durationText } from '../words.js';
import { approveCommand } from '../approval/needs-key.js';

/** What stands around a bead and keeps it waiting, as far as it could be asked. */
export interface Surroundings {
  /** Milliseconds, of whoever asks. */
  now: number;
  taskQueue: string;
  hosts?: TownHosts;
  /** The bead's rig; absent when it has none, `silent` when it does not answer. */
  rig?: RigView | 'silent';
}

/**
 * Answers "why is this not running?" for every state, with what only the surroundings know: the place in the queue, the
 * limit, the breaker, the missing worker, the full hosts.
 * @returns one sentence or more; the first begins with `running: yes` or `running: no`.
 */
export function whyNotRunning(state: BeadState, around: Surroundings): string[] {
  const { hosts, taskQueue, now } = around;
  if (isFinal(state.status)) return [`running: no, it is ${state.status}: ${state.reason}`];
  const nobody =
    hosts?.up.length === 0 ? [`no worker polls ${taskQueue}: nothing moves on before one does (heartbead up)`] : [];
  const no = (why: string, ...more: string[]): string[] => [`running: no, ${why}`, ...more, ...nobody];
  const { current, wait } = state;
  if (current !== undefined) {
    const host = current.host ?? '(unknown)';
    const silent =
      hosts?.silent.includes(host) === true
        ? [
            `nobody polls the queue of host ${host}: start its worker again (heartbead up, there), and it ` +
              'adopts what still runs',
          ]
        : [];
    if (current.stopping !== undefined)
      return no(
        `its attempt is being stopped (${current.stopping.reason}); host ${host} has not confirmed yet that ` +
          'its agent is gone',
        ...silent,
      );
    if (current.suspectSince !== undefined)
      return [
        `running: perhaps, host ${host} has been out of sight for ${durationText(now - current.suspectSince)}; an ` +
          'agent there is frozen when its lease runs out',
        ...silent,
        ...nobody,
      ];
    if (current.pausedByActivity)
      return no('its activity is paused in the Web UI; an unpause there lets it go on', ...silent);
    if (pauseUnheard(state))
      return [
        `running: perhaps, it is to be paused and host ${host} has not answered; heartbead resume ${state.bead} ` +
          'takes that back',
        ...silent,
        ...nobody,
      ];
    if (current.pausedAt !== undefined || state.paused)
      return no(`it is paused; heartbead resume ${state.bead} lets it go on`, ...silent);
    if (current.acceptedAt === undefined) return no(...placeReason(around, now - current.startedAt));
    if (current.spawnedAt === undefined)
      return [
        `running: not yet, host ${host} has been preparing its workspace for ${durationText(now - current.acceptedAt)}`,
        ...silent,
        ...nobody,
      ];
    return [
      `running: yes, attempt ${current.number} on host ` +
        `${host}${current.stalledAt === undefined ? '' : ', without progress'}`,
      ...silent,
      ...nobody,
    ];
  }
  if (state.paused) return no(`it is paused; heartbead resume ${state.bead} lets it go on`);
  switch (wait?.for) {
    case 'person':
      return no(`it is blocked and waits for a person: ${wait.fix}; then heartbead retry ${state.bead}`);
    case 'approval':
      return no(
        `its work is done and has waited for approval for ${durationText(now - wait.since)}: ` +
          `${approveCommand(state)}, or heartbead request-changes ${state.bead}`,
      );
    case 'backoff':
      return no(
        `it backs off for another ${durationText(wait.until - now)}: ${wait.text}; heartbead retry ${state.bead} ` +
          'ends that at once',
      );
    case 'verification':
      return no('its work is done and is being looked up on the remote');
    case 'grant':
      return no(...grantReason(state, around));
    case 'merge':
      return no(...mergeReason(state, around));
    case 'place':
    case undefined:
      if (state.unpushed !== undefined)
        return no(`its work is done, and host ${state.unpushed.host} pushes the commits that it keeps`);
      return no('its next attempt is about to be dispatched');
  }
}

/** An attempt that no host has taken yet. */
function placeReason({ hosts }: Surroundings, waited: number): [string, ...string[]] {
  const unclaimed = `no host has taken it for ${durationText(waited)}`;
  if (hosts === undefined || hosts.up.length === 0) return [unclaimed];
  const queued =
    hosts.queued === undefined || hosts.queued === 0
      ? []
      : [
          `about ${hosts.queued} ${hosts.queued === 1 ? 'attempt waits' : 'attempts wait'} in the agents ` +
            'queue, best priority first, then age',
        ];
  if (hosts.free.length === 0)
    return [
      `${unclaimed}: all hosts are full (${hosts.up.join(', ')}: at their limit of agents, or below their floor ` +
        'of free disk)',
      ...queued,
    ];
  return [`${unclaimed}, though a place is free on ${hosts.free.join(', ')}: it is taken within moments`, ...queued];
}

/** The rig has not given it leave to run an agent. */
function grantReason(state: BeadState, { rig, now }: Surroundings): [string, ...string[]] {
  const name = state.rig ?? '';
  if (rig === undefined || rig === 'silent')
    return [`it waits for rig ${name}, which does not answer (heartbead rig show ${name})`];
  const { grants, waiting, settings, breaker } = rig;
  const place = [...waiting].sort(byGrantOrder).findIndex(({ bead }) => bead === state.bead) + 1;
  const where =
    place === 0
      ? 'its turn has come, or its question is on its way'
      : `it is number ${place} of ${waiting.length} that wait, by priority (its own is ${state.priority}), then age`;
  const holders =
    grants.length === 0
      ? []
      : [
          `running now: ${grants
            .slice(0, 8)
            .map(({ bead }) => bead)
            .join(', ')}${grants.length > 8 ? `, and ${grants.length - 8} more` : ''}`,
        ];
  if (rig.removed) return [`rig ${name} is being removed and grants nothing any more`];
  if (rig.paused) return [`rig ${name} is paused (heartbead rig resume ${name}); ${where}`, ...holders];
  if (breaker.open) {
    const probe = grants.find((grant) => grant.probe);
    const next =
      probe !== undefined
        ? `${probe.bead} tries now whether things are better`
        : breaker.probeAt !== undefined && breaker.probeAt > now
          ? `the next try is in ${durationText(breaker.probeAt - now)}`
          : 'the next try is due';
    return [
      `the breaker of rig ${name} is open (${breaker.reason ?? 'losses in a row'}); ${next}; ${where}`,
      ...holders,
    ];
  }
  const stop = stopsOf(rig, waiting.find(({ bead }) => bead === state.bead)?.agent)[0];
  if (stop !== undefined)
    return [
      `rig ${name} starts none: ${stopText(stop, now)}; heartbead retry --rig ${name} lets one try at once, ` +
        `and all when it is mended; ${where}`,
      ...holders,
    ];
  if (grants.length >= settings.maxAgents)
    return [`rig ${name} runs ${grants.length} of at most ${settings.maxAgents} agents; ${where}`, ...holders];
  return [`rig ${name} has a place free (${grants.length} of ${settings.maxAgents}); ${where}`];
}

/** Its work waits for the refinery. */
function mergeReason(state: BeadState, { rig, hosts, now }: Surroundings): [string, ...string[]] {
  const name = state.rig ?? '';
  if (rig === undefined || rig === 'silent')
    return [`its work waits for the refinery of rig ${name}, which does not answer (heartbead rig show ${name})`];
  const nobody =
    hosts !== undefined && hosts.up.length > 0 && hosts.merging.length === 0
      ? ['no worker polls the merge queue (heartbead doctor)']
      : [];
  const merging = rig.merging.find(({ item }) => item === state.bead);
  if (merging !== undefined)
    return [
      `its work is being merged into ${merging.target === '' ? 'the default branch' : merging.target} since ` +
        durationText(now - merging.startedAt),
      ...nobody,
    ];
  const place = rig.queue.findIndex(({ item }) => item === state.bead);
  const entry = rig.queue[place];
  if (entry === undefined) return [`its work is on its way into the merge queue of rig ${name}`, ...nobody];
  const ahead = rig.merging.map(({ item }) => item);
  const where =
    `number ${place + 1} of ${rig.queue.length} in the merge queue of rig ${name} (priority ` +
    agedPriority(entry, now) +
    `${agedPriority(entry, now) === entry.priority ? '' : `, raised from ${entry.priority} by its age`})`;
  const held =
    entry.notBefore !== undefined && entry.notBefore > now
      ? [
          `it is tried again in ${durationText(entry.notBefore - now)}: ` +
            `${entry.lastReason ?? 'the last try did not succeed'}`,
        ]
      : [];
  const paused = rig.paused ? [`rig ${name} is paused: heartbead rig resume ${name}`] : [];
  return [
    `its work is done and is ${where}${ahead.length === 0 ? '' : `; being merged now: ${ahead.join(', ')}`}`,
    ...held,
    ...paused,
    ...nobody,
  ];
}

/**
 * A bead of a convoy that has no workflow yet. @returns lines for a terminal, or undefined when the convoy has no such
 * bead.
 */
export function notStartedYet(convoy: ConvoyView, id: string): string[] | undefined {
  const bead = convoy.beads.find((other) => other.id === id);
  if (bead === undefined) return undefined;
  const waits = convoy.waiting.find((other) => other.id === id)?.text ?? bead.reason;
  const needs = bead.needs
    .map((need) => convoy.beads.find((other) => other.id === need))
    .filter((need) => need !== undefined && need.status !== 'merged');
  const full = `${convoy.convoy}-${id}`;
  return [
    `${full}: ${bead.status}, not started yet`,
    `running: no, ${waits ?? `it is ${bead.status}`}`,
    ...needs.flatMap((need) =>
      need === undefined
        ? []
        : [
            `it needs ${need.id}, which is ` +
              `${need.status}${need.reason === undefined || need.reason === '' ? '' : `: ${need.reason}`} ` +
              `(heartbead explain ${convoy.convoy}-${need.id})`,
          ],
    ),
    ...(convoy.staged ? [`convoy ${convoy.convoy} is staged: heartbead convoy start ${convoy.convoy} lets it go`] : []),
    ...(convoy.paused
      ? [`convoy ${convoy.convoy} is paused: heartbead convoy resume ${convoy.convoy} lets it go on`]
      : []),
  ];
}
