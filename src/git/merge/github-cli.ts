import { execa } from 'execa';
import { z } from 'zod';
import { withoutCredentials } from '../git-failure.js';
import { githubRepository } from './github-repository.js';
import { PullRequestError } from './pull-requests.js';
import type { PullRequest, PullRequests } from './pull-requests.js';

const listed = z.array(
  z.object({ number: z.number().int(), url: z.string(), state: z.enum(['OPEN', 'MERGED', 'CLOSED']) }),
);
const listedWithHead = z.array(z.object({ number: z.number().int(), url: z.string(), headRefName: z.string() }));
const viewed = z.object({
  state: z.enum(['OPEN', 'MERGED', 'CLOSED']),
  headRefOid: z.string(),
  mergeCommit: z.object({ oid: z.string() }).nullish(),
  mergedAt: z.string().nullish(),
  // Not closed sets: what is not known here is shown as it is, and never taken for "all is well".
  mergeable: z.string().nullish(),
  reviewDecision: z.string().nullish(),
});

/** A forge answers in seconds; 1 min is for a very slow one. */
const askLimit = 60_000;
const order = ['OPEN', 'MERGED', 'CLOSED'] as const;

/**
 * Pull requests by way of the GitHub CLI (`gh`), with whatever access the user who runs the worker has given it.
 * @param env where `gh` is looked for, and its access; this process's environment when absent.
 */
export function githubCli(env: NodeJS.ProcessEnv = process.env): PullRequests {
  const gh = async (
    doing: string,
    args: string[],
    options: { input?: string; signal?: AbortSignal | undefined } = {},
  ): Promise<string> => {
    options.signal?.throwIfAborted();
    const result = await execa('gh', args, {
      // In the root folder, so that no repository around the worker's own folder is taken for the one that is meant.
      cwd: '/',
      reject: false,
      extendEnv: false,
      timeout: askLimit,
      env: { ...env, GH_PROMPT_DISABLED: '1', GH_NO_UPDATE_NOTIFIER: '1', NO_COLOR: '1', GH_PAGER: 'cat' },
      cancelSignal: options.signal,
      ...(options.input === undefined ? { stdin: 'ignore' as const } : { input: options.input }),
    });
    if (result.isCanceled) throw options.signal?.reason;
    if (result.exitCode === 0) return result.stdout;
    throw problem(doing, {
      stderr: result.stderr ?? '',
      timedOut: result.timedOut,
      code: (result.cause as NodeJS.ErrnoException | undefined)?.code,
      cause: result.cause,
    });
  };

  const find: PullRequests['find'] = async ({ repo, head, base, signal }) => {
    const doing = `looking for the pull request of ${head}`;
    const args = [
      'pr',
      'list',
      '--repo',
      githubRepository(repo),
      '--head',
      head,
      '--base',
      base,
      '--state',
      'all',
      '--limit',
      '30',
      '--json',
      'number,url,state',
    ];
    const found = read(listed, doing, await gh(doing, args, { signal }));
    found.sort((a, b) => order.indexOf(a.state) - order.indexOf(b.state) || b.number - a.number);
    return found[0] === undefined ? undefined : { number: found[0].number, url: found[0].url };
  };

  return {
    find,
    async create({ repo, head, base, title, body, signal }) {
      const doing = `opening a pull request for ${head}`;
      const args = [
        'pr',
        'create',
        '--repo',
        githubRepository(repo),
        '--head',
        head,
        '--base',
        base,
        '--title',
        title,
        '--body-file',
        '-',
      ];
      const url = /https?:\/\/\S+\/pull\/(\d+)\b/.exec(await gh(doing, args, { input: body, signal }));
      const made: PullRequest | undefined =
        url?.[1] === undefined ? await find({ repo, head, base, signal }) : { number: Number(url[1]), url: url[0] };
      if (made === undefined)
        throw new PullRequestError(
          'refused',
          `while ${doing}, gh said nothing of a pull request: run the same by hand to see more`,
        );
      return made;
    },
    async openUnder({ repo, prefix, base, signal }) {
      const doing = `looking for open pull requests under ${prefix}`;
      // Listed, not searched for: the forge's search knows of a new one only minutes later. More than 1,000 open into
      // one branch are not looked through.
      const args = [
        'pr',
        'list',
        '--repo',
        githubRepository(repo),
        '--base',
        base,
        '--state',
        'open',
        '--limit',
        '1000',
        '--json',
        'number,url,headRefName',
      ];
      const found = read(listedWithHead, doing, await gh(doing, args, { signal }));
      return found
        .filter(({ headRefName }) => headRefName.startsWith(prefix))
        .map(({ number, url }) => ({ number, url }));
    },
    async close({ repo, pullRequest: { number }, comment, signal }) {
      await gh(
        `closing pull request ${number}`,
        ['pr', 'close', String(number), '--repo', githubRepository(repo), '--comment', comment],
        { signal },
      );
    },
    async state(repo, { number }, signal) {
      const doing = `looking at pull request ${number}`;
      const args = [
        'pr',
        'view',
        String(number),
        '--repo',
        githubRepository(repo),
        '--json',
        'state,headRefOid,mergeCommit,mergedAt,mergeable,reviewDecision',
      ];
      const found = read(viewed, doing, await gh(doing, args, { signal }));
      switch (found.state) {
        case 'OPEN':
          return {
            state: 'open',
            headSha: found.headRefOid,
            conflicting: found.mergeable === 'CONFLICTING',
            waitsFor: waitsFor(found.reviewDecision ?? ''),
          };
        case 'MERGED':
          return {
            state: 'merged',
            ...(found.mergeCommit == null ? {} : { sha: found.mergeCommit.oid }),
            ...(found.mergedAt == null ? {} : { at: Date.parse(found.mergedAt) }),
          };
        case 'CLOSED':
          return { state: 'closed' };
      }
    },
  };
}

