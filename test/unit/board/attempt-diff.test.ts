import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { attemptDiff } from '../../../src/board/attempt-diff.js';
import type { DiffAnswer } from '../../../src/board/api-types.js';
import type { TownConnection } from '../../../src/client/connect.js';
import type { AttemptRecord, BeadView } from '../../../src/contract/index.js';
import { initialBead } from '../../../src/domain/bead/state.js';
import { updateMirror } from '../../../src/git/index.js';

let root: string;
let remote: string;
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'heartbead-diff-'));
  remote = join(root, 'remote');
  execFileSync('git', ['init', '--quiet', '--initial-branch=main', remote]);
  git('config', 'user.name', 'A');
  git('config', 'user.email', 'a@localhost');
  commit('base.txt', 'base');
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

const git = (...args: string[]): string =>
  execFileSync('git', ['-C', remote, ...args], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim();
function commit(file: string, text: string, message = `change ${file}`): string {
  writeFileSync(join(remote, file), `${text}\n`);
  git('add', '-A');
  git('commit', '--quiet', '-m', message);
  return git('rev-parse', 'HEAD');
}

/** Two commits of an agent on a branch of its own, while the target goes on. */
function worked(name: string): { base: string; head: string } {
  git('checkout', '--quiet', 'main');
  const base = git('rev-parse', 'HEAD');
  git('checkout', '--quiet', '-b', `work-${name}`);
  commit(`${name}-1.txt`, 'one');
  const head = commit(`${name}-2.txt`, 'two');
  git('checkout', '--quiet', 'main');
  commit(`${name}-other.txt`, 'by somebody else');
  return { base, head };
}
/** A bead that has landed leaves no ref. `prune` takes its objects too, as a server does after a while. */
function leave(name: string, { prune }: { prune: boolean }): void {
  git('branch', '--quiet', '-D', `work-${name}`);
  if (!prune) return;
  git('reflog', 'expire', '--expire=now', '--all');
  git('gc', '--quiet', '--prune=now');
}

async function diffOf(name: string, base: string, head: string, mergedSha: string): Promise<DiffAnswer> {
  const input = { bead: name, title: name, repo: remote, rig: 'app', agent: { adapter: 'shell' } };
  const state = initialBead(input, 0);
  const attempt = { id: '1-aaaaaaaa', number: 1, host: 'far', outcome: 'done', sha: head } as AttemptRecord;
  const view: BeadView = {
    ...state,
    now: 1,
    status: 'closed',
    attempts: [attempt],
    attemptCount: 1,
    branch: `heartbead/${name}/1-aaaaaaaa`,
    sha: head,
    baseSha: base,
    landing: { grant: 'none', approval: false, mergedSha },
  };
  // Another machine than that of the agent, which has a mirror from before.
  const home = join(root, `home-${name}`);
  return attemptDiff({
    town: { home } as TownConnection,
    view,
    place: { attempt: attempt.id, number: 1, host: 'far', remote: 'far', current: false },
    fetch: true,
  });
}
const paths = ({ files }: DiffAnswer): string[] => files.map(({ path }) => path).sort();

test.each(['merge', 'squash'] as const)('what landed by a %s is there after its branch has gone', async (how) => {
  await updateMirror({ root: join(root, `home-${how}`, 'mirrors'), repo: remote });
  const { base, head } = worked(how);
  if (how === 'merge') git('merge', '--quiet', '--no-ff', '-m', 'Merge', head);
  else {
    git('merge', '--quiet', '--squash', head);
    git('commit', '--quiet', '-m', `All of it\n\nHeartbead-Branch-Sha: ${head}`);
  }
  const merged = git('rev-parse', 'HEAD');
  commit('later.txt', how);
  leave(how, { prune: how === 'squash' });
  const diff = await diffOf(how, base, head, merged);
  expect(diff).toMatchObject({ source: 'landed', head: merged, note: undefined });
  expect(paths(diff)).toEqual([`${how}-1.txt`, `${how}-2.txt`]);
});

test.each([false, true])(
  'commits that landed one by one: all of them, or the last and a word (gone: %s)',
  async (gone) => {
    const name = `rebase-${gone}`;
    await updateMirror({ root: join(root, `home-${name}`, 'mirrors'), repo: remote });
    const { base, head } = worked(name);
    git('cherry-pick', `${base}..${head}`);
    const merged = git('rev-parse', 'HEAD');
    leave(name, { prune: gone });
    const diff = await diffOf(name, base, head, merged);
    expect(paths(diff)).toEqual(gone ? [`${name}-2.txt`] : [`${name}-1.txt`, `${name}-2.txt`]);
    expect(diff.source).toBe(gone ? 'landed' : 'branch');
    if (gone) expect(diff.note).toMatch(/one by one/);
    else expect(diff.note).toBeUndefined();
  },
);

test('a branch that the target went on to is compared with where it began', async () => {
  const name = 'forward';
  await updateMirror({ root: join(root, `home-${name}`, 'mirrors'), repo: remote });
  const base = git('rev-parse', 'main');
  commit('forward-1.txt', 'one');
  const head = commit('forward-2.txt', 'two');
  const diff = await diffOf(name, base, head, head);
  expect(paths(diff)).toEqual(['forward-1.txt', 'forward-2.txt']);
});

test('an earlier attempt whose branch has gone says where to look', async () => {
  const { base, head } = worked('early');
  const merged = commit('early-again.txt', 'again');
  leave('early', { prune: true });
  const other = git('rev-parse', 'main~1');
  const view = diffOf('early', base, head, merged);
  await view;
  const input = { bead: 'early', title: 'early', repo: remote, rig: 'app', agent: { adapter: 'shell' } };
  const attempt = { id: '1-aaaaaaaa', number: 1, host: 'far', outcome: 'done', sha: 'a'.repeat(40) } as AttemptRecord;
  await expect(
    attemptDiff({
      town: { home: join(root, 'home-early') } as TownConnection,
      view: {
        ...initialBead(input, 0),
        now: 1,
        attempts: [attempt],
        sha: other,
        baseSha: base,
        landing: { grant: 'none', approval: false, mergedSha: merged },
      },
      place: { attempt: attempt.id, number: 1, host: 'far', remote: 'far', current: false },
      fetch: false,
    }),
  ).rejects.toMatchObject({ name: 'NoDiffError', next: expect.stringContaining('newest attempt') as string });
});
