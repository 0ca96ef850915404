import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { beginning } from '../../unit/support/verb-pages.js';

/** A command that a page tells its reader to type. */
export interface Documented {
  command: string;
  /** `docs/operators.md:42`. */
  at: string;
}

const shells = ['sh', 'bash', 'console'];
/** Code within a sentence that is a command, not a name. */
const command = /^(?:npx |npm |heartbead |source |docker |temporal )/;

/** Without what is made of the verbs themselves, and held against them by test/unit/cli/reference.test.ts. */
export const writtenPart = (page: string): string =>
  readFileSync(fileURLToPath(new URL(`../../../${page}`, import.meta.url)), 'utf8').split(beginning)[0] ?? '';

const read = (page: string): string[] => writtenPart(page).split('\n');

/** @returns the text without its comment, and without `npx`: it is the same program. */
const bare = (text: string): string =>
  text
    .trim()
    .replace(/\s{2,}#.*$/, '')
    .replace(/^\$ /, '')
    .replace(/^npx (?=heartbead)/, '');

/**
 * @returns every command of a page: the lines of its shell blocks, fenced or indented, and those within its sentences.
 */
export function commandsOf(page: string): Documented[] {
  const found: Documented[] = [];
  let fence: string | undefined;
  let continued = '';
  for (const [index, line] of read(page).entries()) {
    const at = `${page}:${index + 1}`;
    const edge = /^```(\w*)/.exec(line);
    if (edge !== null) fence = fence === undefined ? (edge[1] ?? '') : undefined;
    else if (fence === undefined ? /^ {4}/.test(line) : shells.includes(fence)) {
      const text = `${continued}${bare(line)}`;
      continued = text.endsWith('\\') ? `${text.slice(0, -1).trim()} ` : '';
      if (continued === '' && text !== '') found.push({ command: text, at });
    } else if (fence === undefined) {
      for (const [, span = ''] of line.matchAll(/`([^`]+)`/g))
        if (command.test(span)) found.push({ command: bare(span), at });
    }
  }
  return found;
}

/** @returns the fenced blocks of a kind, such as `yaml`, in order. */
export function blocksOf(page: string, kind: string): string[] {
  return [
    ...read(page)
      .join('\n')
      .matchAll(/^```(\w+)\n(.*?)^```$/gms),
  ]
    .filter(([, found]) => found === kind)
    .map(([, , text = '']) => text);
}

/** @returns the verbs with their options that a page describes in its headings: ``### `sling TITLE --repo URL …` ``. */
export const headingsOf = (page: string): string[] =>
  read(page)
    .filter((line) => /^### `/.test(line))
    .flatMap((line) => [...line.matchAll(/`([^`]+)`/g)].map(([, text = '']) => text));
