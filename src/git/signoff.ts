import { usualRefPrefix } from '../contract/index.js';
import { throughKeeper, openKeeper } from './keeper.js';
import { runGit } from './run-git.js';

/** The trailer by which an author says that the work may be given (the Developer Certificate of Origin). */
const signoffTrailer = 'Signed-off-by';

/** @returns the line by which a commit made with this environment is signed off, in the name of its committer. */
export const signoffOf = ({ GIT_COMMITTER_NAME: name, GIT_COMMITTER_EMAIL: email }: Record<string, string>): string =>
  `${signoffTrailer}: ${name ?? ''} <${email ?? ''}>`;

/**
 * @param from what the work began with; `to` the newest of its commits.
 * @returns the commits of the work without a sign-off, oldest first, and what they can be rebased on. Merges need none,
 * as for those who check it, and what others have pushed to the remote's branches is not the agent's to sign.
 * @throws GitError
 */
export async function notSignedOff(
  worktree: string,
  { from, to, refPrefix = usualRefPrefix }: { from: string; to: string; refPrefix?: string | undefined },
  signal?: AbortSignal,
): Promise<{ commits: string[]; onto: string }> {
  const keeper = await openKeeper(worktree);
  const doing = 'looking for sign-offs';
  // What earlier attempts have pushed is work of this bead, and is looked at.
  const { stdout: refs } = await runGit(
    { mirror: keeper.vault },
    ['for-each-ref', '--format=%(objectname) %(refname:lstrip=3)', 'refs/remotes/origin/'],
    { doing, signal },
  );
  const others = refs
    .split('\n')
    .map((line) => line.split(' '))
    .filter(([sha = '', branch = '']) => sha !== '' && !branch.startsWith(`${refPrefix}/`))
    .map(([sha = '']) => `^${sha}`);
  const format = `--format=%H %(trailers:key=${signoffTrailer},valueonly,separator=%x2C)`;
  const task = { doing, signal, input: `${[to, `^${from}`, ...others].join('\n')}\n` };
  const place = throughKeeper(keeper);
  const options = ['--reverse', '--no-merges', '--no-show-signature'];
  const { stdout } = await runGit(place, ['log', ...options, format, '--stdin'], task);
  const commits = stdout
    .split('\n')
    .filter((line) => /^[0-9a-f]+ *$/.test(line))
    .map((line) => line.trim());
  if (commits.length === 0) return { commits, onto: from };
  // Where the target was merged in meanwhile, the newest that came from there: what lies below is others'.
  const { stdout: edge } = await runGit(place, ['rev-list', '--boundary', '--stdin'], task);
  const below = edge.split('\n').filter((line) => line.startsWith('-'));
  const { stdout: newest } = await runGit(
    place,
    ['rev-list', '--topo-order', '--max-count=1', from, ...below.map((line) => line.slice(1))],
    { doing, signal },
  );
  return { commits, onto: newest.trim() };
}
