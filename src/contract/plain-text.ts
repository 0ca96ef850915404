/**
 * What an agent says may hold anything: colours, a bell, an order to a terminal to write the clipboard, characters that
 * turn the direction of reading. One cleaner for every place that shows it. Plain code, since workflows use it too.
 * @module
 */

/** Orders to a terminal: CSI, then OSC, DCS, SOS, PM and APC up to their end (or, without one, of the text). */
const sequences =
  /\x1b\[[0-?]*[ -/]*[@-~]|\x9b[0-?]*[ -/]*[@-~]|(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c|$)/g;
const colour = /^\x1b\[[0-9;:]*m$/;
/**
 * What deceives a reader without being seen, as the source of a regular expression with the flag `u`: line and
 * paragraph separators, everything that turns a direction (all of `Bidi_Control`), what takes no room, fillers that
 * look like nothing, and tags, which are letters nobody sees. Both joiners stay, since scripts and emoji are written
 * with them. Those that combine with what stands before them are no members of the class.
 */
export const unseen =
  '(?:[\\u00ad\\u061c\\u115f\\u1160\\u180e\\u200b\\u200e\\u200f\\u2028-\\u202e\\u2060-\\u206f\\u3164\\ufeff\\uffa0' +
  '\\ufff9-\\ufffb\\u{1bca0}-\\u{1bca3}\\u{1d173}-\\u{1d17a}\\u{e0000}-\\u{e007f}]|\\u034f|\\u17b4|\\u17b5)';
/** C0, DEL and C1 as well. */
const runsOfControls = new RegExp(`(?:[\\x00-\\x1f\\x7f-\\x9f]|${unseen})+`, 'gu');
/** The same but for the tab, and for the escape of colours that were kept. */
const besideColours = new RegExp(
  `(?:[\\x00-\\x08\\x0a-\\x1a\\x1c-\\x1f\\x7f-\\x9f]|${unseen})+|\\x1b(?!\\[[0-9;:]*m)`,
  'gu',
);
const besideAscii = new RegExp(`[\\x7f-\\x9f]|${unseen}`, 'gu');

/** @returns the text as it may stand on one line: no orders to a terminal; controls and line breaks become spaces. */
export const plainLine = (text: string): string => text.replace(sequences, '').replace(runsOfControls, ' ').trim();

/** @returns a line of output as a terminal may get it: its colours, which end with it, and nothing else but text. */
export function colouredLine(line: string): string {
  const kept = line
    .replace(sequences, (found) => (colour.test(found) ? found : ''))
    .replace(besideColours, ' ')
    .trimEnd();
  return kept.includes('\x1b') ? `${kept}\x1b[0m` : kept;
}

/** @returns JSON that means the same, and orders a terminal nothing: what JSON leaves as it is, but we do not. */
export const escapedJson = (json: string): string => json.replace(besideAscii, escapedUnits);

/** JSON writes a character beyond the first plane as two units. */
const escapedUnits = (one: string): string =>
  Array.from({ length: one.length }, (_, at) => `\\u${one.charCodeAt(at).toString(16).padStart(4, '0')}`).join('');

/** @returns the text for a panel of Markdown: words, neither links nor emphasis nor markup, on one line. */
export const markdownText = (text: string): string => plainLine(text).replace(/[\\`*_[\]<>|~]/g, '\\$&');

/**
 * @returns what is wrong with a text that goes to programs, or undefined: no program takes a NUL among its arguments.
 */
export const nulProblem = (text: string, what: string): string | undefined =>
  text.includes('\0') ? `${what} cannot hold a NUL character` : undefined;
