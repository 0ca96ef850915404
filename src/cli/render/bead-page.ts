import type { Colors } from 'picocolors/types.js';
import { endedAs } from '../../client/beads.js';
import type { BeadDescription } from '../../client/describe.js';
import type { BeadLook } from '../../client/look.js';
import type { AttemptRecord, BeadView, CurrentAttempt } from '../../contract/index.js';
import { cellWords, durationText, shortSha } from '../../domain/words.js';
import { pendingSentence } from '../../operator/doing.js';
import { dateTime, oneLine, paintAgent, paintStatus, relative, table, timeOfDay } from './format.js';

/**
 * @param now of whoever reads: the bead's own clock stands still between its events.
 * @returns the page of `heartbead show`.
 */
export function beadPage({ description, view, notes }: BeadLook, now: number, c: Colors): string {
  const head = notes.map((note) => c.yellow(`note: ${note}`));
  return [...head, ...(view === undefined ? descriptionPage(description, now, c) : viewPage(view, now, c))].join('\n');
}

function viewPage(view: BeadView, now: number, c: Colors): string[] {
  const field = (name: string, value: string | undefined): string[] =>
    value === undefined ? [] : [`${c.dim(name.padEnd(11))} ${value}`];
  const lines = [
    `${c.bold(view.bead)}  ${oneLine(view.title)}`,
    ...field(
      'status',
      `${paintStatus(view.status, c)}${view.agent === 'none' ? '' : `, agent ${paintAgent(view.agent, c)}`}`,
    ),
    ...field('why', oneLine(view.reason, 2_000)),
    ...field('attention', view.attention === undefined ? undefined : c.yellow(oneLine(view.attention))),
    ...field(
      'waits for',
      view.wait === undefined || view.wait.text === view.reason ? undefined : oneLine(view.wait.text, 2_000),
    ),
    ...field('fix', view.wait?.for === 'person' ? oneLine(view.wait.fix, 2_000) : undefined),
    ...field(
      'next',
      view.deadline === undefined ? undefined : `${relative(view.deadline.at, now)}: ${view.deadline.text}`,
    ),
    ...field('repository', oneLine(view.repo, 1_000)),
    ...field('base', view.base),
    ...field('rig', view.rig),
    ...field('agent', `${view.agentSpec.adapter}${inWhichCell(view)}`),
    ...field('priority', String(view.priority)),
    ...field('created', `${dateTime(view.createdAt)} (${relative(view.createdAt, now)})`),
    ...field(
      'branch',
      view.branch === undefined
        ? undefined
        : `${view.branch}${view.sha === undefined ? '' : ` at ${shortSha(view.sha)}`}`,
    ),
    ...field('summary', view.summary === undefined ? undefined : oneLine(view.summary, 2_000)),
    ...field(
      'checkpoint',
      view.checkpoint === undefined ? undefined : `${shortSha(view.checkpoint.sha)} at ${view.checkpoint.ref}`,
    ),
  ];
  if (view.attempts.length > 0 || view.current !== undefined) lines.push('', attemptsTable(view, now, c));
  if (view.attemptCount > view.attempts.length + (view.current === undefined ? 0 : 1))
    lines.push(c.dim(`(${view.attemptCount} attempts in all; the older ones are only counted)`));
  if (view.messages.length > 0) {
    lines.push('', c.dim('messages not yet acknowledged by the agent'));
    lines.push(
      ...view.messages.map((message) => `  ${timeOfDay(message.at)}  ${message.from}: ${oneLine(message.text)}`),
    );
  }
  if (view.notes.length > 0)
    lines.push('', c.dim('notes for the next attempt'), ...view.notes.map((note) => `  ${oneLine(note)}`));
  if (view.story.length > 0)
    lines.push('', c.dim('story'), ...view.story.map((line) => `  ${timeOfDay(line.at)}  ${oneLine(line.text, 400)}`));
  return lines;
}

function attemptsTable(view: BeadView, now: number, c: Colors): string {
  const rows = view.attempts.map((attempt) => endedRow(attempt));
  if (view.current !== undefined) rows.push(currentRow(view.current, view, now, c));
  return table(['ATTEMPT', 'HOST', 'BEGAN', 'TOOK', 'OUTCOME', 'COUNTED AS', 'REASON'], rows, c);
}

/** What the newest attempt's agent runs in, and by which account; nobody knows before it is spawned. */
function inWhichCell({ current, attempts }: BeadView): string {
  const { cell, account } = current ?? attempts.at(-1) ?? {};
  return `${cell === undefined ? '' : `, ${cellWords[cell]}`}${account === undefined ? '' : `, account ${account}`}`;
}

const endedRow = (attempt: AttemptRecord): string[] => [
  attempt.id,
  attempt.host ?? '-',
  timeOfDay(attempt.startedAt),
  attempt.endedAt === undefined ? '-' : durationText(attempt.endedAt - attempt.startedAt),
  attempt.outcome ?? '-',
  attempt.countedAs ?? '-',
  oneLine(attempt.reason ?? '', 100),
];

const currentRow = (attempt: CurrentAttempt, view: BeadView, now: number, c: Colors): string[] => [
  attempt.id,
  attempt.host ?? '-',
  timeOfDay(attempt.startedAt),
  durationText(now - attempt.startedAt),
  paintAgent(view.agent, c),
  '-',
  oneLine(attempt.activity ?? (attempt.acceptedAt === undefined ? 'waits for a place' : ''), 100),
];

function descriptionPage(found: BeadDescription, now: number, c: Colors): string[] {
  const status = found.execution === 'RUNNING' ? (found.status ?? 'open') : endedAs(found);
  return [
    `${c.bold(found.bead)}  ${oneLine(found.title)}`,
    'status ' +
      paintStatus(status, c) +
      (found.agent === undefined || found.agent === 'none' ? '' : `, agent ${paintAgent(found.agent, c)}`) +
      `${found.attention === undefined ? '' : `, attention: ${c.yellow(oneLine(found.attention))}`}`,
    `created ${dateTime(found.startedAt)} (${relative(found.startedAt, now)})`,
    ...found.pendingActivities.map((activity) => `activity ${pendingSentence(activity, now)}`),
  ];
}
