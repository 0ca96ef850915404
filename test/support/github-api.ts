import { createServer } from 'node:http';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { findGh } from './programs.js';

/** A pull request as the forge keeps it. */
export interface ForgePull {
  number: number;
  url: string;
  headRefName: string;
  headRefOid: string;
  baseRefName: string;
  state: 'OPEN' | 'MERGED' | 'CLOSED';
  mergeable: string;
  reviewDecision: string;
  updatedAt: string;
  mergeCommit: { oid: string } | null;
  mergedAt: string | null;
  reviews: { author: { login: string }; authorAssociation: string; state: string; body: string }[];
}

export interface GithubApi {
  pulls: ForgePull[];
  /** Remarks on lines, as its REST interface tells them. */
  remarks: object[];
  /** What was asked: names of GraphQL operations, and paths. */
  asked: string[];
  /** Refuses everything as its limit does, and says when it answers again (seconds since the epoch). */
  limitedUntil: number | undefined;
  /** Environment for the real `gh` that leads it here. */
  env: NodeJS.ProcessEnv;
  close(): Promise<void>;
}

/** The API of GitHub as far as `gh` asks for it here, on a socket in a folder: the real `gh` talks to it. */
export async function startGithubApi(folder: string): Promise<GithubApi> {
  const socket = join(folder, 'api.sock');
  const config = join(folder, 'gh');
  await mkdir(config, { recursive: true });
  await writeFile(join(config, 'config.yml'), `version: "1"\nhttp_unix_socket: ${socket}\n`);
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => (body += chunk.toString()));
    request.on('end', () => {
      const { status, answer } = answered(api, request.url ?? '', body);
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(JSON.stringify(answer));
    });
  });
  const api: GithubApi = {
    pulls: [],
    remarks: [],
    asked: [],
    limitedUntil: undefined,
    env: {
      PATH: `${dirname(findGh() ?? '')}:${process.env['PATH'] ?? ''}`,
      HOME: folder,
      GH_CONFIG_DIR: config,
      GH_TOKEN: 'a-token',
    },
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  return api;
}

type Answer = { status: number; answer: unknown };
const fine = (answer: unknown): Answer => ({ status: 200, answer });

function answered(api: GithubApi, url: string, body: string): Answer {
  if (url === '/rate_limit') {
    api.asked.push(url);
    const reset = api.limitedUntil ?? 0;
    const left = { remaining: 5_000, reset: 1 };
    return fine({
      resources: { core: left, graphql: api.limitedUntil === undefined ? left : { remaining: 0, reset } },
    });
  }
  const { query = '', variables = {} } = (body === '' ? {} : JSON.parse(body)) as {
    query?: string;
    variables?: Record<string, unknown>;
  };
  const operation = /(?:query|mutation) (\w+)/.exec(query)?.[1] ?? url.split('?')[0] ?? '';
  api.asked.push(operation);
  if (api.limitedUntil !== undefined)
    return { status: 403, answer: { message: 'API rate limit exceeded for user ID 1.' } };
  if (url.includes('/comments')) return fine(api.remarks);
  return fine({ data: graphql(api, operation, variables) });
}

function graphql(api: GithubApi, operation: string, variables: Record<string, unknown>): unknown {
  const pages = { hasNextPage: false, endCursor: '' };
  const input = (variables['input'] ?? {}) as Record<string, string>;
  const full = (pull: ForgePull): object => ({
    ...pull,
    id: `PR_${pull.number}`,
    reviews: { nodes: pull.reviews, pageInfo: pages, totalCount: pull.reviews.length },
  });
  switch (operation) {
    case 'RepositoryInfo':
      return { repository: { id: 'R_1', name: 'lamps', owner: { login: 'acme' }, defaultBranchRef: { name: 'main' } } };
    case 'PullRequestForBranch':
      return { repository: { pullRequests: { nodes: [] }, defaultBranchRef: { name: 'main' } } };
    case 'PullRequestList': {
      const states = variables['state'] as string[];
      const found = api.pulls.filter(
        (pull) =>
          states.includes(pull.state) &&
          pull.baseRefName === variables['baseBranch'] &&
          (variables['headBranch'] === undefined || pull.headRefName === variables['headBranch']),
      );
      return { repository: { pullRequests: { nodes: found.map(full), pageInfo: pages, totalCount: found.length } } };
    }
    case 'PullRequestByNumber': {
      const found = api.pulls.find(({ number }) => number === variables['pr_number']);
      return { repository: { pullRequest: found && full(found) } };
    }
    case 'PullRequestCreate': {
      const number = api.pulls.length + 1;
      const url = `https://github.com/acme/lamps/pull/${number}`;
      api.pulls.push(openPull({ number, url, headRefName: input['headRefName'], baseRefName: input['baseRefName'] }));
      return { createPullRequest: { pullRequest: { id: `PR_${number}`, url } } };
    }
    case 'PullRequestClose': {
      const found = api.pulls.find(({ number }) => `PR_${number}` === input['pullRequestId']);
      if (found !== undefined) found.state = 'CLOSED';
      return { closePullRequest: { pullRequest: { id: input['pullRequestId'] } } };
    }
    default:
      return { addComment: { commentEdge: { node: { url: 'https://github.com/acme/lamps/pull/1#c' } } } };
  }
}

export const openPull = (given: Partial<ForgePull>): ForgePull => ({
  number: 1,
  url: 'https://github.com/acme/lamps/pull/1',
  headRefName: 'heartbead/lamp/1-abcd',
  headRefOid: 'a'.repeat(40),
  baseRefName: 'main',
  state: 'OPEN',
  mergeable: 'MERGEABLE',
  reviewDecision: '',
  updatedAt: '2026-01-02T03:04:05Z',
  mergeCommit: null,
  mergedAt: null,
  reviews: [],
  ...given,
});
