import type { MergeStrategy } from '../../contract/index.js';
import { commitOf, isAncestor, lostBase, mergeBase, treeOf } from '../commits.js';
import { GitError } from '../git-error.js';
import { runGit } from '../run-git.js';
import { signoffOf } from '../signoff.js';
import { refineryIdentity } from './identity.js';
import { mergeMessage, squashMessage, withTrailers } from './merge-record.js';
import type { SquashedCommit } from './merge-record.js';
import type { MergeItem, Signing } from './types.js';

/** The strategies that make a commit of their own. */
export type LocalStrategy = Exclude<MergeStrategy, 'branch-only' | 'pr'>;

export type Made =
  /** HEAD of the scratch tree is the commit to push: a descendant of the target's. */
  | { kind: 'made'; sha: string }
  /** The target has all changes of the branch already. */
  | { kind: 'nothing' }
  /** The two have no commit in common, or the target has lost the one that the work builds on. */
  | { kind: 'unrelated'; lost?: string | undefined }
  | { kind: 'conflict'; paths: string[] };

export interface Making {
  /** A fresh scratch tree, HEAD at the target's commit. */
  scratch: string;
  target: string;
  item: MergeItem;
  strategy: LocalStrategy;
  sign?: Signing | undefined;
  /** Whether a `Signed-off-by` of the refinery's identity stands in its message. */
  signoff?: boolean | undefined;
  signal?: AbortSignal | undefined;
}

/** History keeps the paths; a person reads the first few. */
const pathsKept = 100;

/**
 * Held against what agents and users may have configured: a resolution remembered for somebody else must not be taken
 * over, and above all no ref in the mirror may be moved along (`rebase.updateRefs` would move agents' branches).
 */
const plain = [
  'rerere.enabled=false',
  'merge.verifySignatures=false',
  'merge.autoStash=false',
  'rebase.autoStash=false',
  'rebase.autoSquash=false',
  'rebase.updateRefs=false',
  'rebase.rebaseMerges=false',
  'rebase.forkPoint=false',
  'rebase.missingCommitsCheck=ignore',
  'log.showSignature=false',
].flatMap((setting) => ['-c', setting]);

/**
 * Merges the branch's commit into the target's in the scratch tree. Commits are made without hooks and editors,
 * and signed only by the key that was given. @throws GitError
 */
export async function makeMerge(making: Making): Promise<Made> {
  const { scratch, target, item, strategy, signal } = making;
  const identity = await refineryIdentity(signal);
  // Git itself refuses some of these and replays others as if they were changes: what lands then is not what was seen.
  if ((await mergeBase({ worktree: scratch }, target, item.sha, signal)) === undefined) return { kind: 'unrelated' };
  const lost = await lostBase({ worktree: scratch }, { began: item.began, tip: item.sha, now: target }, signal);
  if (lost !== undefined) return { kind: 'unrelated', lost };
  switch (strategy) {
    case 'merge':
      return (
        (await mergedInto(making, identity)) ?? {
          kind: 'made',
          sha: await commit(making, {
            message: mergeMessage(item, signoffBy(making, identity)),
            parents: [target, item.sha],
            env: identity,
          }),
        }
      );
    case 'squash':
      return squash(making, identity);
    case 'rebase': {
      const place = { worktree: scratch };
      const { stdout } = await runGit(
        place,
        ['rev-list', '--merges', '--count', '--end-of-options', item.sha, `^${target}`],
        { doing: 'looking at the branch', signal },
      );
      // What was resolved in a merge (as rework does) would come up again, or get lost, if its commits were replayed
      // one by one. Landed as one, the line stays straight.
      if (stdout.trim() !== '0') return squash(making, identity);
      // What an agent has committed bears no signature of ours, so it is committed anew.
      if (making.sign !== undefined || !(await isAncestor(place, target, item.sha, signal)))
        return rebase(making, identity);
      await runGit(place, ['reset', '--quiet', '--hard', item.sha], { doing: 'going on to the branch', signal });
      return { kind: 'made', sha: item.sha };
    }
  }
}

/** Merges in index and files only (git wants an identity all the same). @returns the conflict, when there is one. */
async function mergedInto({ scratch, item, signal }: Making, env: Record<string, string>): Promise<Made | undefined> {
  const place = { worktree: scratch };
  const doing = `merging ${item.branch} into ${item.target}`;
  const { code, stdout, stderr } = await runGit(
    place,
    [...plain, 'merge', '--quiet', '--no-commit', '--no-ff', '--no-stat', '--end-of-options', item.sha],
    { doing, signal, env, accept: [0, 1] },
  );
  return code === 0 ? undefined : conflict(scratch, doing, `${stdout}\n${stderr}`, signal);
}

