import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { createServer } from 'node:net';
import { ApplicationFailure } from '@temporalio/common';
import { describe, expect, test } from 'vitest';
import { createRefineryActivities } from '../../src/activities/refinery/index.js';
import type { MergeOutcome } from '../../src/contract/index.js';
import {
  bead,
  check,
  fileOnOrigin,
  git,
  hook,
  inputOf,
  leftovers,
  markersOf,
  merge,
  originHas,
  originSha,
  othersCommit,
  parked,
  recordsOf,
  start,
  useLab,
} from './support/lab.js';

const lab = useLab();
const moveMain = (sha: string): string => `git --git-dir ${lab.origin} update-ref refs/heads/main ${sha}`;
const failureOf = (promise: Promise<MergeOutcome>): Promise<ApplicationFailure> =>
  promise.then(
    (outcome) => expect.fail(`it ended with ${JSON.stringify(outcome)}`),
    (error: unknown) => error as ApplicationFailure,
  );

describe('a target that moves', () => {
  test('during the checks: they run again on top of what came', async () => {
    const request = await bead(lab, 'lamp', [{ 'lamp.txt': 'on\n' }]);
    const other = await parked(lab, await originSha(lab, 'refs/heads/main'), { 'other.txt': 'x\n' });
    const once = join(lab.dir, 'once');
    const outcome = await merge(lab, request, {
      checks: [check(`if [ -e ${once} ]; then test -f other.txt; else touch ${once}; ${moveMain(other)}; fi`)],
    });
    expect(outcome).toMatchObject({ outcome: 'merged', sha: await originSha(lab, 'refs/heads/main') });
    expect(await git(lab.origin, 'rev-parse', 'main^1')).toBe(other);
    expect(await recordsOf(lab, request)).toHaveLength(1);
  });

  test('during every check: given up after five tries, with the advice to try again; nothing was pushed', async () => {
    const request = await bead(lab, 'lamp', [{ 'lamp.txt': 'on\n' }]);
    const always = check(
      moveMain(
        `$(git --git-dir ${lab.origin} -c user.name=o -c user.email=o@example.org commit-tree -p main -m ` +
          'other main^{tree})',
      ),
    );
    expect(await merge(lab, request, { checks: [always] })).toEqual({
      outcome: 'push_rejected',
      retry: true,
      reason: expect.stringContaining('moved 5 times'),
    });
    expect(
      (await git(lab.origin, 'log', '--format=%s', 'main')).split('\n').filter((line) => line === 'other'),
    ).toHaveLength(5);
    expect(await originHas(lab, request.sha)).toBe(false);
    expect(await leftovers(lab.home)).toEqual([]);
  });

  test('by a force-push during the checks: the lease does not hold, the merge is made on the new head and overwrites nothing', async () => {
    const root = await originSha(lab, 'refs/heads/main');
    await othersCommit(lab, { 'dropped.txt': 'x\n' });
    const request = await bead(lab, 'lamp', [{ 'lamp.txt': 'on\n' }], { from: 'main' });
    const rewritten = await parked(lab, root, { 'instead.txt': 'x\n' });
    const once = join(lab.dir, 'once');
    const outcome = await merge(lab, request, {
      strategy: 'squash',
      checks: [check(`[ -e ${once} ] || { touch ${once}; ${moveMain(rewritten)}; }`)],
    });
    expect(outcome).toMatchObject({ outcome: 'merged' });
    expect(await git(lab.origin, 'rev-parse', 'main^')).toBe(rewritten);
    expect(await fileOnOrigin(lab, 'instead.txt')).toBe('x');
  });

  test('into a conflict during the checks: the conflict is with the new head', async () => {
    const request = await bead(lab, 'lamp', [{ 'list.txt': 'one\nlamp\nthree\n' }]);
    const other = await parked(lab, await originSha(lab, 'refs/heads/main'), { 'list.txt': 'one\nother\nthree\n' });
    expect(await merge(lab, request, { checks: [check(moveMain(other))] })).toEqual({
      outcome: 'conflict',
      paths: ['list.txt'],
      target: 'main',
      targetSha: other,
    });
  });

  test("between the last look and the remote's own turn: the remote refuses, and it is done again", async () => {
    const request = await bead(lab, 'lamp', [{ 'lamp.txt': 'on\n' }]);
    const other = await parked(lab, await originSha(lab, 'refs/heads/main'), { 'other.txt': 'x\n' });
    await hook(
      lab,
      'pre-receive',
      `[ -e ${lab.dir}/raced ] && exit 0; touch ${lab.dir}/raced; unset GIT_QUARANTINE_PATH; ${moveMain(other)}`,
    );
    expect(await merge(lab, request)).toMatchObject({ outcome: 'merged' });
    expect(await git(lab.origin, 'rev-parse', 'main^1')).toBe(other);
  });

  test('away from the merge right after the push: it is merged again onto what is there', async () => {
    const request = await bead(lab, 'lamp', [{ 'lamp.txt': 'on\n' }]);
    const other = await parked(lab, await originSha(lab, 'refs/heads/main'), { 'other.txt': 'x\n' });
    let raced = false;
    const outcome = await merge(lab, request, {
      observe: async (step) => {
        if (step !== 'recorded' || raced) return;
        raced = true;
        await git(lab.origin, 'update-ref', 'refs/heads/main', other);
      },
    });
    expect(outcome).toMatchObject({ outcome: 'merged', sha: await originSha(lab, 'refs/heads/main') });
    expect(await git(lab.origin, 'rev-parse', 'main^1')).toBe(other);
    expect(await markersOf(lab, request)).toBe(await originSha(lab, 'refs/heads/main'));
  });

  test('on top of the merge right after the push: merged it is', async () => {
    const request = await bead(lab, 'lamp', [{ 'lamp.txt': 'on\n' }]);
    const outcome = await merge(lab, request, {
      observe: async (step) => {
        if (step === 'recorded') await othersCommit(lab, { 'more.txt': 'x\n' });
      },
    });
    expect(outcome).toMatchObject({ outcome: 'merged', sha: await markersOf(lab, request) });
    expect(await recordsOf(lab, request)).toHaveLength(1);
  });
});

