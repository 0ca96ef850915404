import { open, stat } from 'node:fs/promises';
import type { BeadClient } from '../../client/beads.js';
import { demoDirectory } from '../../client/home.js';
import { explain } from '../../domain/bead/explain.js';
import { whyNotRunning } from '../../domain/telling/why-not.js';
import { isMissing } from '../../edge/errors.js';
import { AttemptDir } from '../../runner/attempt/attempt-dir.js';
import { oneLine, timeOfDay } from '../render/format.js';
import type { Page, TopCommand, TopData } from './state.js';

/** How much of a log is shown, in bytes. */
const tailBytes = 64 * 1024;

/** Carries out what a key asked for. @returns a sentence for the last line, or a page. */
export async function act(
  command: Exclude<TopCommand, { do: 'quit' }>,
  data: TopData | undefined,
  beads: BeadClient,
  home: string,
): Promise<string | Page> {
  const { bead } = command;
  switch (command.do) {
    case 'show':
      return showPage(bead, data);
    case 'logs':
      return logPage(bead, home);
    case 'nudge':
      return beads.nudge(bead, command.text);
    case 'pause':
      return beads.pause(bead);
    case 'resume':
      return beads.resume(bead);
    case 'retry':
      return beads.retry(bead);
    case 'cancel':
      await beads.cancel(bead);
      return `cancellation of ${bead} was asked for: its agent is stopped, its work saved`;
  }
}

function showPage(bead: string, data: TopData | undefined): string | Page {
  const view = data?.facts.beads.find((fact) => fact.bead === bead)?.view;
  if (data === undefined || view === undefined) return `${bead} does not answer: no worker, or it is overloaded`;
  const { facts } = data;
  const rig = view.rig === undefined ? undefined : (facts.rigs.find((fact) => fact.rig === view.rig)?.view ?? 'silent');
  const answer = whyNotRunning(view, {
    now: facts.now,
    taskQueue: facts.taskQueue,
    hosts: facts.hosts,
    rig,
  });
  const [head = '', why = '', ...rest] = explain(view, facts.now);
  const story = view.story.slice(-20).map(({ at, text }) => `${timeOfDay(at)}  ${text}`);
  return {
    title: `${bead}: ${oneLine(view.title, 60)}`,
    lines: [head, why, ...answer, ...rest, '', 'story', ...story].map((line) => oneLine(line, 2_000)),
    scroll: 0,
  };
}

/** The newest attempt's log, when it is on this host. */
async function logPage(bead: string, home: string): Promise<string | Page> {
  const number = (dir: AttemptDir): number => Number(dir.attempt.split('-')[0]);
  const dirs = (await Promise.all([home, demoDirectory(home)].map((place) => AttemptDir.list(place))))
    .flat()
    .filter((dir) => dir.bead === bead);
  const dir = dirs.sort((a, b) => number(a) - number(b)).at(-1);
  if (dir === undefined) return `no attempt of ${bead} is on this host: read its log where it runs`;
  try {
    const { size } = await stat(dir.agentLog);
    const file = await open(dir.agentLog);
    try {
      const from = Math.max(size - tailBytes, 0);
      const { buffer, bytesRead } = await file.read(Buffer.alloc(size - from), 0, size - from, from);
      const lines = buffer
        .subarray(0, bytesRead)
        .toString('utf8')
        .split('\n')
        .map((line) => oneLine(line, 1_000));
      return {
        title: `${bead}: log of attempt ${dir.attempt}`,
        lines: lines.at(-1) === '' ? lines.slice(0, -1) : lines,
        scroll: Number.MAX_SAFE_INTEGER,
      };
    } finally {
      await file.close();
    }
  } catch (error) {
    if (isMissing(error)) return `attempt ${dir.attempt} of ${bead} has no log yet`;
    throw error;
  }
}
