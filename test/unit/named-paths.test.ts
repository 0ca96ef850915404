import { readFileSync, readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const rooms = ['src', 'test', 'docs', 'scripts', 'bin', 'examples'];

const entries = (folder: string, recursive: boolean): string[] =>
  readdirSync(join(root, folder), { recursive, withFileTypes: true }).map((entry) =>
    relative(root, join(entry.parentPath, entry.name)),
  );
const present = entries('.', false);
const paths = [...present, ...rooms.filter((room) => present.includes(room)).flatMap((room) => entries(room, true))];

/** What a comment or a page gives as an example of somebody else's file. */
const examples = new Set(['src/a.ts', 'domain/budgets.ts', 'src/domain/budgets.ts']);

/**
 * @returns whether a path, or what is left of one (`bead/accounts.ts`, `why-not.ts`, `domain/rig*`), names something.
 */
function names(path: string): boolean {
  if (!path.includes('*')) return paths.some((one) => one === path || one.endsWith(`/${path}`));
  const pattern = new RegExp(`(^|/)${path.replace(/[.+]/g, '\\$&').replaceAll('*', '[^/]*')}$`);
  return paths.some((one) => pattern.test(one));
}

const comments = (source: string): string =>
  [...source.matchAll(/\/\*[\s\S]*?\*\/|(?<=^|\s)\/\/[^\n]*/g)].map(([comment]) => comment).join('\n');

/** Paths in a text: between backticks by their ending, and without them from the name of a room on. */
const named = (text: string): string[] =>
  [
    ...text.matchAll(/`([\w@./*-]+\.(?:tsx?|m?ts|mjs|md))`|(?<![\w./-])((?:src|test|docs|scripts)\/[\w./*-]*[\w*])/g),
  ].map(([, quoted, plain]) => quoted ?? plain ?? '');

it('every path that a comment or a page names is there', () => {
  const wrong: string[] = [];
  for (const file of paths.filter((one) => /\.(tsx?|mts|mjs|md)$/.test(one))) {
    const text = readFileSync(join(root, file), 'utf8');
    for (const path of named(file.endsWith('.md') ? text : comments(text)))
      if (!examples.has(path) && !names(path)) wrong.push(`${file} names ${path}`);
  }
  expect(wrong).toEqual([]);
});

it('finds a wrong path in a comment and on a page', () => {
  expect(named(comments('const a = 1; // decided in `domain/budgets.ts`, see src/domain/budgets.ts'))).toEqual([
    'domain/budgets.ts',
    'src/domain/budgets.ts',
  ]);
  expect(names('domain/budgets.ts')).toBe(false);
  expect(names('domain/bead/accounts.ts')).toBe(true);
  expect(names('accounts.ts')).toBe(true);
  expect(names('src/domain/rig*')).toBe(true);
});