describe('branches that are not what was verified', () => {
  test('a branch that was deleted is an error that says so', async () => {
    const request = await bead(lab, 'lamp', [{ 'lamp.txt': 'on\n' }]);
    await git(lab.origin, 'update-ref', '-d', `refs/heads/${request.branch}`);
    expect(await merge(lab, request)).toEqual({
      outcome: 'error',
      reason: expect.stringContaining(`${request.branch} is no longer on the remote`),
    });
  });

  test('a branch that moved since its verification is an error that names both commits', async () => {
    const request = await bead(lab, 'lamp', [{ 'lamp.txt': 'on\n' }]);
    const moved = await othersCommit(lab, { 'lamp.txt': 'unseen\n' }, request.branch);
    const outcome = await merge(lab, request);
    expect(outcome).toEqual({ outcome: 'error', reason: expect.stringContaining(moved) });
    expect(outcome).toEqual({ outcome: 'error', reason: expect.stringContaining(request.sha) });
    expect(await originHas(lab, request.sha)).toBe(false);
  });

  test('a target that is not there, or is deleted during the checks, is an error that says so', async () => {
    const request = await bead(lab, 'lamp', [{ 'lamp.txt': 'on\n' }]);
    expect(await merge(lab, { ...request, target: 'release' })).toEqual({
      outcome: 'error',
      reason: expect.stringContaining('no branch release'),
    });
    const deleted = await merge(lab, request, {
      checks: [check(`git --git-dir ${lab.origin} update-ref -d refs/heads/main`)],
    });
    expect(deleted).toEqual({ outcome: 'error', reason: expect.stringContaining('no branch main') });
    expect(await originSha(lab, 'refs/heads/main')).toBe('');
  });
});

