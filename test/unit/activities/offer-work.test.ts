import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MockActivityEnvironment } from '@temporalio/testing';
import { CancelledFailure } from '@temporalio/common';
import { expect, it } from 'vitest';
import { makeOfferWork } from '../../../src/activities/offer-work.js';
import { createWorktree, resolveBase } from '../../../src/git/index.js';
import { commit, mirrorOf, remoteSha, useLab } from '../git/lab.js';

const lab = useLab();

it('a push to a remote that hangs ends with its worker, and the next one brings the commits there', async () => {
  const mirror = await mirrorOf(lab);
  const worktree = join(lab.dir, 'w');
  const ids = { bead: 'a', attempt: '1-abcd' };
  await createWorktree({ mirror, path: worktree, branch: 'work', at: (await resolveBase(mirror)).sha });
  const sha = await commit(worktree, { 'new.txt': 'x' });
  const offerWork = makeOfferWork({
    host: { attemptDir: () => ({ worktree, readInput: () => Promise.resolve(undefined) }) } as never,
  });
  const hook = join(lab.origin, 'hooks', 'pre-receive');
  await writeFile(hook, '#!/bin/sh\nexec sleep 20\n', { mode: 0o755 });
  const town = new MockActivityEnvironment();
  const begun = Date.now();
  const offered = town.run(offerWork, { ...ids, repo: lab.origin, sha }).catch((error: unknown) => error);
  setTimeout(() => town.cancel('WORKER_SHUTDOWN'), 1_500);
  expect(await offered).toBeInstanceOf(CancelledFailure);
  expect(Date.now() - begun).toBeLessThan(15_000);

  await writeFile(hook, '#!/bin/sh\nexit 0\n', { mode: 0o755 });
  const branch = 'heartbead/a/1-abcd';
  const next = await new MockActivityEnvironment().run(offerWork, { ...ids, repo: lab.origin, sha });
  expect(next).toEqual({ pushed: true, branch });
  expect(await remoteSha(lab, `refs/heads/${branch}`)).toBe(sha);
});