function waitsFor(decision: string): string {
  switch (decision) {
    case 'APPROVED':
      return 'it is approved and waits for somebody to merge it';
    case 'CHANGES_REQUESTED':
      return 'a reviewer has requested changes there';
    case 'REVIEW_REQUIRED':
      return 'it waits for a review';
    default:
      return 'it waits for somebody to merge it';
  }
}

function read<T>(schema: z.ZodType<T>, doing: string, text: string): T {
  try {
    return schema.parse(JSON.parse(text));
  } catch (cause) {
    throw new PullRequestError(
      'refused',
      `while ${doing}, gh gave an answer that cannot be read: install a newer gh (2.20 or later)`,
      { cause },
    );
  }
}

function problem(
  doing: string,
  { stderr, timedOut, code, cause }: { stderr: string; timedOut: boolean; code: string | undefined; cause: unknown },
): PullRequestError {
  const said = withoutCredentials(stderr).trim().split('\n')[0] ?? '';
  const because = said === '' ? 'it gave no reason' : said.slice(0, 300);
  if (code === 'ENOENT')
    return new PullRequestError(
      'not_installed',
      'the merge strategy "pr" needs the GitHub CLI, and `gh` is not on the PATH of this worker: install it and run `gh auth login`, or choose another strategy for the rig',
      { cause },
    );
  if (
    timedOut ||
    /error connecting|could not resolve host|connection|timeout|i\/o timeout|HTTP 5\d\d|HTTP 429|rate limit/i.test(
      stderr,
    )
  ) {
    return new PullRequestError(
      'unreachable',
      `while ${doing}, GitHub could not be reached (${timedOut ? 'no answer' : because}): trying again may help`,
      { cause },
    );
  }
  if (/gh auth login|HTTP 401|HTTP 403|authentication|Bad credentials|Resource not accessible/i.test(stderr)) {
    return new PullRequestError(
      'auth',
      `while ${doing}, GitHub refused access (${because}): run \`gh auth login\` as the user who runs the worker, or give it a GH_TOKEN`,
      { cause },
    );
  }
  return new PullRequestError('refused', `while ${doing}, GitHub refused (${because})`, { cause });
}
