import type { Colors } from 'picocolors/types.js';
import type { ConvoyBeadStatus, ConvoyView } from '../../contract/index.js';
import { durationText, shortSha } from '../../domain/words.js';
import { oneLine } from './format.js';

const marks: Record<ConvoyBeadStatus, string> = {
  pending: '○',
  starting: '◔',
  running: '◑',
  merged: '●',
  failed: '✗',
  cancelled: '⊘',
  skipped: '–',
};

const paint = (status: ConvoyBeadStatus, text: string, c: Colors): string => {
  switch (status) {
    case 'merged':
      return c.green(text);
    case 'running':
    case 'starting':
      return c.cyan(text);
    case 'failed':
      return c.red(text);
    case 'cancelled':
    case 'skipped':
      return c.dim(text);
    case 'pending':
      return text;
  }
};

/**
 * @returns how deep each bead lies in the graph: 0 needs nothing. The graph has no cycles (it was refused otherwise).
 */
function depths(view: ConvoyView): Map<string, number> {
  const needs = new Map(view.beads.map(({ id, needs }) => [id, needs]));
  const known = new Map<string, number>();
  const depth = (id: string): number => {
    const found = known.get(id);
    if (found !== undefined) return found;
    known.set(id, 0);
    const value = Math.max(
      0,
      ...(needs.get(id) ?? []).filter((need) => needs.has(need)).map((need) => depth(need) + 1),
    );
    known.set(id, value);
    return value;
  };
  for (const { id } of view.beads) depth(id);
  return known;
}

/**
 * @param now by the reader's clock.
 * @returns a convoy as text: its verdict, and the graph with each bead below what it needs, one step further in.
 */
export function convoyPage(view: ConvoyView, now: number, c: Colors): string {
  const { progress } = view;
  const lines = [
    `${c.bold(view.convoy)}  ${view.status}  ${progress.merged}/${progress.total} ` +
      `merged${progress.failed > 0 ? `, ${progress.failed} failed` : ''}` +
      `${progress.skipped > 0 ? `, ${progress.skipped} skipped` : ''}`,
    `${oneLine(view.title, 100)}`,
    c.dim(
      `rig ${view.rig}, policy ${view.policy}, lands on ${view.targetBranch ?? 'the base of its rig'}; ` +
        oneLine(view.reason, 200),
    ),
    '',
  ];
  const depth = depths(view);
  const waiting = new Map(view.waiting.map(({ id, text }) => [id, text]));
  const ordered = [...view.beads].sort((a, b) => (depth.get(a.id) ?? 0) - (depth.get(b.id) ?? 0));
  for (const bead of ordered) {
    const indent = '  '.repeat(depth.get(bead.id) ?? 0);
    const needs = bead.needs.length > 0 ? c.dim(` ← ${bead.needs.join(', ')}`) : '';
    const time = bead.startedAt === undefined ? '' : c.dim(` ${durationText((bead.endedAt ?? now) - bead.startedAt)}`);
    const what = bead.sha !== undefined ? c.dim(` ${shortSha(bead.sha)}`) : '';
    lines.push(
      `${indent}${paint(bead.status, `${marks[bead.status]} ${bead.id}`, c)}  ` +
        `${bead.status}${what}${time}${needs}  ${oneLine(bead.title, 60)}`,
    );
    const why = waiting.get(bead.id) ?? bead.reason;
    if (bead.status !== 'merged' && why !== undefined && why !== '')
      lines.push(`${indent}    ${c.dim(oneLine(why, 160))}`);
  }
  if (view.landing)
    lines.push(
      '',
      'landing: ' +
        view.landing.step +
        (view.landing.lastReason === undefined ? '' : `, ${oneLine(view.landing.lastReason, 200)}`),
    );
  return lines.join('\n');
}
