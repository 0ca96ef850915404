import { appendFile, readFile, stat, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { namesIn } from './files.js';

/** Something about a mirror that an operator should know: nobody waits for an answer that could tell it. */
export interface MirrorNews {
  /** Milliseconds since 1970. */
  at: number;
  /** Name of the mirror's folder. */
  mirror: string;
  what: string;
}

/** Half of the lines go when the file is larger. */
const sizeLimit = 64 * 1024;
const suffix = '.news';

const listeners = new Set<(news: MirrorNews) => void>();

/** @param listener hears what this process finds out about mirrors, such as the worker's log. @returns its end. */
export function onMirrorNews(listener: (news: MirrorNews) => void): () => void {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}

/** Tells this process, and keeps it for `heartbead doctor` in a file beside the mirror (not in it). */
export async function tellMirrorNews(mirror: string, what: string): Promise<void> {
  const news: MirrorNews = { at: Date.now(), mirror: basename(mirror), what };
  for (const listener of listeners) listener(news);
  const file = `${mirror}${suffix}`;
  await appendFile(file, `${JSON.stringify(news)}\n`, { mode: 0o600 });
  if ((await stat(file)).size <= sizeLimit) return;
  const lines = (await readFile(file, 'utf8')).trimEnd().split('\n');
  await writeFile(file, `${lines.slice(lines.length / 2).join('\n')}\n`, { mode: 0o600 });
}

/** @param root the folder of the mirrors. @returns what was told of them, oldest first. */
export async function readMirrorNews(root: string): Promise<MirrorNews[]> {
  const all: MirrorNews[] = [];
  for (const name of await namesIn(root)) {
    if (!name.endsWith(suffix)) continue;
    for (const line of (await readFile(join(root, name), 'utf8')).split('\n')) {
      const news = parsed(line);
      if (news !== undefined) all.push(news);
    }
  }
  return all.sort((a, b) => a.at - b.at);
}

function parsed(line: string): MirrorNews | undefined {
  try {
    const { at, mirror, what } = JSON.parse(line) as Partial<MirrorNews>;
    return typeof at === 'number' && typeof mirror === 'string' && typeof what === 'string'
      ? { at, mirror, what }
      : undefined;
  } catch {
    // The last line of a full disk, or of a process that was killed while it wrote.
    return undefined;
  }
}
