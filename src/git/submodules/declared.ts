import { repoProblem } from '../../contract/index.js';
import { GitError } from '../git-error.js';
import { openKeeper, throughKeeper } from '../keeper.js';
import { runGit } from '../run-git.js';
import type { GitPlace } from '../run-git.js';

/** A submodule of a commit, as its tree and its `.gitmodules` say. */
export interface Submodule {
  name: string;
  path: string;
  /** Absolute. */
  url: string;
  sha: string;
}

const doing = 'reading the submodules';

/** @returns path and commit of each repository that a commit's tree has within. */
async function linksOf(vault: string, commit: string, signal: AbortSignal | undefined): Promise<Map<string, string>> {
  const { stdout } = await runGit({ mirror: vault }, ['ls-tree', '-r', '-z', '--end-of-options', commit], {
    doing,
    signal,
  });
  const links = new Map<string, string>();
  for (const entry of stdout.split('\0')) {
    const [, sha, path] = /^160000 commit ([0-9a-f]+)\t(.*)$/s.exec(entry) ?? [];
    if (sha !== undefined && path !== undefined) links.set(path, sha);
  }
  return links;
}

/**
 * @returns what a commit's `.gitmodules` says: name to its settings. Never read as a file of a tree, which may be a
 * link.
 */
async function sectionsOf(
  place: GitPlace,
  commit: string,
  signal: AbortSignal | undefined,
): Promise<Map<string, Map<string, string>>> {
  const sections = new Map<string, Map<string, string>>();
  const { stdout, code } = await runGit(
    place,
    ['config', '--blob', `${commit}:.gitmodules`, '--no-includes', '-z', '--list'],
    { doing, signal, accept: [0, 1, 128] },
  );
  if (code !== 0) return sections;
  for (const entry of stdout.split('\0')) {
    const at = entry.indexOf('\n');
    const [, name, key] = /^submodule\.(.*)\.([a-z]+)$/s.exec(at < 0 ? entry : entry.slice(0, at)) ?? [];
    if (name === undefined || key === undefined || at < 0) continue;
    const section = sections.get(name) ?? new Map<string, string>();
    sections.set(name, section.set(key, entry.slice(at + 1)));
  }
  return sections;
}

/**
 * Tells where each submodule of a commit comes from. One that its own settings leave out (`update = none`) is left
 * out.
 * @param repo where the commit itself is from.
 * @throws GitError for what cannot be filled, or must not be.
 */
export async function declaredSubmodules(
  vault: string,
  commit: string,
  repo: string,
  signal?: AbortSignal,
): Promise<Submodule[]> {
  const links = await linksOf(vault, commit, signal);
  if (links.size === 0) return [];
  const sections = await sectionsOf({ mirror: vault }, commit, signal);
  const trusted = await landedUrls(vault, repo, signal);
  const found: Submodule[] = [];
  for (const [path, sha] of links) {
    const [name, section] = [...sections].find(([, settings]) => settings.get('path') === path) ?? [];
    // A repository that was added by accident: git itself can bring nothing there either.
    if (name === undefined || section === undefined || section.get('update') === 'none') continue;
    const refuse = (why: string): never => {
      throw new GitError(
        'bad_input',
        `the submodule ${JSON.stringify(path)} ${why}: mend .gitmodules, or leave it out of trees there ` +
          '(update = none)',
      );
    };
    if (/[\x00-\x1f\x7f]/.test(name) || name.split('/').includes('..')) refuse('has a name that is none');
    if (/[\x00-\x1f\x7f]/.test(path)) refuse('has a path with control characters');
    const given = section.get('url');
    if (given === undefined || given === '') refuse('has no URL in .gitmodules');
    const url = absoluteUrl(repo, given ?? '');
    if (url === undefined) refuse(`has a URL that leads out of ${repo}: ${JSON.stringify(given)}`);
    const problem = repoProblem(url);
    if (problem !== undefined) refuse(`cannot be fetched (${problem})`);
    if (isLocal(url ?? '') && !isLocal(repo))
      refuse(`is to come from a folder of this machine (${JSON.stringify(given)}), which its repository is not in`);
    if (!trusted.has(url ?? '') && hostOf(url ?? '') !== hostOf(repo))
      refuse(
        `is to come from ${hostOf(url ?? '')}, which is not where its repository is; only what has landed on ` +
          'the default branch may name another place',
      );
    found.push({ name, path, url: url ?? '', sha });
  }
  return found;
}

/** What the default branch has was looked at by those who let it land. */
async function landedUrls(vault: string, repo: string, signal: AbortSignal | undefined): Promise<Set<string>> {
  const sections = await sectionsOf({ mirror: vault }, 'refs/remotes/origin/HEAD', signal);
  return new Set([...sections.values()].flatMap((section) => absoluteUrl(repo, section.get('url') ?? '') ?? []));
}

const isLocal = (url: string): boolean => /^(?:\/|\.|file:)/i.test(url);

const hostOf = (url: string): string =>
  isLocal(url)
    ? 'this machine'
    : (/^[a-z+]+:\/\/(?:[^/@]*@)?([^/:]+)/i.exec(url)?.[1] ?? /^[^@]*@([^:]+):/.exec(url)?.[1] ?? url).toLowerCase();

/** Like git: a relative URL is one beside that of the repository. @returns undefined when it leads too far up. */
export function absoluteUrl(repo: string, url: string): string | undefined {
  if (!/^\.\.?\//.test(url)) return url;
  let base = repo.replace(/\/+$/, '');
  let rest = url;
  let joint = '/';
  for (;;) {
    if (rest.startsWith('./')) rest = rest.slice(2);
    else if (rest.startsWith('../')) {
      rest = rest.slice(3);
      const cut = Math.max(base.lastIndexOf('/'), /^[a-z+]+:\/\//i.test(base) ? -1 : base.lastIndexOf(':'));
      if (cut < 0 || joint === ':' || /^[a-z+]+:\/\/?$/i.test(base.slice(0, cut + 1))) return undefined;
      joint = base[cut] ?? '/';
      base = base.slice(0, cut);
    } else break;
  }
  return rest === '' ? undefined : `${base}${joint}${rest.replace(/\/+$/, '')}`;
}

/** Repositories within that the commits of a worktree add or move. */
export interface MovedWithin {
  /** Those that `.gitmodules` says nothing of: nobody else could fill such a folder, and no file of it is there. */
  undeclared: string[];
  declared: string[];
}

/** @returns what the commits from one to another do to repositories within. @throws GitError */
export async function movedWithin(worktree: string, from: string, to: string): Promise<MovedWithin> {
  const place = throughKeeper(await openKeeper(worktree));
  const { stdout } = await runGit(
    place,
    ['diff-tree', '-r', '-z', '--raw', '--no-renames', '--end-of-options', from, to],
    { doing },
  );
  // `:old-mode new-mode old-id new-id letter`, then the path.
  const fields = stdout.split('\0');
  const moved = fields.flatMap((field, at) => {
    const [, old] = /^:(\d+) 160000 /.exec(field) ?? [];
    return old === undefined ? [] : [{ path: fields[at + 1] ?? '', added: old !== '160000' }];
  });
  if (moved.length === 0) return { undeclared: [], declared: [] };
  const sections = [...(await sectionsOf(place, to, undefined)).values()];
  const isDeclared = ({ path }: { path: string }): boolean =>
    sections.some((section) => section.get('path') === path && (section.get('url') ?? '') !== '');
  return {
    undeclared: moved.filter((one) => one.added && !isDeclared(one)).map(({ path }) => path),
    declared: moved.filter(isDeclared).map(({ path }) => path),
  };
}