describe('a remote that refuses', () => {
  test("a protected branch: refused for good, in the remote's words, with nothing changed", async () => {
    await hook(
      lab,
      'update',
      'case $1 in refs/heads/main) echo "GH006: Protected branch update failed" >&2; exit 1;; esac',
    );
    const request = await bead(lab, 'lamp', [{ 'lamp.txt': 'on\n' }]);
    const before = await originSha(lab, 'refs/heads/main');
    const outcome = await merge(lab, request);
    expect(outcome).toEqual({
      outcome: 'push_rejected',
      retry: false,
      reason: expect.stringContaining('GH006: Protected branch'),
    });
    expect(await originSha(lab, 'refs/heads/main')).toBe(before);
    expect(await markersOf(lab, request)).toBe('');
  });

  test('our marker only: merged all the same, and recognised by its commit', async () => {
    await hook(lab, 'update', 'case $1 in refs/heartbead/*) echo "no such namespace" >&2; exit 1;; esac');
    const request = await bead(lab, 'lamp', [{ 'lamp.txt': 'on\n' }]);
    await othersCommit(lab, { 'other.txt': 'x\n' });
    for (let time = 0; time < 2; time++)
      expect(await merge(lab, request, { strategy: 'squash' })).toMatchObject({
        outcome: 'merged',
        sha: await originSha(lab, 'refs/heads/main'),
      });
    expect(await recordsOf(lab, request)).toHaveLength(1);
    expect(await markersOf(lab, request)).toBe('');
  });

  test('transactions: the target first, then the marker', async () => {
    await git(lab.origin, 'config', 'receive.advertiseAtomic', 'false');
    const request = await bead(lab, 'lamp', [{ 'lamp.txt': 'on\n' }]);
    expect(await merge(lab, request)).toMatchObject({
      outcome: 'merged',
      sha: await originSha(lab, 'refs/heads/main'),
    });
    expect(await markersOf(lab, request)).toBe(await originSha(lab, 'refs/heads/main'));
  });

  test('transactions, and the target moves: the lease holds there too', async () => {
    await git(lab.origin, 'config', 'receive.advertiseAtomic', 'false');
    const request = await bead(lab, 'lamp', [{ 'lamp.txt': 'on\n' }]);
    const other = await parked(lab, await originSha(lab, 'refs/heads/main'), { 'other.txt': 'x\n' });
    const once = join(lab.dir, 'once');
    expect(
      await merge(lab, request, { checks: [check(`[ -e ${once} ] || { touch ${once}; ${moveMain(other)}; }`)] }),
    ).toMatchObject({ outcome: 'merged' });
    expect(await git(lab.origin, 'rev-parse', 'main^1')).toBe(other);
  });
});

describe('an origin that is gone for a while', () => {
  test.each(['before it begins', 'during the checks', 'at the push', 'right after the push'] as const)(
    '%s: a failure that the server tries again; then merged exactly once',
    async (when) => {
      const request = await bead(lab, 'lamp', [{ 'lamp.txt': 'on\n' }]);
      const away = `${lab.origin}.away`;
      const go = (): Promise<void> => rename(lab.origin, away);
      if (when === 'before it begins') await go();
      const failure = await failureOf(
        merge(lab, request, {
          checks: [check(when === 'during the checks' ? `mv ${lab.origin} ${away}` : 'true')],
          observe: async (step) => {
            if (
              (when === 'at the push' && step === 'pushing') ||
              (when === 'right after the push' && step === 'recorded')
            )
              await go();
          },
        }),
      );
      expect(failure).toBeInstanceOf(ApplicationFailure);
      expect(failure).toMatchObject({ type: 'SetupUnreachable', nonRetryable: false });
      expect(await leftovers(lab.home)).toEqual([]);

      await rename(away, lab.origin);
      expect(await merge(lab, request)).toMatchObject({
        outcome: 'merged',
        sha: await originSha(lab, 'refs/heads/main'),
      });
      expect(await recordsOf(lab, request)).toHaveLength(1);
    },
  );

  test('a server that does not answer: the same failure', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    const port = await new Promise<number>((resolve) =>
      server.once('listening', () => resolve((server.address() as { port: number }).port)),
    );
    await new Promise((resolve) => server.close(resolve));
    const request = await bead(lab, 'lamp', [{ 'lamp.txt': 'on\n' }]);
    const failure = await failureOf(
      start(lab, { ...inputOf(lab, request), repo: `http://127.0.0.1:${port}/x.git` }).outcome,
    );
    expect(failure).toMatchObject({ type: 'SetupUnreachable', nonRetryable: false });
  });
});

