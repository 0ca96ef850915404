import { markdownText } from '../../contract/index.js';
import type { BeadState } from '../../contract/index.js';
import { shortSha } from '../words.js';
import { nextBeadDeadline, waitingFor } from './deadline.js';
import { verdict } from './explain.js';
import { cell, instant, panelOf } from '../markdown.js';
import { usageText } from './usage.js';

/**
 * The live panel of the Web UI (`setCurrentDetails`): Markdown, at most 20,000 bytes by the server's limit. Instants,
 * not durations, since it is written on change and read later.
 */
export function beadPanel(state: BeadState): string {
  const rows: [string, string][] = [
    ['verdict', markdownText(verdict(state))],
    ['why', markdownText(state.reason)],
  ];
  const waits = waitingFor(state);
  if (waits !== undefined) rows.push(['waits for', markdownText(waits)]);
  const deadline = nextBeadDeadline(state);
  if (deadline) rows.push(['next', `${instant(deadline.at)}: ${markdownText(deadline.text)}`]);
  const attempt = state.current;
  if (attempt) {
    rows.push(['attempt', `${attempt.number} (\`${attempt.id}\`) on ${attempt.host ?? 'no host yet'}`]);
    if (attempt.lastProgressAt !== undefined) {
      const activity = attempt.activity === undefined ? '' : ` (${markdownText(attempt.activity)})`;
      rows.push(['last progress', `${instant(attempt.lastProgressAt)}${activity}`]);
    }
  }
  if (state.branch !== undefined)
    rows.push(['branch', `\`${state.branch}\`${state.sha === undefined ? '' : ` at \`${shortSha(state.sha)}\``}`]);
  if (state.checkpoint) rows.push(['checkpoint', `\`${shortSha(state.checkpoint.sha)}\``]);
  rows.push([
    'used up',
    `${state.used.agentFailures}/${state.budgets.agentFailures} agent failures, ` +
      `${state.used.infraLosses}/${state.budgets.infraLosses} losses in a row`,
  ]);
  if (state.usage) rows.push(['usage', usageText(state.usage)]);
  const table = ['| | |', '|---|---|', ...rows.map(([name, text]) => `| **${name}** | ${cell(text)} |`)];
  const attempts = state.attempts
    .slice(-8)
    .map((a) => `- attempt ${a.number}: **${a.outcome ?? '?'}** ${markdownText((a.reason ?? '').slice(0, 200))}`);
  return panelOf([...table, ...(attempts.length > 0 ? ['', '**Attempts**', '', ...attempts] : [])], state.story);
}
