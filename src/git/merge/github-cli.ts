import { z } from 'zod';
import { runProgram } from '../../edge/run-program.js';
import { withoutCredentials } from '../git-failure.js';
import { githubRepository } from './github-repository.js';
import { PullRequestError } from './pull-requests.js';
import type { OpenPullRequest, OpenState, PullRequest, PullRequests } from './pull-requests.js';

const listed = z.array(
  z.object({ number: z.number().int(), url: z.string(), state: z.enum(['OPEN', 'MERGED', 'CLOSED']) }),
);
// Not closed sets: what is not known here is shown as it is, and never taken for "all is well".
const open = z.object({
  headRefOid: z.string(),
  mergeable: z.string().nullish(),
  reviewDecision: z.string().nullish(),
  updatedAt: z.string(),
});
const listedOpen = z.array(open.extend({ number: z.number().int(), url: z.string(), headRefName: z.string() }));
const viewed = open.extend({
  state: z.enum(['OPEN', 'MERGED', 'CLOSED']),
  mergeCommit: z.object({ oid: z.string() }).nullish(),
  mergedAt: z.string().nullish(),
});
const reviewed = z.object({
  reviews: z
    .array(
      z.object({
        author: z.object({ login: z.string() }).nullish(),
        authorAssociation: z.string().nullish(),
        state: z.string(),
        body: z.string(),
      }),
    )
    .nullish(),
});
const remarks = z.array(
  z.object({
    user: z.object({ login: z.string() }).nullish(),
    author_association: z.string().nullish(),
    path: z.string(),
    line: z.number().int().nullish(),
    original_line: z.number().int().nullish(),
    body: z.string(),
  }),
);
const limits = z.object({ resources: z.record(z.string(), z.object({ remaining: z.number(), reset: z.number() })) });

/** What anybody on the internet may write below a pull request is no word to an agent. */
const haveASay = new Set(['OWNER', 'MEMBER', 'COLLABORATOR']);

/** A forge answers in seconds; 1 min is for a very slow one. */
const askLimit = 60_000;
/** A thousand open pull requests are listed in half a megabyte; reviews hold texts of up to 64 KiB each. */
const answerBytes = 64 * 2 ** 20;
const order = ['OPEN', 'MERGED', 'CLOSED'] as const;
/** One list serves all who ask within so long: a minute with forty open ones costs as much as with one. */
const freshFor = 55_000;
/** Where the forge does not say when it answers again: a limit of its own on bursts. */
const restAfterBurst = 5 * 60_000;
/** Clocks differ. */
const restMargin = 5_000;

/**
 * Pull requests by way of the GitHub CLI (`gh`), with whatever access the user who runs the worker has given it.
 * @param env where `gh` is looked for, and its access; this process's environment when absent.
 */