async function squash(given: Making, identity: Record<string, string>): Promise<Made> {
  const { scratch, target, item, signal } = given;
  const place = { worktree: scratch };
  const found = await mergedInto(given, identity);
  if (found !== undefined) return found;
  const doing = 'reading the commits of the branch';
  if ((await writeTree(scratch, signal)) === (await treeOf(place, target, signal))) return { kind: 'nothing' };
  const format = '--format=%an <%ae>%x1f%s%x1f%(trailers:only,unfold)%x1f%b%x1e';
  const { stdout } = await runGit(
    place,
    [
      ...plain,
      'log',
      '--reverse',
      '--no-merges',
      '--no-use-mailmap',
      format,
      '--end-of-options',
      item.sha,
      `^${target}`,
    ],
    { doing, signal },
  );
  // The work stays its author's.
  const author = await authorOf(scratch, item.sha, signal);
  const { GIT_AUTHOR_NAME: name, GIT_AUTHOR_EMAIL: email } = author;
  const message = squashMessage(item, squashedCommits(stdout), {
    author: name === undefined ? undefined : `${name} <${email ?? ''}>`,
    signoff: signoffBy(given, identity),
  });
  return { kind: 'made', sha: await commit(given, { message, parents: [target], env: { ...identity, ...author } }) };
}

const signoffBy = ({ signoff }: Making, identity: Record<string, string>): string | undefined =>
  signoff === true ? signoffOf(identity) : undefined;

/** Reads records of `author, subject, trailers, body`. */
function squashedCommits(log: string): SquashedCommit[] {
  return log
    .split('\x1e')
    .map((record) => record.replace(/^\n/, '').split('\x1f'))
    .filter(([author]) => author !== undefined && author !== '')
    .map(([author = '', subject = '', trailerText = '', body = '']) => {
      const trailers = trailerText.split('\n').filter((line) => line.trim() !== '');
      return { author, subject, trailers, body: withoutTrailers(body.trim(), trailers) };
    });
}

/** Trailers are lines of the last paragraph; what else stands there stays. */
function withoutTrailers(body: string, trailers: readonly string[]): string {
  if (trailers.length === 0) return body;
  const paragraphs = body.split(/\n{2,}/);
  const last = (paragraphs.pop() ?? '').split('\n').filter((line) => !/^[\w-]+\s*:\s|^\s/.test(line));
  return [...paragraphs, ...(last.length > 0 ? [last.join('\n')] : [])].join('\n\n').trim();
}

async function rebase(given: Making, identity: Record<string, string>): Promise<Made> {
  const { scratch, target, item, sign, signal } = given;
  const place = { worktree: scratch };
  const doing = `rebasing ${item.branch} onto ${item.target}`;
  await runGit(place, ['reset', '--quiet', '--hard', item.sha], { doing, signal });
  // Each commit keeps its author; the committer is the refinery's identity.
  const env = { ...identity, GIT_EDITOR: ':', GIT_SEQUENCE_EDITOR: ':' };
  const { code, stdout, stderr } = await runGit(
    place,
    [
      ...plain,
      ...formatOf(sign),
      'rebase',
      '--quiet',
      '--merge',
      '--no-stat',
      '--empty=drop',
      ...(sign === undefined ? ['--no-gpg-sign'] : ['--force-rebase', `--gpg-sign=${sign.key}`]),
      '--end-of-options',
      target,
    ],
    { doing, signal, env, accept: [0, 1, ...(sign === undefined ? [] : [128])] },
  );
  if (sign !== undefined && code !== 0 && signatureFailed(stderr)) throw unsigned(sign, stderr);
  if (code !== 0) return conflict(scratch, doing, `${stdout}\n${stderr}`, signal);
  const tip = await commitOf(place, 'HEAD', signal);
  if (tip === undefined)
    throw new GitError('other', `git left no commit at HEAD while ${doing}: look at the log of git in ${scratch}`);
  if (tip === target) return { kind: 'nothing' };
  const { stdout: message } = await runGit(place, [...plain, 'log', '-1', '--format=%B', '--end-of-options', tip], {
    doing,
    signal,
  });
  const [parent = target] = (
    await runGit(place, ['rev-parse', '--verify', '--end-of-options', `${tip}^`], { doing, signal })
  ).stdout.split('\n');
  const recorded = await withTrailers(place, message, item, { signoff: signoffBy(given, identity), signal });
  return {
    kind: 'made',
    sha: await commit(given, {
      message: recorded,
      parents: [parent],
      env: { ...identity, ...(await authorOf(scratch, tip, signal)) },
    }),
  };
}

