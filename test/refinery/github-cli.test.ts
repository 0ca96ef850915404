import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { createRefineryActivities } from '../../src/activities/refinery/index.js';
import { outcomeOf } from '../../src/activities/refinery/failures.js';
import { githubCli } from '../../src/git/merge/index.js';
import { githubRepository } from '../../src/git/merge/github-repository.js';
import { processAlive } from '../../src/runner/processes/process.js';
import { until } from '../support/until.js';
import { inputOf, start } from './support/lab.js';

let dir = '';
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'heartbead-gh-'));
});
afterEach(async () => {
  vi.restoreAllMocks();
  await rm(dir, { recursive: true, force: true });
});

const repo = 'https://github.com/acme/lamps.git';
const query = { repo, head: 'heartbead/lamp/1-abcd', base: 'main' };

/** A program in the place of `gh` that writes down how it was called and says what it is told to. */
async function gh(answer: string): Promise<ReturnType<typeof githubCli>> {
  await writeFile(
    join(dir, 'gh'),
    `#!/bin/sh\nprintf '%s\\n' "$@" > ${dir}/args\necho "$*" >> ${dir}/calls\nenv > ${dir}/env\n[ "$2" = create ] && cat > ${dir}/body\n` +
      `${answer}\n`,
  );
  await chmod(join(dir, 'gh'), 0o755);
  return githubCli({ PATH: `${dir}:${process.env['PATH'] ?? ''}`, HOME: dir });
}
const called = async (): Promise<string[]> => (await readFile(join(dir, 'args'), 'utf8')).trim().split('\n');
/** @returns the calls so far, each by its first words. */
const calls = async (): Promise<string[]> =>
  (await readFile(join(dir, 'calls'), 'utf8'))
    .trim()
    .split('\n')
    .map((line) => line.split(' ').slice(0, 2).join(' '));
const json = (value: unknown): string => `cat <<'END'\n${JSON.stringify(value)}\nEND`;

test('an open pull request is found before a merged one before a closed one', async () => {
  const pulls = await gh(
    json([
      { number: 9, url: 'u9', state: 'CLOSED' },
      { number: 7, url: 'u7', state: 'OPEN' },
      { number: 8, url: 'u8', state: 'MERGED' },
    ]),
  );
  expect(await pulls.find(query)).toEqual({ number: 7, url: 'u7' });
  expect(await called()).toEqual([
    'pr',
    'list',
    '--repo',
    'github.com/acme/lamps',
    '--head',
    query.head,
    '--base',
    'main',
    '--state',
    'all',
    '--limit',
    '30',
    '--json',
    'number,url,state',
  ]);
  expect(await (await gh('echo "[]"')).find(query)).toBeUndefined();
});

test('one that nobody waits for any longer is ended with what it has started', async () => {
  const pulls = await gh(`sleep 300 | cat & echo $! > ${dir}/pid; wait`);
  const stop = new AbortController();
  const found = pulls.find({ ...query, signal: stop.signal });
  const pid = await until('its start', async () => Number(await readFile(join(dir, 'pid'), 'utf8')));
  stop.abort(new Error('the rig goes on elsewhere'));
  await expect(found).rejects.toThrow('the rig goes on elsewhere');
  await until('its end', () => !processAlive(pid));
});

test('it is opened with its body on standard input, and never asks anything', async () => {
  const pulls = await gh('echo https://github.com/acme/lamps/pull/12');
  expect(await pulls.create({ ...query, title: '--title looks like an option', body: 'Work of lamp' })).toEqual({
    number: 12,
    url: 'https://github.com/acme/lamps/pull/12',
  });
  expect((await called()).slice(-4)).toEqual(['--title', '--title looks like an option', '--body-file', '-']);
  expect(await readFile(join(dir, 'body'), 'utf8')).toBe('Work of lamp');
  expect(await readFile(join(dir, 'env'), 'utf8')).toMatch(/^GH_PROMPT_DISABLED=1$/m);
});

