import { rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import writeFileAtomic from 'write-file-atomic';
import { exists, namesIn, textOf } from './files.js';
import { contentsOf } from './lfs/place.js';
import { tellMirrorNews } from './mirror-news.js';
import { mirrorPath } from './mirror-path.js';
import { runGit } from './run-git.js';

/**
 * The remote's branches as remote-tracking refs: `refs/heads` of the mirror belongs to those who work in its worktrees,
 * and a fetch must not move it under them.
 */
export const trackedBranches = '+refs/heads/*:refs/remotes/origin/*';

/** What steers git beside a configuration and hooks. A mirror of ours has none of it. */
const foreignFiles = ['config.worktree', 'info/attributes', 'info/exclude', 'info/grafts', 'commondir'];

/**
 * Makes everything in a mirror that steers git what we have written ourselves, before it is used: the whole
 * configuration, and no hooks, attributes, excludes, grafts or replace refs. Git is not asked for what it is about to
 * be protected from (nor could it answer, with a configuration that it cannot read). What was found is told.
 * @param repo the repository; when absent, the URL that the mirror has is kept if it is the one that the mirror is
 * named after.
 */
export async function secureMirror(mirror: string, repo?: string): Promise<void> {
  if (!(await exists(join(mirror, 'objects')))) return;
  const found: string[] = [];
  // Side by side: each use of a mirror comes by here, and nearly always nothing is wrong.
  const [before, format, foreign, hooks, replaced] = await Promise.all([
    textOf(join(mirror, 'config')),
    formatLines(mirror),
    Promise.all(foreignFiles.map((name) => exists(join(mirror, name)))),
    namesIn(join(mirror, 'hooks')),
    mayReplace(mirror),
  ]);
  const wanted = configurationOf(mirror, repo ?? ownUrl(mirror, before), format);
  if (before !== wanted) {
    found.push(...foreignLines(before, wanted));
    // A folder, or anything else that is no file, would not give way to one.
    if (before === '') await rm(join(mirror, 'config'), { recursive: true, force: true });
    await writeFileAtomic(join(mirror, 'config'), wanted, { mode: 0o600 });
  }
  for (const name of foreignFiles.filter((_, n) => foreign[n])) {
    await rm(join(mirror, name), { recursive: true, force: true });
    found.push(name);
  }
  for (const name of hooks) {
    await rm(join(mirror, 'hooks', name), { recursive: true, force: true });
    if (!name.endsWith('.sample')) found.push(`hooks/${name}`);
  }
  if (replaced) found.push(...(await removeReplaceRefs(mirror)));
  if (found.length > 0)
    await tellMirrorNews(
      mirror,
      'somebody who works in a worktree of this mirror had changed what steers git there, and it was put ' +
        `back: ${found.slice(0, 20).join('; ').slice(0, 1_000)}`,
    );
}

/**
 * `origin` is there for the `git fetch` and `git push` of those who work in its worktrees. Nothing is ever collected: a
 * wip commit that was fetched by its id, or whose ref has moved on, may have no ref, and a worktree's folder may be
 * away for a while; what accumulates is packed (`pack-mirror.ts`) without dropping anything.
 */
function configurationOf(mirror: string, repo: string | undefined, { version, disk, extensions }: FormatLines): string {
  return [
    '# Written by Heartbead before each use: what is changed here is lost.',
    '[core]',
    version,
    '\tfilemode = true',
    '\tbare = true',
    // A push from an attempt's repository is not to be judged, whatever the user's configuration says.
    '\thooksPath = /dev/null',
    ...disk,
    ...extensions,
    '[gc]',
    '\tauto = 0',
    '\tpruneexpire = never',
    '\tworktreepruneexpire = never',
    '[maintenance]',
    '\tauto = false',
    '[receive]',
    '\tautogc = false',
    '\tfsckobjects = false',
    '\tdenycurrentbranch = ignore',
    '[lfs]',
    `\tstorage = ${configText(contentsOf(mirror))}`,
    ...(repo === undefined ? [] : ['[remote "origin"]', `\turl = ${configText(repo)}`, `\tfetch = ${trackedBranches}`]),
    '',
  ].join('\n');
}

/** Lines of a repository's configuration that follow from what it is, not from what is wanted. */
export interface FormatLines {
  /** In `[core]`. */
  version: string;
  /** In `[core]`: what `git init` finds out by trying, on the disks of a Mac above all. */
  disk: string[];
  /** A section of its own. */
  extensions: string[];
}

/** @returns the lines for a mirror, or for a repository beside it that borrows its objects. */
export async function formatLines(mirror: string): Promise<FormatLines> {
  const [format, ignoresCase] = await Promise.all([objectFormat(mirror), exists(join(mirror, 'CoNfIg'))]);
  const sha256 = format === 'sha256';
  return {
    version: `\trepositoryformatversion = ${sha256 ? 1 : 0}`,
    disk: [
      ...(ignoresCase ? ['\tignorecase = true'] : []),
      ...(process.platform === 'darwin' ? ['\tprecomposeunicode = true'] : []),
    ],
    extensions: sha256 ? ['[extensions]', '\tobjectformat = sha256'] : [],
  };
}

export const configText = (value: string): string => `"${value.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;

/** By the names of packs and loose objects, which only the format decides. */
export async function objectFormat(mirror: string): Promise<'sha1' | 'sha256'> {
  for (const name of await namesIn(join(mirror, 'objects', 'pack'))) {
    const [, id] = /^pack-([0-9a-f]+)\.pack$/.exec(name) ?? [];
    if (id !== undefined) return id.length === 64 ? 'sha256' : 'sha1';
  }
  for (const folder of await namesIn(join(mirror, 'objects')))
    if (/^[0-9a-f]{2}$/.test(folder))
      for (const name of await namesIn(join(mirror, 'objects', folder)))
        if (/^[0-9a-f]+$/.test(name)) return name.length === 62 ? 'sha256' : 'sha1';
  // A clone without any object is a new one: git has just written what it is to be.
  return /objectformat = sha256/i.test(await textOf(join(mirror, 'config'))) ? 'sha256' : 'sha1';
}

/** A mirror's name is a hash of its repository's URL, so that another URL cannot pass for it. */
export function ownUrl(mirror: string, config: string): string | undefined {
  const [, given] = /^\turl = "(.*)"$/m.exec(config) ?? [];
  const url = given?.replaceAll(/\\(.)/g, '$1');
  if (url === undefined || url === '') return undefined;
  try {
    return mirrorPath(dirname(mirror), url) === mirror ? url : undefined;
  } catch {
    // Not even a URL that is allowed.
    return undefined;
  }
}

/** @returns the lines that are not ours; none for what git itself, or an earlier version of Heartbead, has written. */
function foreignLines(before: string, wanted: string): string[] {
  const known = new Set(wanted.split('\n').map((line) => line.trim()));
  const plain =
    /^(?:\[(?:core|gc|maintenance|extensions|remote "origin")\]|repositoryformatversion = [01]|(?:filemode|bare|ignorecase|precomposeunicode) = (?:true|false)|auto = (?:0|false)|(?:worktree)?pruneexpire = never|objectformat = \w+|url = .*|fetch = \+refs\/heads\/\*:refs\/remotes\/origin\/\*|)$/i;
  return before
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => !known.has(line) && !plain.test(line))
    .map((line) => `config: ${line}`);
}

/** @returns whether there are replace refs, or what looks like such. */
async function mayReplace(mirror: string): Promise<boolean> {
  const [packed, loose] = await Promise.all([
    textOf(join(mirror, 'packed-refs')),
    exists(join(mirror, 'refs', 'replace')),
  ]);
  return loose || packed.includes(' refs/replace/');
}

async function removeReplaceRefs(mirror: string): Promise<string[]> {
  const doing = 'removing replace refs';
  const { stdout } = await runGit({ mirror }, ['for-each-ref', '--format=%(refname)', 'refs/replace'], { doing });
  const refs = stdout.split('\n').filter((ref) => ref !== '');
  await runGit({ mirror }, ['update-ref', '--stdin'], {
    doing,
    input: refs.map((ref) => `delete ${ref}\n`).join(''),
  });
  // What is no ref, or cannot be read as one.
  await rm(join(mirror, 'refs', 'replace'), { recursive: true, force: true });
  return refs;
}
