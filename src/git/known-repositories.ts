import { join } from 'node:path';
import { namesIn, textOf } from './files.js';
import { ownUrl } from './secure-mirror.js';

/** @returns the repositories that a folder of mirrors has copies of, with the place of each. */
export async function knownRepositories(mirrors: string): Promise<{ repo: string; mirror: string }[]> {
  const known: { repo: string; mirror: string }[] = [];
  for (const name of (await namesIn(mirrors)).sort()) {
    // What was set aside, or is being cloned, has a longer name.
    if (!/^[0-9a-f]{16}\.git$/.test(name)) continue;
    const mirror = join(mirrors, name);
    const repo = ownUrl(mirror, await textOf(join(mirror, 'config')));
    if (repo !== undefined) known.push({ repo, mirror });
  }
  return known;
}
