import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { githubCli } from '../../src/git/merge/index.js';
import { githubRepository } from '../../src/git/merge/github-repository.js';

let dir = '';
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'heartbead-gh-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

const repo = 'https://github.com/acme/lamps.git';
const query = { repo, head: 'heartbead/lamp/1-abcd', base: 'main' };

/** A program in the place of `gh` that writes down how it was called and says what it is told to. */
async function gh(answer: string): Promise<ReturnType<typeof githubCli>> {
  await writeFile(
    join(dir, 'gh'),
    `#!/bin/sh\nprintf '%s\\n' "$@" > ${dir}/args\nenv > ${dir}/env\n[ "$2" = create ] && cat > ${dir}/body\n` +
      `${answer}\n`,
  );
  await chmod(join(dir, 'gh'), 0o755);
  return githubCli({ PATH: `${dir}:${process.env['PATH'] ?? ''}`, HOME: dir });
}
const called = async (): Promise<string[]> => (await readFile(join(dir, 'args'), 'utf8')).trim().split('\n');
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