describe('two beads at once on one target, with a conflict between them', () => {
  test('on one host they take turns: one is merged, the other hears of the conflict', async () => {
    const first = await bead(lab, 'lamp', [{ 'list.txt': 'one\nlamp\nthree\n' }]);
    const second = await bead(lab, 'desk', [{ 'list.txt': 'one\ndesk\nthree\n' }]);
    let within = 0;
    const activities = createRefineryActivities({
      home: lab.home,
      hostId: 'here',
      observe: (step) => {
        if (step === 'looked') expect((within += 1)).toBe(1);
        if (step === 'removed') within -= 1;
      },
    });
    const runs = [first, second].map((request) =>
      start(lab, inputOf(lab, request, { checks: [check('true')] }), { activities }),
    );
    const outcomes = await Promise.all(runs.map(({ outcome }) => outcome));
    expect(outcomes.map(({ outcome }) => outcome).sort()).toEqual(['conflict', 'merged']);
    expect(outcomes.find(({ outcome }) => outcome === 'conflict')).toMatchObject({
      paths: ['list.txt'],
      targetSha: await originSha(lab, 'refs/heads/main'),
    });
    expect(runs.flatMap(({ beats }) => beats)).toContain('waits for another merge into main on this host');
  });

  test('on two hosts the lease decides: both are ready to push, one is merged, the other hears of the conflict', async () => {
    const requests = [
      await bead(lab, 'lamp', [{ 'list.txt': 'one\nlamp\nthree\n' }]),
      await bead(lab, 'desk', [{ 'list.txt': 'one\ndesk\nthree\n' }]),
    ];
    let arrived = 0;
    let open: () => void = () => undefined;
    const both = new Promise<void>((resolve) => (open = resolve));
    const outcomes = await Promise.all(
      requests.map((request, host) =>
        merge(lab, request, {
          home: join(lab.dir, `host-${host}`),
          observe: async (step) => {
            if (step !== 'pushing' || arrived === 2) return;
            if ((arrived += 1) === 2) open();
            await both;
          },
        }),
      ),
    );
    expect(outcomes.map(({ outcome }) => outcome).sort()).toEqual(['conflict', 'merged']);
    expect(await git(lab.origin, 'rev-list', '--first-parent', '--count', 'main')).toBe('2');
  });

  test('the same bead on two hosts (an activity that was believed dead): merged exactly once, both say so', async () => {
    const request = await bead(lab, 'lamp', [{ 'lamp.txt': 'on\n' }]);
    await othersCommit(lab, { 'other.txt': 'x\n' });
    let arrived = 0;
    let open: () => void = () => undefined;
    const both = new Promise<void>((resolve) => (open = resolve));
    const outcomes = await Promise.all(
      [0, 1].map((host) =>
        merge(lab, request, {
          home: join(lab.dir, `host-${host}`),
          strategy: 'squash',
          observe: async (step) => {
            if (step !== 'pushing' || arrived === 2) return;
            if ((arrived += 1) === 2) open();
            await both;
          },
        }),
      ),
    );
    expect(outcomes[0]).toMatchObject({ outcome: 'merged', sha: await originSha(lab, 'refs/heads/main') });
    expect(outcomes[1]).toEqual(outcomes[0]);
    expect(await recordsOf(lab, request)).toHaveLength(1);
  });
});
