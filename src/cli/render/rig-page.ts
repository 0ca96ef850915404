import type { Colors } from 'picocolors/types.js';
import type { MergeAtWork } from '../../client/fleet.js';
import type { AgentCell, RigView, SavePolicy, Saves } from '../../contract/index.js';
import { defaultStartsPerHour, heldBy, inForce, spentOf, stopText } from '../../domain/rig/stops.js';
import { counted, durationText, shortSha } from '../../domain/words.js';
import { fingerprint } from '../../domain/approval/ssh-signature.js';
import { rigVerdict } from '../../domain/rig/panel.js';
import { oneLine, table } from './format.js';

const askedWords = (cell: AgentCell | undefined): string =>
  cell === 'sandbox'
    ? 'in a sandbox, or not at all'
    : cell === 'none'
      ? 'without a sandbox, where their host lets them'
      : 'in a sandbox where their host can make one';

function reachWords(network: readonly string[] | undefined): string {
  if (network === undefined) return '';
  const hosts = network.length === 0 ? '' : `, ${oneLine(network.join(', '))}`;
  return `; in it they reach their provider${hosts} and nothing else`;
}

function approvalWords({ approval, approvers = [] }: RigView['settings']): string {
  if (approvers.length > 0) return `, approval signed by one of ${counted(approvers.length, 'key')}`;
  return approval ? ', approval by a person' : '';
}

/**
 * @param now by the reader's clock: a rig that has nothing to do answers with the instant of its last event.
 * @returns the settings and the state of a rig as text.
 */