export function githubCli(env: NodeJS.ProcessEnv = process.env): PullRequests {
  const lists = new Map<string, { askedAt: number; found: Promise<OpenPullRequest[]> }>();
  /** Until then the forge refuses whatever this user asks, so nothing is asked. */
  let limitedUntil = 0;

  const gh = async (
    doing: string,
    args: string[],
    options: { input?: string; signal?: AbortSignal | undefined } = {},
  ): Promise<string> => {
    if (limitedUntil > Date.now()) throw limited(doing, limitedUntil);
    try {
      return await ask(doing, args, options);
    } catch (error) {
      if (!(error instanceof PullRequestError) || error.kind !== 'limited') throw error;
      limitedUntil = await answersAgainAt(args);
      throw limited(doing, limitedUntil, error);
    }
  };

  /** The question itself counts for nothing. */
  const answersAgainAt = async (args: readonly string[]): Promise<number> => {
    const burst = Date.now() + restAfterBurst;
    try {
      const host = args.includes('--repo') ? hostIn(args[args.indexOf('--repo') + 1] ?? '') : [];
      const doing = 'asking when GitHub answers again';
      const { resources } = read(limits, doing, await ask(doing, ['api', ...host, 'rate_limit'], {}));
      const resets = Object.values(resources).filter(({ remaining }) => remaining === 0);
      return resets.length === 0 ? burst : Math.max(...resets.map(({ reset }) => reset * 1_000)) + restMargin;
    } catch (error) {
      if (!(error instanceof PullRequestError)) throw error;
      return burst;
    }
  };

  const ask = async (
    doing: string,
    args: string[],
    options: { input?: string; signal?: AbortSignal | undefined } = {},
  ): Promise<string> => {
    options.signal?.throwIfAborted();
    // In the root folder, so that no repository around the worker's own folder is taken for the one that is meant.
    const asked = runProgram('gh', args, {
      ...{ within: askLimit, maxBytes: answerBytes, cwd: '/', signal: options.signal, input: options.input },
      env: { ...env, GH_PROMPT_DISABLED: '1', GH_NO_UPDATE_NOTIFIER: '1', NO_COLOR: '1', GH_PAGER: 'cat' },
    });
    const { code, ended, stdout, stderr } = await asked.catch((cause: NodeJS.ErrnoException) => {
      throw cause.code === 'ENOENT' ? notInstalled(cause) : cause;
    });
    if (ended === 'canceled') throw options.signal?.reason;
    if (ended === 'too much')
      throw new PullRequestError('refused', `while ${doing}, gh said more than ${answerBytes / 2 ** 20} MiB`);
    if (code === 0 && ended === undefined) return stdout;
    throw problem(doing, stderr, ended === 'too late');
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
    async open({ repo, base, signal }) {
      const key = `${repo}\0${base}`;
      const known = lists.get(key);
      if (known !== undefined && performance.now() - known.askedAt < freshFor) return unless(signal, known.found);
      const doing = `looking for open pull requests into ${base}`;
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
        'number,url,headRefName,headRefOid,mergeable,reviewDecision,updatedAt',
      ];
      // Without the signal of whoever asks first: others wait for the same answer.
      const found = gh(doing, args).then((text) =>
        read(listedOpen, doing, text).map((one) => ({
          number: one.number,
          url: one.url,
          head: one.headRefName,
          ...openState(one),
        })),
      );
      lists.set(key, { askedAt: performance.now(), found });
      found.catch(() => lists.delete(key));
      return unless(signal, found);
    },
    async reviews({ repo, pullRequest: { number }, signal }) {
      const doing = `reading the reviews of pull request ${number}`;
      const name = githubRepository(repo);
      const view = ['pr', 'view', String(number), '--repo', name, '--json', 'reviews'];
      const { reviews } = read(reviewed, doing, await gh(doing, view, { signal }));
      const path = `repos/${name.slice(name.indexOf('/') + 1)}/pulls/${number}/comments?per_page=100`;
      const inline = read(remarks, doing, await gh(doing, ['api', ...hostIn(name), path], { signal }));
      return [
        ...(reviews ?? [])
          .filter(({ authorAssociation, body }) => haveASay.has(authorAssociation ?? '') && body.trim() !== '')
          .map(
            ({ author, state, body }) => `- ${author?.login ?? 'somebody'} (${state.toLowerCase()}): ${body.trim()}`,
          ),
        ...inline
          .filter(({ author_association: association }) => haveASay.has(association ?? ''))
          .map(
            ({ user, path, line, original_line: before, body }) =>
              `- ${path}:${line ?? before ?? '?'} (${user?.login ?? 'somebody'}): ${body.trim()}`,
          ),
      ].join('\n');
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
        'state,headRefOid,mergeCommit,mergedAt,mergeable,reviewDecision,updatedAt',
      ];
      const found = read(viewed, doing, await gh(doing, args, { signal }));
      switch (found.state) {
        case 'OPEN':
          return { state: 'open', ...openState(found) };
        case 'MERGED':
          return {
            state: 'merged',
            sha: found.mergeCommit?.oid,
            at: found.mergedAt == null ? undefined : Date.parse(found.mergedAt),
          };
        case 'CLOSED':
          return { state: 'closed' };
      }
    },
  };
}

const openState = ({ headRefOid, mergeable, reviewDecision, updatedAt }: z.infer<typeof open>): OpenState => ({
  headSha: headRefOid,
  conflicting: mergeable === 'CONFLICTING',
  changesRequested: reviewDecision === 'CHANGES_REQUESTED',
  waitsFor: waitsFor(reviewDecision ?? ''),
  updatedAt: Date.parse(updatedAt),
});

/** For `gh api`, which takes the host by a flag. */
const hostIn = (name: string): string[] => ['--hostname', name.slice(0, name.indexOf('/'))];

/** @throws the signal's reason as soon as it is aborted. */
async function unless<T>(signal: AbortSignal | undefined, answer: Promise<T>): Promise<T> {
  if (signal === undefined) return answer;
  signal.throwIfAborted();
  let stop = (): void => undefined;
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason as Error);
    signal.addEventListener('abort', stop, { once: true });
  });
  try {
    return await Promise.race([answer, aborted]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

const limited = (doing: string, until: number, cause?: unknown): PullRequestError =>
  new PullRequestError(
    'limited',
    `while ${doing}, GitHub has counted too many requests of this user: nothing is asked before ` +
      `${new Date(until).toISOString()}`,
    { until, cause },
  );

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

const notInstalled = (cause: unknown): PullRequestError =>
  new PullRequestError(
    'not_installed',
    'the merge strategy "pr" needs the GitHub CLI, and `gh` is not on the PATH of this worker: install it and ' +
      'run `gh auth login`, or choose another strategy for the rig',
    { cause },
  );

function problem(doing: string, stderr: string, timedOut: boolean): PullRequestError {
  const said = withoutCredentials(stderr).trim().split('\n')[0] ?? '';
  const because = said === '' ? 'it gave no reason' : said.slice(0, 300);
  if (/HTTP 429|rate limit/i.test(stderr)) return limited(doing, Date.now() + restAfterBurst);
  if (timedOut || /error connecting|could not resolve host|connection|timeout|i\/o timeout|HTTP 5\d\d/i.test(stderr)) {
    return new PullRequestError(
      'unreachable',
      `while ${doing}, GitHub could not be reached (${timedOut ? 'no answer' : because}): trying again may help`,
    );
  }
  if (/gh auth login|HTTP 401|HTTP 403|authentication|Bad credentials|Resource not accessible/i.test(stderr)) {
    return new PullRequestError(
      'auth',
      `while ${doing}, GitHub refused access (${because}): run \`gh auth login\` as the user who runs the ` +
        'worker, or give it a GH_TOKEN',
    );
  }
  return new PullRequestError('refused', `while ${doing}, GitHub refused (${because})`);
}
