import { markdownText } from '../../contract/index.js';
import type { ConvoyBeadState, ConvoyState } from '../../contract/index.js';
import { shortSha } from '../words.js';
import { convoyProgress, personNeeded, statusWords, waitingReason } from './ready.js';
import { panelOf, markdownTable } from '../markdown.js';

const shown = 60;
/** What a person looks for comes first. */
const order: Record<ConvoyBeadState['status'], number> = {
  failed: 0,
  cancelled: 1,
  running: 2,
  starting: 3,
  pending: 4,
  skipped: 5,
  merged: 6,
};

function landingPlace({ rig, target, targetBranch, base }: ConvoyState): string {
  const beads = targetBranch === undefined ? 'the base branch' : `\`${targetBranch}\``;
  const whole = base === undefined ? 'its base' : `\`${base}\``;
  return `${beads} by rig ${rig}${target === 'integration' ? `, then as a whole on ${whole}` : ''}`;
}

function landingText({ step, tries, lastReason }: NonNullable<ConvoyState['landing']>): string {
  const last = lastReason === undefined ? '' : `; the last one: ${markdownText(lastReason)}`;
  return `${step}${tries > 0 ? `, try ${tries}` : ''}${last}`;
}

/** The live panel of a convoy in the Web UI: what landed, what waits for what, what needs a person. Markdown. */
export function convoyPanel(s: ConvoyState): string {
  const { merged, total } = convoyProgress(s);
  const rows = [
    ['state', `**${s.status}**: ${markdownText(s.reason)}`],
    ['progress', `${merged} of ${total} beads merged`],
    ['lands on', landingPlace(s)],
    [
      'when a bead fails',
      {
        wait: 'those that need it wait for a person',
        'skip-dependants': 'those that need it are skipped',
        stop: 'everything else is cancelled',
      }[s.policy],
    ],
    ...(s.landing === undefined ? [] : [['landing', landingText(s.landing)]]),
  ];
  const needed = personNeeded(s);
  const beads = [...s.beads].sort((a, b) => order[a.status] - order[b.status]).slice(0, shown);
  return panelOf(
    [
      ...markdownTable(
        ['', ''],
        rows.map(([name = '', text = '']) => [`**${name}**`, text]),
      ),
      ...(needed.length === 0
        ? []
        : ['', '**Needs a person**', '', ...needed.slice(0, 10).map((text) => `- ${markdownText(text)}`)]),
      '',
      ...markdownTable(
        ['bead', 'needs', 'status', ''],
        beads.map((bead) => [bead.id, bead.needs.join(', '), statusWords(bead), why(s, bead)]),
      ),
      ...(s.beads.length > shown ? [`… and ${s.beads.length - shown} more`] : []),
    ],
    s.story,
  );
}

function why(s: ConvoyState, bead: ConvoyBeadState): string {
  if (bead.status === 'merged') return bead.sha === undefined ? '' : `\`${shortSha(bead.sha)}\``;
  return markdownText((waitingReason(s, bead.id) ?? bead.reason ?? '').slice(0, 150));
}