export function rigPage(view: RigView, now: number, c: Colors, atWork: readonly MergeAtWork[] = []): string {
  const { settings: s } = view;
  const lines = [
    `${c.bold(view.rig)}  ${rigVerdict(view)}`,
    `repository ${s.repo}${s.base === undefined ? '' : `, base ${s.base}`}`,
    `settings version ${view.version}: agent ${s.agent.adapter}, at most ${s.maxAgents} agents, strategy ` +
      `${s.strategy}${approvalWords(s)}, ` +
      (s.checks.length === 0 ? 'no checks' : `checks ${s.checks.map(({ name }) => name).join(', ')}`),
    ...((s.setup?.length ?? 0) + (s.copy?.length ?? 0) === 0
      ? []
      : [
          'a fresh tree gets ' +
            [
              ...(s.copy ?? []).map(({ to }) => oneLine(to)),
              ...(s.setup ?? []).map(({ command }) => `\`${oneLine(command)}\``),
            ].join(', '),
        ]),
  ];
  for (const key of s.approvers ?? []) lines.push(`approver ${fingerprint(key)}  ${oneLine(key, 200)}`);
  lines.push(`agents run ${askedWords(s.agent.cell)}${reachWords(s.agent.network)}`);
  lines.push(`limits of an hour: ${spendLimits(view, now)}`);
  for (const stop of (view.stops ?? []).filter(inForce))
    lines.push(
      c.red(
        `starts no agents${stop.agent === undefined || stop.agent === 'rig' ? '' : ` ${stop.agent}`}: ` +
          oneLine(stopText(stop, now), 500),
      ),
      `  ${counted(heldBy(view, stop).length + stop.met.length, 'bead')} waiting; then: heartbead retry --rig ` +
        view.rig,
    );
  lines.push(
    `work in progress is saved ${savesText(s.saves)}; agents ` +
      `${s.allowPush === true ? 'may push' : 'do not push'} by themselves`,
  );
  if ((s.teardown?.length ?? 0) > 0)
    lines.push(`after each attempt: ${(s.teardown ?? []).map(({ command }) => `\`${oneLine(command)}\``).join(', ')}`);
  if (s.signoff === true) lines.push('every commit is signed off');
  if (s.refPrefix !== undefined) lines.push(`its branches and refs on the remote begin with ${s.refPrefix}/`);
  if (s.litter !== undefined && s.litter.length > 0)
    lines.push(`litter, which keeps nobody from being done: ${s.litter.join(', ')}`);
  if (s.ports !== undefined) lines.push(`each attempt gets ${s.ports.count} ports of its own, from ${s.ports.base} on`);
  if (view.grants.length > 0)
    lines.push(
      '',
      'running',
      table(
        ['BEAD', 'PRIORITY', 'SINCE'],
        view.grants.map((grant) => [
          grant.bead,
          String(grant.priority),
          `${durationText(now - grant.grantedAt)}${grant.probe || grant.ahead === true ? ' (probe)' : ''}`,
        ]),
        c,
      ),
    );
  if (view.waiting.length > 0)
    lines.push(
      '',
      'waiting for an agent',
      table(
        ['BEAD', 'PRIORITY', 'ASKED'],
        view.waiting.map((request) => [
          request.bead,
          String(request.priority),
          `${durationText(now - request.since)} ago`,
        ]),
        c,
      ),
    );
  lines.push('', queuePage(view, now, c, atWork));
  return lines.join('\n');
}

function spendLimits(view: RigView, now: number): string {
  const { startsPerHour = defaultStartsPerHour, usdPerHour } = view.settings;
  const { starts, usd } = spentOf(view, now);
  const money =
    usdPerHour === undefined ? `${usd.toFixed(2)} USD (no limit)` : `${usd.toFixed(2)} of ${usdPerHour} USD`;
  return `${starts} of ${startsPerHour} paid starts without verified work, ${money}`;
}

const savesTexts: Record<SavePolicy, string> = {
  pushed: 'on the remote',
  host: 'on its host only',
  tracked: 'on the remote, without untracked files',
};

function savesText({ policy = 'pushed', fileBytes, allBytes }: Saves = {}): string {
  const limits = [
    ...(fileBytes === undefined ? [] : [`${fileBytes / 1024 / 1024} MB a file`]),
    ...(allBytes === undefined ? [] : [`${allBytes / 1024 / 1024} MB together`]),
  ];
  return `${savesTexts[policy]}${limits.length === 0 ? '' : ` (untracked files up to ${limits.join(', ')})`}`;
}

/** @returns what the refinery does for an item, or why it does nothing just now. */
function workOf(item: string, atWork: readonly MergeAtWork[]): string {
  const work = atWork.find((one) => one.item === item);
  if (work === undefined) return '';
  const last = work.lastFailure === undefined ? '' : `; the last try: ${oneLine(work.lastFailure, 100)}`;
  return work.resting
    ? `: try ${work.tries} comes soon${last}`
    : `: ${oneLine(work.text, 80)} on ${work.host}${work.tries > 1 ? ` (try ${work.tries})` : ''}`;
}

/**
 * @returns the merge queue of a rig: what is being merged, what waits in which order, and what became of the last ones.
 */
export function queuePage(view: RigView, now: number, c: Colors, atWork: readonly MergeAtWork[] = []): string {
  const lines: string[] = [];
  const rows = [
    ...view.merging.map((entry) => [
      'merging',
      entry.item,
      entry.target,
      entry.branch,
      `for ${durationText(now - entry.startedAt)}${workOf(entry.item, atWork)}`,
    ]),
    ...view.queue.map((entry, index) => [
      String(index + 1),
      entry.item,
      entry.target,
      entry.branch,
      entry.lastReason === undefined ? `queued ${durationText(now - entry.since)}` : oneLine(entry.lastReason, 80),
    ]),
  ];
  lines.push(
    rows.length === 0 ? 'the merge queue is empty' : table(['PLACE', 'ITEM', 'TARGET', 'BRANCH', ''], rows, c),
  );
  const last = [
    ...view.merged.map(({ item, target, sha, at }) => ({
      at,
      text: `${c.green('merged')} ${item} into ${target} as ${shortSha(sha)}`,
    })),
    ...view.notMerged.map(({ item, outcome, reason, at }) => ({
      at,
      text: `${c.red(outcome)} ${item}: ${oneLine(reason, 120)}`,
    })),
  ]
    .sort((a, b) => b.at - a.at)
    .slice(0, 8);
  if (last.length > 0) lines.push('', ...last.map(({ at, text }) => `${durationText(now - at)} ago: ${text}`));
  return lines.join('\n');
}