test('open ones are listed with their branches; one is closed with a word', async () => {
  const pulls = await gh(
    json([
      {
        number: 3,
        url: 'u3',
        headRefName: 'heartbead/lamp/1-abcd',
        headRefOid: 'h',
        mergeable: 'CONFLICTING',
        reviewDecision: 'CHANGES_REQUESTED',
        updatedAt: '2026-01-02T03:04:05Z',
      },
    ]),
  );
  expect(await pulls.open({ repo, base: 'main' })).toEqual([
    {
      number: 3,
      url: 'u3',
      head: 'heartbead/lamp/1-abcd',
      headSha: 'h',
      conflicting: true,
      changesRequested: true,
      waitsFor: 'a reviewer has requested changes there',
      updatedAt: Date.UTC(2026, 0, 2, 3, 4, 5),
    },
  ]);
  expect(await called()).toEqual([
    'pr',
    'list',
    '--repo',
    'github.com/acme/lamps',
    '--base',
    'main',
    '--state',
    'open',
    '--limit',
    '1000',
    '--json',
    'number,url,headRefName,headRefOid,mergeable,reviewDecision,updatedAt',
  ]);
  await pulls.close({ repo, pullRequest: { number: 3, url: 'u3' }, comment: 'reworked' });
  expect(await called()).toEqual(['pr', 'close', '3', '--repo', 'github.com/acme/lamps', '--comment', 'reworked']);
});

test('its state is read: open, in conflict, merged, closed', async () => {
  const updatedAt = '2026-01-02T03:04:05Z';
  const view = { headRefOid: 'h', mergeCommit: null, mergeable: 'UNKNOWN', reviewDecision: '', updatedAt };
  const one = { number: 12, url: 'u' };
  expect(
    await (await gh(json({ ...view, state: 'OPEN', reviewDecision: 'REVIEW_REQUIRED' }))).state(repo, one),
  ).toEqual({
    state: 'open',
    headSha: 'h',
    conflicting: false,
    changesRequested: false,
    waitsFor: 'it waits for a review',
    updatedAt: Date.parse(updatedAt),
  });
  expect(await (await gh(json({ ...view, state: 'OPEN', mergeable: 'CONFLICTING' }))).state(repo, one)).toMatchObject({
    state: 'open',
    conflicting: true,
  });
  expect(
    await (
      await gh(json({ ...view, state: 'MERGED', mergeCommit: { oid: 'm' }, mergedAt: '2026-01-02T03:04:05Z' }))
    ).state(repo, one),
  ).toEqual({ state: 'merged', sha: 'm', at: Date.UTC(2026, 0, 2, 3, 4, 5) });
  expect(await (await gh(json({ ...view, state: 'CLOSED' }))).state(repo, one)).toEqual({ state: 'closed' });
});

test.each([
  ['no access', 'echo "To get started with GitHub CLI, please run:  gh auth login" >&2; exit 4', 'auth'],
  ['a bad token', 'echo "HTTP 401: Bad credentials" >&2; exit 1', 'auth'],
  ['no network', 'echo "error connecting to api.github.com" >&2; exit 1', 'unreachable'],
  ['an outage', 'echo "HTTP 502: Bad Gateway" >&2; exit 1', 'unreachable'],
  ['its limit', 'echo "HTTP 403: API rate limit exceeded for user ID 1." >&2; exit 1', 'limited'],
  ['a refusal', 'echo "GraphQL: No commits between main and lamp" >&2; exit 1', 'refused'],
  ['nonsense', 'echo hello', 'refused'],
])('%s is a failure of its own kind', async (_name, answer, kind) => {
  await expect((await gh(answer)).find(query)).rejects.toMatchObject({ name: 'PullRequestError', kind });
});

test('a host without gh says what to install', async () => {
  await expect(githubCli({ PATH: dir }).find(query)).rejects.toMatchObject({
    kind: 'not_installed',
    message: expect.stringContaining('gh auth login'),
  });
});

