import { durationText } from '../../domain/words.js';
import type { Lane, LaneSpan } from './lane.js';
import { raceVerdict } from './verdict.js';

const size = { width: 900, left: 120, right: 20, bar: 22, gap: 6, lane: 148, top: 64 };
/** Real milliseconds flow into virtual ones; a picture that is made twice must be the same. */
const grain = 10_000;

const round = (at: number): number => Math.round(at / grain) * grain;
const escape = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

/** A class a status: its colour follows the reader's light or dark page. */
const classes: Record<string, string> = {
  open: 'bad',
  idle: 'bad',
  in_progress: 'good',
  working: 'good',
  starting: 'slow',
  alive: 'good',
  none: 'nothing',
  'no process': 'nothing',
};

const style = `
  text { font-family: sans-serif; font-size: 13px; fill: #1f2328; }
  .title { font-size: 17px; font-weight: bold; }
  .lane { font-size: 14px; font-weight: bold; }
  .small { font-size: 11px; fill: #59636e; }
  .in { font-size: 11px; fill: #ffffff; }
  .good { fill: #1a7f37; } .slow { fill: #0969da; } .bad { fill: #cf222e; } .nothing { fill: #afb8c1; }
  .axis { stroke: #d1d9e0; } .reset { stroke: #cf222e; stroke-width: 2; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; } .small { fill: #9198a1; } .in { fill: #ffffff; }
    .good { fill: #238636; } .slow { fill: #1f6feb; } .bad { fill: #da3633; } .nothing { fill: #484f58; }
    .axis { stroke: #3d444d; } .reset { stroke: #f85149; }
  }`;

/** @returns a picture of both lanes: the same lanes always give the same text. */
export function svg(lanes: readonly Lane[], coldStart: number, duration: number): string {
  const x = (at: number): number =>
    Math.round(size.left + (Math.min(at, duration) / duration) * (size.width - size.left - size.right));
  const height = size.top + lanes.length * size.lane + 30;
  const title = `A cold start of ${durationText(coldStart)}, ${durationText(duration)} of virtual time`;
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${size.width} ${height}" width="${size.width}" ` +
      `height="${height}" role="img" aria-label="${escape(title)}">`,
    `<title>${escape(title)}</title>`,
    `<style>${style}\n</style>`,
    `<text class="title" x="20" y="32">${escape(title)}</text>`,
  ];
  lanes.forEach((lane, index) => parts.push(...drawLane(lane, size.top + index * size.lane, x, duration)));
  const base = size.top + lanes.length * size.lane;
  const every = [1, 2, 5, 10, 30, 60, 120, 360, 720].find((step) => duration / 60_000 / step <= 12) ?? 1_440;
  for (let at = 0; at <= duration; at += every * 60_000) {
    parts.push(
      `<line class="axis" x1="${x(at)}" y1="${base}" x2="${x(at)}" y2="${base + 5}"/>`,
      `<text class="small" x="${x(at)}" y="${base + 19}" text-anchor="middle">${at / 60_000}</text>`,
    );
  }
  parts.push(`<text class="small" x="20" y="${base + 19}">minute</text>`, '</svg>', '');
  return parts.join('\n');
}

function drawLane(lane: Lane, top: number, x: (at: number) => number, duration: number): string[] {
  const bars = top + 34;
  const rows: [string, LaneSpan[]][] = [
    ['bead', lane.bead],
    ['agent (shown)', lane.agent],
    ['agent (in truth)', lane.process],
  ];
  const [name = '', verdict = ''] = raceVerdict(lane, duration).split(/: (.*)/s);
  const parts = [
    `<text class="lane" x="20" y="${top + 8}">${escape(name)}</text>`,
    `<text class="small" x="20" y="${top + 24}">${escape(verdict)}</text>`,
  ];
  rows.forEach(([label, spans], index) => {
    const y = bars + index * (size.bar + size.gap);
    parts.push(`<text class="small" x="20" y="${y + 15}">${escape(label)}</text>`);
    spans.forEach((span, at) => {
      const from = x(round(span.from));
      const to = x(round(spans[at + 1]?.from ?? duration));
      if (to <= from) return;
      parts.push(
        `<rect class="${classes[span.value] ?? 'nothing'}" x="${from}" y="${y}" width="${to - from}" ` +
          `height="${size.bar}"/>`,
      );
      // About 7 px a letter: a word that does not fit says nothing.
      if (to - from > span.value.length * 7 + 8)
        parts.push(`<text class="in" x="${from + 5}" y="${y + 15}">${escape(span.value)}</text>`);
    });
  });
  for (const reset of lane.resets) {
    const at = x(round(reset));
    parts.push(
      `<line class="reset" x1="${at}" y1="${bars - 3}" x2="${at}" y2="${bars + 3 * size.bar + 2 * size.gap + 3}"/>`,
    );
  }
  return parts;
}
