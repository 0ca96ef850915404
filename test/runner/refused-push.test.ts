import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { attemptRefs } from '../../src/contract/index.js';
import type { AttemptResult } from '../../src/contract/index.js';
import { verifyRemote } from '../../src/git/index.js';
import { reapAttempt } from '../../src/runner/index.js';
import { git, startTown } from './support/town.js';
import type { Attempt, Town } from './support/town.js';
import { until } from '../support/until.js';

let town: Town;
beforeAll(async () => {
  town = await startTown();
});
afterAll(() => town.stop());

const commit = 'echo x > f; git add f; git -c user.name=A -c user.email=a@localhost commit -qm f';
/** A remote with a hook of somebody's own; `refuse` in the repository is what it looks for. */
const refusing = async (attempt: Attempt, script: string): Promise<void> => {
  await writeFile(join(attempt.origin, 'refuse'), '');
  await writeFile(join(attempt.origin, 'hooks', 'pre-receive'), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
};
const run = async (
  command: string,
  hook?: string,
): Promise<{ attempt: Attempt; result: AttemptResult | undefined; log: string }> => {
  const attempt = await town.attempt({ agent: { adapter: 'shell', command } });
  if (hook !== undefined) await refusing(attempt, hook);
  expect(await attempt.spawn()).toMatchObject({ fenced: true });
  const { result } = await attempt.ended();
  return { attempt, result, log: await readFile(attempt.dir.agentLog, 'utf8') };
};
const branchRef = ({ bead, dir }: Attempt): string => attemptRefs.branchRef(bead, dir.attempt);

describe('finished work that the remote does not take', () => {
  test('its own words reach the agent and the bead, and the commits are kept', async () => {
    const { attempt, result, log } = await run(
      `${commit}; heartbead agent done "wrote it"; exit 7`,
      'echo "big.bin is 120 MB, the limit is 100" >&2; exit 1',
    );
    expect(log).toMatch(/the remote does not take these commits: .*big\.bin is 120 MB, the limit is 100/);
    expect(log).not.toMatch(/allow refs|in a while/);
    const head = await git(attempt.dir.worktree, 'rev-parse', 'HEAD');
    expect(result).toMatchObject({
      outcome: 'push_refused',
      reason: expect.stringContaining('big.bin is 120 MB') as string,
      branch: attemptRefs.branch(attempt.bead, attempt.dir.attempt),
      sha: head,
      summary: 'wrote it',
    });
    expect(result?.retryAfterMs).toBeUndefined();
    expect(await attempt.remote(branchRef(attempt))).toBeUndefined();
  });

  test('an agent that mends its commits as it was told is done', async () => {
    const { attempt, result } = await run(
      `${commit}; heartbead agent done && exit 1; git -c user.name=A -c user.email=a@localhost commit -q ` +
        '--amend -m "T-1: f"; heartbead agent done',
      'while read -r _ new ref; do git log -1 --format=%s "$new" | grep -q "^T-1\\|^Work in\\|^Bead" || { ' +
        'echo "the commit message needs a ticket" >&2; exit 1; }; done',
    );
    expect(result).toMatchObject({ outcome: 'done', sha: await attempt.remote(branchRef(attempt)) });
  });

  test('what was refused is pushed at the end, when the remote takes it by then', async () => {
    const { attempt, result, log } = await run(
      `${commit}; heartbead agent done; rm "$(git config remote.origin.url)/refuse"; exit 3`,
      '[ ! -e refuse ] || { echo "your token has expired" >&2; exit 1; }',
    );
    expect(log).toMatch(/your token has expired.*Your commits are kept, and nothing in them has to change/);
    expect(result).toMatchObject({ outcome: 'done', sha: await attempt.remote(branchRef(attempt)) });
  });

  test('is known also when its runner dies after that', async () => {
    const attempt = await town.attempt({
      agent: { adapter: 'shell', command: `${commit}; heartbead agent done; echo refused; exec sleep 600` },
    });
    await refusing(attempt, 'exit 1');
    await attempt.spawn();
    await until('the refusal', async () => (await readFile(attempt.dir.agentLog, 'utf8')).includes('refused\n'));
    process.kill(await attempt.runnerPid(), 'SIGKILL');
    const head = await git(attempt.dir.worktree, 'rev-parse', 'HEAD');
    expect(await until('the reaped result', () => reapAttempt(attempt.dir, 'its runner died'))).toMatchObject({
      outcome: 'push_refused',
      sha: head,
    });
    await rm(join(attempt.origin, 'hooks', 'pre-receive'));
  });

  test('work that went on after the refusal and was never called done is not taken for finished', async () => {
    const { result } = await run(`${commit}; heartbead agent done; ${commit.replace('echo x', 'echo y')}`, 'exit 1');
    expect(result).toMatchObject({ outcome: 'unreported' });
  });
});

describe('what the runner vouches for', () => {
  test('the bead hears its key with the claim, and the pushed branch is evidence by it alone', async () => {
    const { attempt, result } = await run(`${commit}; heartbead agent done`);
    const key = (await attempt.heard()).find(({ kind }) => kind === 'start')?.vouchKey;
    expect(key).toMatch(/^[\w-]{43}$/);
    const { bead, dir, origin } = attempt;
    const look = (runnerKey: string | undefined): ReturnType<typeof verifyRemote> =>
      verifyRemote({
        root: join(dir.home, 'mirrors'),
        repo: origin,
        branch: attemptRefs.branch(bead, dir.attempt),
        runner: { bead, attempt: dir.attempt, key: runnerKey },
      });
    expect(await look(key)).toMatchObject({ verdict: 'verified', sha: result?.sha });
    expect(await look(undefined)).toMatchObject({ verdict: 'unvouched' });
  });

  test('done is refused, with the way back, on a history of its own', async () => {
    const { attempt, result, log } = await run(
      `git checkout -q --orphan fresh; ${commit}; heartbead agent done && exit 1; git checkout -qf -; ` +
        `${commit}; heartbead agent done`,
    );
    expect(log).toMatch(
      new RegExp(
        'HEAD \\([0-9a-f]{12}\\) does not build on the commit that this bead began with ' +
          `\\(${attempt.baseSha.slice(0, 12)}\\): .git checkout -B `,
      ),
    );
    expect(result).toMatchObject({ outcome: 'done' });
    expect(await git(attempt.origin, 'merge-base', attempt.baseSha, result?.sha ?? '')).toBe(attempt.baseSha);
  });
});