test('repositories are named by host, owner and name; others are no forge', () => {
  for (const url of [
    'https://github.com/acme/lamps.git',
    'https://me@github.com/acme/lamps',
    'ssh://git@github.com:22/acme/lamps.git',
    'git@github.com:acme/lamps.git',
  ])
    expect(githubRepository(url)).toBe('github.com/acme/lamps');
  for (const url of ['/srv/git/lamps.git', 'https://gitlab.example/a/b/c.git', 'file:///srv/lamps.git'])
    expect(() => githubRepository(url)).toThrow(/need a repository on GitHub/);
});

describe('asking rarely', () => {
  const lists = async (): Promise<number> => (await calls()).filter((call) => call === 'pr list').length;

  test('a list serves all who ask within 55 seconds, of its own repository and branch, and then it is asked anew', async () => {
    let now = 1_000;
    vi.spyOn(performance, 'now').mockImplementation(() => now);
    const pulls = await gh('echo "[]"');
    const ask = (more: object = {}): Promise<unknown> => pulls.open({ repo, base: 'main', ...more });
    await Promise.all([ask(), ask(), ask()]);
    now += 54_000;
    await ask();
    expect(await lists()).toBe(1);
    await ask({ base: 'next' });
    await ask({ repo: 'https://github.com/acme/desks.git' });
    expect(await lists()).toBe(3);
    now += 1_000;
    await Promise.all([ask(), ask()]);
    expect(await lists()).toBe(4);
  });

  test('a list that could not be had serves nobody who asks later', async () => {
    const pulls = await gh(`[ -e ${dir}/up ] || { echo "HTTP 502: Bad Gateway" >&2; exit 1; }; echo "[]"`);
    const ask = (): Promise<unknown> => pulls.open({ repo, base: 'main' });
    await expect(Promise.all([ask(), ask()])).rejects.toMatchObject({ kind: 'unreachable' });
    await writeFile(join(dir, 'up'), '');
    expect(await ask()).toEqual([]);
    expect(await lists()).toBe(2);
  });

  test('one who is cancelled while all wait for the list takes it from nobody else', async () => {
    const pulls = await gh(`until [ -e ${dir}/go ]; do sleep 0.05; done; echo "[]"`);
    const gone = new AbortController();
    const first = pulls.open({ repo, base: 'main', signal: gone.signal });
    const second = pulls.open({ repo, base: 'main' });
    gone.abort(new Error('cancelled'));
    await expect(first).rejects.toThrow('cancelled');
    await writeFile(join(dir, 'go'), '');
    expect(await second).toEqual([]);
    expect(await lists()).toBe(1);
  });

  test('after a limit nothing is asked before the second that the forge names, and the server tries again then', async () => {
    let now = Date.UTC(2026, 0, 2);
    vi.spyOn(Date, 'now').mockImplementation(() => now);
    const until = now + 30 * 60_000;
    const resources = {
      core: { remaining: 10, reset: now / 1_000 + 9_999 },
      graphql: { remaining: 0, reset: until / 1_000 },
    };
    const pulls = await gh(
      `case "$*" in *rate_limit) ${json({ resources })}\n;; *) [ -e ${dir}/free ] && { echo "[]"; exit 0; }\n` +
        'echo "HTTP 403: API rate limit exceeded for user ID 1." >&2; exit 1;; esac',
    );
    const failed = await pulls.open({ repo, base: 'main' }).catch((error: unknown) => error);
    expect(failed).toMatchObject({ kind: 'limited', until: until + 5_000 });
    expect(await calls()).toEqual(['pr list', 'api --hostname']);
    await writeFile(join(dir, 'free'), '');
    now = until + 4_000;
    await expect(pulls.find(query)).rejects.toMatchObject({ kind: 'limited', until: until + 5_000 });
    expect(await calls()).toHaveLength(2);
    // What the server is told: when to try again.
    expect(() => outcomeOf(failed)).toThrow(
      expect.objectContaining({ type: 'SetupUnreachable', nonRetryable: false, nextRetryDelay: 1_000 }) as Error,
    );
    now = until - 60_000;
    expect(() => outcomeOf(failed)).toThrow(expect.objectContaining({ nextRetryDelay: 65_000 }) as Error);
    now = until + 5_000;
    expect(await pulls.open({ repo, base: 'main' })).toEqual([]);
  });

  test('a limit on bursts, of which the forge says no end, is rested for five minutes', async () => {
    const now = Date.UTC(2026, 0, 2);
    vi.spyOn(Date, 'now').mockImplementation(() => now);
    const resources = { core: { remaining: 10, reset: now / 1_000 + 9_999 } };
    const pulls = await gh(
      `case "$*" in *rate_limit) ${json({ resources })}\n;; *) echo "HTTP 429: secondary" >&2; exit 1;; esac`,
    );
    await expect(pulls.find(query)).rejects.toMatchObject({ kind: 'limited', until: now + 5 * 60_000 });
  });

  test('all merges of a worker share one list, and of one that waits nothing else is asked', async () => {
    const numbers = [1, 2, 3];
    const branch = (number: number): string => `heartbead/lamp-${number}/1-abcd`;
    await gh(
      json(
        numbers.map((number) => ({
          number,
          url: `https://github.com/acme/lamps/pull/${number}`,
          headRefName: branch(number),
          headRefOid: 'a'.repeat(40),
          mergeable: 'MERGEABLE',
          reviewDecision: 'REVIEW_REQUIRED',
          updatedAt: new Date().toISOString(),
        })),
      ),
    );
    const lab = { dir, home: join(dir, 'home'), origin: repo, seed: '', config: '' };
    const activities = createRefineryActivities({
      home: lab.home,
      hostId: 'here',
      env: { PATH: `${dir}:${process.env['PATH'] ?? ''}`, HOME: dir },
    });
    for (const number of numbers) {
      const request = {
        item: `lamp-${number}`,
        workflowId: `bead-lamp-${number}`,
        branch: branch(number),
        sha: 'a'.repeat(40),
        target: 'main',
        priority: 3,
        since: 1,
        title: 'Add lamp',
      };
      await expect(start(lab, inputOf(lab, request, { strategy: 'pr' }), { activities }).outcome).rejects.toMatchObject(
        {
          type: 'PullRequestOpen',
          message: expect.stringContaining(`/pull/${number} is open: it waits for a review`) as string,
        },
      );
    }
    expect(await calls()).toEqual(['pr list']);
  });
});

