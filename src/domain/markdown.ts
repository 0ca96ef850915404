/** What the live panels of the Web UI are made of. @module */

import { markdownText } from '../contract/index.js';

/**
 * The server takes at most 20,000 bytes of details; three quarters of that many characters leave room for those of two
 * bytes.
 */
const panelChars = 15_000;

/** Instants, not durations: a panel is written on change and read later. */
export const instant = (at: number): string => new Date(at).toISOString().replace('.000Z', 'Z');

/** @returns a text of ours, with its markup, that does not break a table. */
export const cell = (text: string): string => text.replace(/(?<!\\)\||[\n\r]+/g, ' ');

/** @returns a table, or no line at all when it has no rows. */
export function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  if (rows.length === 0) return [];
  return [
    `| ${head.join(' | ')} |`,
    `|${head.map(() => '---').join('|')}|`,
    ...rows.map((row) => `| ${row.map(cell).join(' | ')} |`),
  ];
}

/** Lines of a story that a panel ends with. */
const storyShown = 8;

/** @returns a panel: its own lines, and the end of the story. What does not fit is cut off. */
export const panelOf = (lines: readonly string[], story: readonly { at: number; text: string }[]): string =>
  [
    ...lines,
    '',
    '**Story**',
    '',
    ...story.slice(-storyShown).map((line) => `- ${instant(line.at)} ${markdownText(line.text)}`),
  ]
    .join('\n')
    .slice(0, panelChars);
