import { markdownText } from '../../contract/index.js';
import type { QueuedMerge, RigState } from '../../contract/index.js';
import { instant, panelOf, markdownTable } from '../markdown.js';
import { shortSha } from '../words.js';
import { nextRigDeadline } from './deadline.js';
import { rigStatus } from './state.js';
import { inForce } from './stops.js';

const shown = 20;
const more = (all: readonly unknown[]): string[] => (all.length > shown ? [`… and ${all.length - shown} more`] : []);

/** @returns what a rig is at, in one sentence. */
export function rigVerdict(s: RigState): string {
  const agents =
    `${s.grants.length} of ${s.settings.maxAgents} agents, ${s.waiting.length} waiting; ${s.merging.length} being ` +
    `merged, ${s.queue.length} in the queue`;
  switch (rigStatus(s)) {
    case 'removed':
      return `is being removed: ${agents}`;
    case 'paused':
      return `paused by an operator (what runs goes on): ${agents}`;
    case 'breaker':
      return `breaker open (${s.breaker.reason ?? 'no reason known'}): ${agents}`;
    case 'stopped':
      return `no further starts (${stopWords(s)}): ${agents}`;
    case 'active':
      return agents;
  }
}

/** The causes that hold starts back, for people. */
const stopWords = (s: RigState): string =>
  (s.stops ?? [])
    .filter(inForce)
    .map(({ reason }) => reason)
    .join('; ');

/** The live panel of a rig in the Web UI: who runs, what is merged now, what waits, what went wrong. Markdown. */
export function rigPanel(s: RigState): string {
  const rows = [
    ['state', markdownText(rigVerdict(s))],
    ['repository', `\`${s.settings.repo}\`${s.settings.base === undefined ? '' : `, base \`${s.settings.base}\``}`],
  ];
  const { strategy, checks, approvers, approval } = s.settings;
  const checked = checks.length === 0 ? 'no checks' : `checks ${checks.map(({ name }) => name).join(', ')}`;
  const approved = approvers !== undefined ? ', with approval by key' : approval ? ', with approval' : '';
  rows.push(['settings', `version ${s.version}: ${strategy}, ${checked}${approved}`]);
  const next = nextRigDeadline(s);
  if (next !== undefined) rows.push(['next', `${instant(next.at)}: ${markdownText(next.text)}`]);
  const merge = (state: string, { item, target, branch, tries, lastReason, notBefore }: QueuedMerge): string[] => [
    state,
    item,
    target === '' ? '(default)' : `\`${target}\``,
    `\`${branch}\``,
    [
      tries > 0 ? `try ${tries + 1}` : '',
      notBefore === undefined ? '' : `not before ${instant(notBefore)}`,
      markdownText(lastReason ?? ''),
    ]
      .filter((text) => text !== '')
      .join(', '),
  ];
  const queue = [
    ...s.merging.map((entry) =>
      merge(`**merging** since ${instant(entry.startedAt)}${entry.withdrawn === true ? ' (withdrawn)' : ''}`, entry),
    ),
    ...s.queue.slice(0, shown).map((entry, index) => merge(`${index + 1}`, entry)),
  ];
  const agents = [
    ...s.grants
      .slice(0, shown)
      .map((grant) => [
        grant.bead,
        `priority ${grant.priority}`,
        `runs since ${instant(grant.grantedAt)}${grant.probe || grant.ahead === true ? ' (probe)' : ''}`,
      ]),
    ...s.waiting
      .slice(0, shown)
      .map((request) => [request.bead, `priority ${request.priority}`, `waits; asked as of ${instant(request.since)}`]),
  ];
  const ended = [
    ...s.merged.map(({ at, item, target, sha }) => ({
      at,
      text: `- ${instant(at)} ${item} **merged** into ${target} as \`${shortSha(sha)}\``,
    })),
    ...s.notMerged.map(({ at, item, outcome, reason }) => ({
      at,
      text: `- ${instant(at)} ${item} **${outcome}**: ${markdownText(reason.slice(0, 200))}`,
    })),
  ]
    .sort((a, b) => a.at - b.at)
    .slice(-10);
  return panelOf(
    [
      ...markdownTable(
        ['', ''],
        rows.map(([name = '', text = '']) => [`**${name}**`, text]),
      ),
      ...(queue.length > 0
        ? [
            '',
            '**Merge queue**',
            '',
            ...markdownTable(['place', 'item', 'target', 'branch', ''], queue),
            ...more(s.queue),
          ]
        : []),
      ...(agents.length > 0
        ? ['', '**Agents**', '', ...markdownTable(['bead', '', ''], agents), ...more(s.waiting)]
        : []),
      ...(ended.length > 0 ? ['', '**Last merges**', '', ...ended.map(({ text }) => text)] : []),
    ],
    s.story,
  );
}