test('owners, members and collaborators have a say to an agent; nobody else has, whatever they have to do with it', async () => {
  const people = [
    'OWNER',
    'MEMBER',
    'COLLABORATOR',
    'CONTRIBUTOR',
    'FIRST_TIME_CONTRIBUTOR',
    'MANNEQUIN',
    'NONE',
    undefined,
  ];
  const reviews = people.map((authorAssociation) => ({
    author: { login: `${authorAssociation}` },
    authorAssociation,
    state: 'COMMENTED',
    body: 'words',
  }));
  const remarks = people.map((association) => ({
    user: { login: `${association}` },
    author_association: association,
    path: 'a.txt',
    line: null,
    original_line: 7,
    body: ' words\n',
  }));
  const pulls = await gh(`if [ "$1" = api ]; then ${json(remarks)}\nelse ${json({ reviews })}\nfi`);
  expect((await pulls.reviews({ repo, pullRequest: { number: 3, url: 'u3' } })).split('\n')).toEqual([
    '- OWNER (commented): words',
    '- MEMBER (commented): words',
    '- COLLABORATOR (commented): words',
    '- a.txt:7 (OWNER): words',
    '- a.txt:7 (MEMBER): words',
    '- a.txt:7 (COLLABORATOR): words',
  ]);
});
