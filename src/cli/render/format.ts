import Table from 'cli-table3';
import type { Colors } from 'picocolors/types.js';
import type { AgentStatus, BeadStatus } from '../../contract/index.js';
export { oneLine, relative } from '../../domain/words.js';

/** @returns `2026-11-22 17:40:03` in the reader's time zone. */
export function dateTime(at: number): string {
  const d = new Date(at);
  const two = (n: number): string => String(n).padStart(2, '0');
  return `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())} ${timeOfDay(at)}`;
}

/** @returns `17:40:03` in the reader's time zone. */
export function timeOfDay(at: number): string {
  const d = new Date(at);
  return [d.getHours(), d.getMinutes(), d.getSeconds()].map((n) => String(n).padStart(2, '0')).join(':');
}

/** The colour says at a glance whether a person is needed: red yes, yellow perhaps, green fine. */
export function paintStatus(status: BeadStatus | 'terminated', c: Colors): string {
  switch (status) {
    case 'closed':
      return c.green(status);
    case 'in_progress':
    case 'in_review':
      return c.cyan(status);
    case 'blocked':
    case 'failed':
    case 'terminated':
      return c.red(status);
    case 'cancelled':
      return c.dim(status);
    case 'open':
      return status;
  }
}

export function paintAgent(agent: AgentStatus, c: Colors): string {
  switch (agent) {
    case 'working':
      return c.green(agent);
    case 'starting':
      return c.cyan(agent);
    case 'stalled':
    case 'suspect':
    case 'stopping':
    case 'paused':
      return c.yellow(agent);
    case 'none':
      return c.dim('-');
  }
}

/**
 * @returns a plain table: a header, no frame, two spaces between the columns, so that it can be cut with ordinary
 * tools.
 */
export function table(head: string[], rows: string[][], c: Colors): string {
  const made = new Table({
    head: head.map((title) => c.dim(title)),
    chars: {
      top: '',
      'top-mid': '',
      'top-left': '',
      'top-right': '',
      bottom: '',
      'bottom-mid': '',
      'bottom-left': '',
      'bottom-right': '',
      left: '',
      'left-mid': '',
      mid: '',
      'mid-mid': '',
      right: '',
      'right-mid': '',
      middle: '  ',
    },
    // The library's own colours ignore NO_COLOR: everything is painted here.
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
  });
  made.push(...rows);
  return made
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n');
}