/** Git's status 1 means conflict only when there are paths in conflict; otherwise it is an error like any other. */
async function conflict(scratch: string, doing: string, said: string, signal: AbortSignal | undefined): Promise<Made> {
  const { stdout } = await runGit({ worktree: scratch }, ['ls-files', '--unmerged', '-z'], { doing, signal });
  // Up to three stages of each path: `mode id stage<TAB>path`.
  const paths = new Set(
    stdout
      .split('\0')
      .filter((entry) => entry !== '')
      .map((entry) => entry.slice(entry.indexOf('\t') + 1)),
  );
  if (paths.size > 0) return { kind: 'conflict', paths: [...paths].slice(0, pathsKept) };
  const last = said.trim().split('\n').at(-1) ?? '';
  throw new GitError(
    'other',
    `git failed while ${doing}, without naming a conflict (${last === '' ? 'it gave no reason' : last}): try ` +
      'the same by hand to see more',
    said,
  );
}

const writeTree = async (scratch: string, signal: AbortSignal | undefined): Promise<string> =>
  (await runGit({ worktree: scratch }, ['write-tree'], { doing: 'writing the merged tree', signal })).stdout.trim();

/**
 * Makes the commit of what is in the index, by plumbing: no hook, template or clean-up changes its message. HEAD goes
 * there; the files stay.
 */
async function commit(
  { scratch, sign, signal }: Making,
  { message, parents, env }: { message: string; parents: string[]; env: Record<string, string> },
): Promise<string> {
  const place = { worktree: scratch };
  const doing = 'committing the merge';
  const args = [
    ...formatOf(sign),
    'commit-tree',
    sign === undefined ? '--no-gpg-sign' : `-S${sign.key}`,
    ...parents.flatMap((parent) => ['-p', parent]),
    await writeTree(scratch, signal),
  ];
  const { code, stdout, stderr } = await runGit(place, args, {
    doing,
    signal,
    env,
    input: message,
    accept: sign === undefined ? [0] : [0, 1, 128],
  });
  if (sign !== undefined && code !== 0) throw unsigned(sign, stderr);
  const sha = stdout.trim();
  await runGit(place, ['reset', '--quiet', '--hard', sha], { doing, signal });
  return sha;
}

const formatOf = (sign: Signing | undefined): string[] =>
  sign === undefined ? [] : ['-c', `gpg.format=${sign.format}`];

const signatureFailed = (stderr: string): boolean =>
  /failed to sign|failed to write commit object|Couldn't (?:load|sign)|No private key|signing/i.test(stderr);

/** What is to be signed does not land without. */
function unsigned({ format, key }: Signing, stderr: string): GitError {
  const said = stderr.split('\n').find((line) => line.trim() !== '') ?? 'git gave no reason';
  return new GitError(
    'other',
    `the merge could not be signed by the ${format} key ${key} ` +
      `(${said.replace(/^(?:error|fatal): /, '').slice(0, 300)}), so nothing was pushed: see to it that the ` +
      "worker's user can use that key without a prompt (signing.json in the state directory names it), then " +
      'retry the merge',
    stderr,
  );
}

async function authorOf(
  scratch: string,
  sha: string,
  signal: AbortSignal | undefined,
): Promise<Record<string, string>> {
  const { stdout } = await runGit(
    { worktree: scratch },
    [...plain, 'log', '-1', '--no-use-mailmap', '--date=raw', '--format=%an%x00%ae%x00%ad', '--end-of-options', sha],
    { doing: 'reading the author', signal },
  );
  const [name, email, date] = stdout.trim().split('\0');
  // Git itself refuses to write a commit without a name.
  if (name === undefined || name === '' || email === undefined || date === undefined) return {};
  return { GIT_AUTHOR_NAME: name, GIT_AUTHOR_EMAIL: email, GIT_AUTHOR_DATE: `@${date}` };
}
