import { readFileSync, readdirSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const source = fileURLToPath(new URL('../../src', import.meta.url));

/** The room of a file below `src`: its folder, with the file of the same name beside it. */
const roomOf = (path: string): string => (path.split('/')[0] as string).replace(/\.\w+$/, '');

/** Which room imports which, and by which file. */
function arrows(): Map<string, Map<string, string>> {
  const found = new Map<string, Map<string, string>>();
  for (const entry of readdirSync(source, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !/\.tsx?$/.test(entry.name)) continue;
    const path = join(entry.parentPath, entry.name);
    for (const [, spec = ''] of readFileSync(path, 'utf8').matchAll(/\b(?:from|import)\s*\(?\s*'(\.[^']+)'/g)) {
      const [from, to] = [relative(source, path), relative(source, join(dirname(path), spec))];
      if (roomOf(from) === roomOf(to)) continue;
      const ways = found.get(roomOf(from)) ?? new Map<string, string>();
      found.set(roomOf(from), ways.set(roomOf(to), ways.get(roomOf(to)) ?? `${from} imports ${to}`));
    }
  }
  return found;
}

/** @returns the imports of a circle that begins and ends at a room, or undefined. */
function circle(from: string, all: Map<string, Map<string, string>>): string[] | undefined {
  const seen = new Set<string>();
  const walk = (room: string, way: string[]): string[] | undefined => {
    for (const [next, why] of all.get(room) ?? []) {
      if (next === from) return [...way, why];
      if (seen.has(next)) continue;
      seen.add(next);
      const found = walk(next, [...way, why]);
      if (found !== undefined) return found;
    }
    return undefined;
  };
  return walk(from, []);
}

it('no room of the house imports, by whatever way, a room that imports it', () => {
  const all = arrows();
  expect(all.size).toBeGreaterThan(15);
  expect([...all.keys()].map((room) => circle(room, all)).filter((found) => found !== undefined)).toEqual([]);
});
