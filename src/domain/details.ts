import type { BeadState } from '../contract/index.js';
import { nextDeadline, waitingFor } from './deadline.js';
import { verdict } from './explain.js';
import { usageText } from './usage.js';

const instant = (at: number): string => new Date(at).toISOString().replace('.000Z', 'Z');
const cell = (text: string): string => text.replace(/[|\n\r]+/g, ' ');

/**
 * The live panel of the Web UI (`setCurrentDetails`): Markdown, at most 20,000 bytes by the server's limit. Instants,
 * not durations, since it is written on change and read later.
 */
export function details(state: BeadState): string {
  const rows: [string, string][] = [
    ['verdict', verdict(state)],
    ['why', state.reason],
  ];
  const waits = waitingFor(state);
  if (waits !== undefined) rows.push(['waits for', waits]);
  const deadline = nextDeadline(state);
  if (deadline) rows.push(['next', `${instant(deadline.at)}: ${deadline.text}`]);
  const attempt = state.current;
  if (attempt) {
    rows.push(['attempt', `${attempt.number} (\`${attempt.id}\`) on ${attempt.host ?? 'no host yet'}`]);
    if (attempt.lastProgressAt !== undefined)
      rows.push([
        'last progress',
        `${instant(attempt.lastProgressAt)}${attempt.activity === undefined ? '' : ` (${attempt.activity})`}`,
      ]);
  }
  if (state.branch !== undefined)
    rows.push(['branch', `\`${state.branch}\`${state.sha === undefined ? '' : ` at \`${state.sha.slice(0, 12)}\``}`]);
  if (state.checkpoint) rows.push(['checkpoint', `\`${state.checkpoint.sha.slice(0, 12)}\``]);
  rows.push([
    'used up',
    `${state.used.agentFailures}/${state.budgets.agentFailures} agent failures, ${state.used.infraLosses}/${state.budgets.infraLosses} losses in a row`,
  ]);
  if (state.usage) rows.push(['usage', usageText(state.usage)]);
  const table = ['| | |', '|---|---|', ...rows.map(([name, text]) => `| **${name}** | ${cell(text)} |`)];
  const attempts = state.attempts
    .slice(-8)
    .map((a) => `- attempt ${a.number}: **${a.outcome ?? '?'}** ${cell((a.reason ?? '').slice(0, 200))}`);
  const story = state.story.slice(-8).map((line) => `- ${instant(line.at)} ${cell(line.text)}`);
  return [
    ...table,
    ...(attempts.length > 0 ? ['', '**Attempts**', '', ...attempts] : []),
    '',
    '**Story**',
    '',
    ...story,
  ]
    .join('\n')
    .slice(0, 15_000);
}
