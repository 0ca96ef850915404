import { mkdir, readFile, readdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CancelledFailure } from '@temporalio/common';
import { ActivityCancellationDetails } from '@temporalio/common/lib/activity-cancellation-details.js';
import { describe, expect, test, vi } from 'vitest';
import { createRefineryActivities } from '../../src/activities/refinery/index.js';
import { processAlive } from '../../src/runner/index.js';
import { noCellHere, sayingBy1 } from '../support/bubblewrap.js';
import {
  bead,
  check,
  checkLog,
  git,
  inputOf,
  leftovers,
  merge,
  originHas,
  originSha,
  othersCommit,
  start,
  until,
  useLab,
  written,
} from './support/lab.js';

const lab = useLab();
const path = (name: string): string => join(lab.dir, name);
const pidsIn = async (name: string): Promise<number[]> =>
  (await readFile(path(name), 'utf8')).trim().split('\n').map(Number);
/**
 * A check that never ends: a child that may ignore SIGTERM, and one in a session of its own, both known by their pids.
 */
const hanging = ({ stubborn = false } = {}): string =>
  `sh -c '${stubborn ? 'trap "" TERM; ' : ''}echo $$ >> ${path('pids')}; while :; do sleep 1; done' & setsid ` +
  `sh -c 'echo $$ >> ${path('pids')}; exec sleep 600' & ` +
  `while [ "$(cat ${path('pids')} 2>/dev/null | wc -l)" -lt 2 ]; do sleep 0.05; done; touch ${path('running')}; wait`;

describe('what a check is given', () => {
  test('the merged tree, HEAD at the merged commit, nothing on standard input, and only the allowed variables', async () => {
    vi.stubEnv('MY_SECRET', 'secret');
    vi.stubEnv('TEMPORAL_API_KEY', 'secret');
    vi.stubEnv('LC_TEST', 'allowed');
    vi.stubEnv('https_proxy', 'http://127.0.0.1:1');
    vi.stubEnv('OF_THE_RIG', 'named');
    const request = await bead(lab, 'lamp', [{ 'lamp.txt': 'on\n' }]);
    // A repository within: a copy of the origin, as it is now.
    await git(lab.dir, 'clone', '--quiet', '--bare', lab.origin, 'within.git');
    await git(lab.seed, 'clone', '--quiet', '--branch', 'main', join(lab.dir, 'within.git'), 'within');
    await othersCommit(lab, {
      'other.txt': 'x\n',
      '.gitmodules': '[submodule "within"]\n\tpath = within\n\turl = ../within.git\n',
    });
    const looks = check(
      'test -d within/.git && test -f lamp.txt && test -f other.txt && test -z "$(git status --porcelain)" && ' +
        `test -z "$(cat)" && git rev-parse HEAD > ${path('head')} && env > ${path('env')}`,
    );
    const input = { ...inputOf(lab, request, { checks: [looks] }), env: ['OF_THE_RIG'] };
    const outcome = await start(lab, input).outcome;
    expect(outcome).toMatchObject({ outcome: 'merged', sha: (await readFile(path('head'), 'utf8')).trim() });
    const env = await readFile(path('env'), 'utf8');
    expect(env).toMatch(/^PATH=/m);
    expect(env).toMatch(/^LC_TEST=allowed$/m);
    expect(env).toMatch(/^https_proxy=http:\/\/127\.0\.0\.1:1$/m);
    expect(env).toMatch(/^OF_THE_RIG=named$/m);
    expect(env).not.toMatch(/secret|^TEMPORAL_|^GIT_DIR/m);
  });

  test.skipIf(noCellHere() !== undefined)(
    'a sandbox, where its host says so: the tree, git, and nothing of the host',
    async () => {
      await writeFile(join(lab.home, 'cell.json'), '{"checks":"sandbox","network":"none"}');
      await writeFile(path('secret'), 'secret');
      const request = await bead(lab, 'lamp', [{ 'lamp.txt': 'on\n' }]);
      const looks = check(
        `test -f lamp.txt && git log --oneline && ! cat ${path('secret')} && ! ls ${lab.home}/mirrors/*/hooks/x`,
      );
      expect(await merge(lab, request, { checks: [looks] })).toMatchObject({ outcome: 'merged' });
      const another = await bead(lab, 'desk', [{ 'desk.txt': 'x\n' }]);
      const reads = check(`cat ${path('secret')}`);
      expect(await merge(lab, another, { checks: [reads] })).toMatchObject({ outcome: 'checks_failed' });
      // What begins its sandbox complains to the same place: a check that speaks there has begun, and has failed.
      const claim = 'bwrap: setting up uid map: Permission denied';
      for (const command of [`echo '${claim}' > /proc/1/fd/2; exit 1`, sayingBy1(claim)])
        expect(await merge(lab, another, { checks: [check(command)] })).toMatchObject({ outcome: 'checks_failed' });
      expect(await checkLog(lab, 'desk')).not.toContain('begun');
    },
  );

  test.skipIf(noCellHere() !== undefined).each([
    ['a .git that names the state directory', () => `rm -r .git; echo "gitdir: ${lab.home}" > .git`],
    ['a .git that is a link to it', () => `rm -r .git; ln -s ${lab.home} .git`],
    [
      'what looks like an entry of a mirror',
      () => `rm -r .git; mkdir -p a/worktrees/b; ln -s ${lab.home} a/objects
      echo "gitdir: $PWD/a/worktrees/b" > .git; echo ../.. > a/worktrees/b/commondir
      echo "$PWD/.git" > a/worktrees/b/gitdir`,
    ],
    ['other objects that it borrows', () => `echo ${lab.home}/other/objects >> .git/objects/info/alternates`],
    ['a pipe in the place of those', () => 'rm .git/objects/info/alternates; mkfifo .git/objects/info/alternates'],
  ])('by %s an earlier one shows it nothing of the host', async (_, plant) => {
    await writeFile(join(lab.home, 'cell.json'), '{"checks":"sandbox","network":"none"}');
    await mkdir(join(lab.home, 'other', 'objects', 'pack'), { recursive: true });
    const request = await bead(lab, 'lamp', [{ 'lamp.txt': 'on\n' }]);
    const looks = check(
      `! cat ${lab.home}/cell.json && ! ls -d ${lab.home}/other && ! ls a/objects/cell.json .git/cell.json && ` +
        `! (mkdir -p ${lab.home} && echo x > ${lab.home}/planted && test -e /proc/1/root/${lab.home}/cell.json)`,
    );
    expect(await merge(lab, request, { checks: [check(plant()), looks] })).toMatchObject({ outcome: 'merged' });
    expect(await readdir(lab.home)).not.toContain('planted');
  });

  test('a tree that it may spoil: what is pushed was committed before', async () => {
    const request = await bead(lab, 'lamp', [{ 'lamp.txt': 'on\n' }]);
    const spoils = check(
      'echo spoilt > lamp.txt; mkdir junk; chmod 555 junk; git -c user.name=x -c user.email=x@example.org ' +
        'commit -qam spoilt',
    );
    expect(await merge(lab, request, { checks: [spoils, check('git rev-parse HEAD')] })).toMatchObject({
      outcome: 'merged',
    });
    expect(await git(lab.origin, 'show', 'main:lamp.txt')).toBe('on');
    expect(await leftovers(lab.home)).toEqual([]);
  });
});

describe('checks that fail', () => {
  test('once: nothing is pushed; the next time it is merged', async () => {
    const request = await bead(lab, 'lamp', [{ 'lamp.txt': 'on\n' }]);
    const once = check(`[ -e ${path('once')} ] || { touch ${path('once')}; echo cold start; exit 3; }`);
    const outcome = await merge(lab, request, { checks: [once] });
    expect(outcome).toEqual({
      outcome: 'checks_failed',
      check: 'test',
      timedOut: false,
      logTail: expect.stringMatching(/^cold start\n\[check test ended with exit code 3 in .+\]$/),
    });
    expect(await originHas(lab, request.sha)).toBe(false);
    expect(await merge(lab, request, { checks: [once] })).toMatchObject({ outcome: 'merged' });
    const log = await checkLog(lab, 'lamp');
    expect(log).toContain('cold start');
    expect(log).toContain('ended: merged');
  });

  test('always: each time the same answer; the first failing check ends it', async () => {
    const request = await bead(lab, 'lamp', [{ 'lamp.txt': 'on\n' }]);
    const checks = [
      check('true', { name: 'lint' }),
      check('echo "$((6*7)) broken" >&2; exit 1', { name: 'unit' }),
      check(`touch ${path('later')}`, { name: 'later' }),
    ];
    for (let time = 0; time < 2; time++)
      expect(await merge(lab, request, { checks })).toMatchObject({
        outcome: 'checks_failed',
        check: 'unit',
        logTail: expect.stringContaining('42 broken'),
      });
    expect(await written(path('later'))).toBe(false);
    expect(await leftovers(lab.home)).toEqual([]);
  });

  test('by a signal: which one is named, also when only a command of the shell got it', async () => {
    const request = await bead(lab, 'lamp', [{ 'lamp.txt': 'on\n' }]);
    expect(await merge(lab, request, { checks: [check('kill -SEGV $$')] })).toMatchObject({
      logTail: expect.stringContaining('was ended by SIGSEGV'),
    });
    expect(await merge(lab, request, { checks: [check('sh -c "kill -ABRT \\$\\$"; exit $?')] })).toMatchObject({
      logTail: expect.stringContaining('exit code 134 (SIGABRT)'),
    });
  });

  test('by SIGKILL, which nobody here has sent: it is run once more before that is the work’s fault', async () => {
    const request = await bead(lab, 'lamp', [{ 'lamp.txt': 'on\n' }]);
    expect(await merge(lab, request, { checks: [check('kill -9 $$')] })).toMatchObject({
      outcome: 'checks_failed',
      logTail: expect.stringMatching(/SIGKILL.*it runs once more[^]*SIGKILL.*\]$/) as string,
    });
    const once = check('test -e again || { touch again; kill -9 $$; }');
    expect(await merge(lab, request, { checks: [once] })).toMatchObject({ outcome: 'merged' });
  });

  test('by a command that does not exist, or a script that cannot be read', async () => {
    const request = await bead(lab, 'lamp', [{ 'lamp.txt': 'on\n' }]);
    expect(await merge(lab, request, { checks: [check('no-such-command --all')] })).toMatchObject({
      outcome: 'checks_failed',
      logTail: expect.stringMatching(/no-such-command.*not found[^]*exit code 127/),
    });
    expect(await merge(lab, request, { checks: [check('if then fi (')] })).toMatchObject({
      outcome: 'checks_failed',
      logTail: expect.stringMatching(/[Ss]yntax error/),
    });
  });

  test('with much to say: the last 60 lines and 4 KB for the agent, without colours; all of it in the log', async () => {
    const request = await bead(lab, 'lamp', [{ 'lamp.txt': 'on\n' }]);
    const chatty = check(
      'i=0; while [ $i -lt 3000 ]; do i=$((i+1)); echo "line $i"; done; printf \'progress 1\\rprogress ' +
        "2\\r\\n'; printf '\\033[31mred\\033[0m\\n'; exit 1",
    );
    const outcome = await merge(lab, request, { checks: [chatty] });
    const tail = outcome.outcome === 'checks_failed' ? outcome.logTail.split('\n') : [];
    expect(tail).toHaveLength(60);
    expect(tail.slice(0, 1)).toEqual(['line 2944']);
    expect(tail.slice(-3)).toEqual(['progress 2', 'red', expect.stringContaining('exit code 1')]);
    expect(await checkLog(lab, 'lamp')).toMatch(/^line 1\n[^]*^line 3000$/m);

    const wide = await merge(lab, request, {
      checks: [check(`head -c 20000 /dev/zero | tr '\\0' a; echo; echo end; exit 1`)],
    });
    const text = wide.outcome === 'checks_failed' ? wide.logTail : '';
    expect(Buffer.byteLength(text)).toBeLessThanOrEqual(4_096);
    expect(text).toMatch(/^…a+\nend\n\[check/);
  });

  test('with a flood: the host survives it, and the log is capped', async () => {
    const request = await bead(lab, 'lamp', [{ 'lamp.txt': 'on\n' }]);
    expect(
      await merge(lab, request, { checks: [check('yes flood | head -c 60000000; echo the end; exit 1')] }),
    ).toMatchObject({ outcome: 'checks_failed', logTail: expect.stringMatching(/flood\nthe end\n\[check/) });
    expect((await checkLog(lab, 'lamp')).length).toBeLessThan(6_000_000);
  });
});

describe('checks that do not end', () => {
  test('are ended with all their processes at their time limit, and called timed out', async () => {
    const request = await bead(lab, 'lamp', [{ 'lamp.txt': 'on\n' }]);
    // Long enough for its processes to start on a busy machine: otherwise there would be nothing to end.
    const outcome = await merge(lab, request, {
      checks: [check(`echo waiting; ${hanging({ stubborn: true })}`, { timeout: 4_000 })],
    });
    expect(outcome).toEqual({
      outcome: 'checks_failed',
      check: 'test',
      timedOut: true,
      logTail: expect.stringMatching(/waiting\n\[check test did not end within 4 s, and was ended/),
    });
    const pids = await pidsIn('pids');
    expect(pids).toHaveLength(2);
    expect(pids.filter((pid) => processAlive(pid))).toEqual([]);
    expect(await leftovers(lab.home)).toEqual([]);
  });

  test('but leave a daemon behind: it is ended too, and the check has passed', async () => {
    const request = await bead(lab, 'lamp', [{ 'lamp.txt': 'on\n' }]);
    expect(
      await merge(lab, request, {
        checks: [
          check(
            `setsid sh -c 'echo $$ > ${path('daemon')}; exec sleep 600' & while [ ! -s ${path('daemon')} ]; ` +
              'do sleep 0.05; done',
          ),
        ],
      }),
    ).toMatchObject({ outcome: 'merged' });
    expect((await pidsIn('daemon')).filter((pid) => processAlive(pid))).toEqual([]);
  });
});

describe('interruptions', () => {
  const cases = [
    ['a cancel', 'CANCELLED', { cancelRequested: true }],
    ['a shutdown of the worker', 'WORKER_SHUTDOWN', { workerShutdown: true }],
    ['a pause in the Web UI', 'PAUSED', { paused: true }],
  ] as const;
  test.each(cases)(
    '%s during a check ends its processes, removes the tree, and merges nothing',
    async (_name, reason, details) => {
      const request = await bead(lab, 'lamp', [{ 'lamp.txt': 'on\n' }]);
      const run = start(lab, inputOf(lab, request, { checks: [check(hanging())] }));
      const ended = run.outcome.catch((error: unknown) => error);
      await until(() => written(path('running')));
      run.environment.cancel(reason, new ActivityCancellationDetails(details));
      expect(await ended).toBeInstanceOf(CancelledFailure);
      expect((await pidsIn('pids')).filter((pid) => processAlive(pid))).toEqual([]);
      expect(await leftovers(lab.home)).toEqual([]);
      expect(await originHas(lab, request.sha)).toBe(false);
      expect(await merge(lab, request)).toMatchObject({ outcome: 'merged' });
    },
  );

  test('a cancel during the push comes too late: the merge is told as it is', async () => {
    const request = await bead(lab, 'lamp', [{ 'lamp.txt': 'on\n' }]);
    const run = start(lab, inputOf(lab, request), {
      observe: (step) => void (step === 'pushing' && run.environment.cancel()),
    });
    expect(await run.outcome).toMatchObject({ outcome: 'merged', sha: await originSha(lab, 'refs/heads/main') });
  });

  test('a cancel while it waits for its turn leaves the one before undisturbed', async () => {
    const activities = createRefineryActivities({ home: lab.home, hostId: 'here' });
    const [first, second] = [
      await bead(lab, 'lamp', [{ 'lamp.txt': 'on\n' }]),
      await bead(lab, 'desk', [{ 'desk.txt': 'on\n' }]),
    ];
    const one = start(
      lab,
      inputOf(lab, first, {
        checks: [check(`touch ${path('running')}; while [ ! -e ${path('go')} ]; do sleep 0.05; done`)],
      }),
      { activities },
    );
    await until(() => written(path('running')));
    const two = start(lab, inputOf(lab, second), { activities });
    const ended = two.outcome.catch((error: unknown) => error);
    await until(() => two.beats.includes('waits for another merge into main on this host'));
    two.environment.cancel();
    expect(await ended).toBeInstanceOf(CancelledFailure);
    await git(lab.dir, 'init', '--quiet', path('go'));
    expect(await one.outcome).toMatchObject({ outcome: 'merged' });
  });

  test('a host that slept for longer than its heartbeat timeout pushes nothing: somebody else may have the merge by now', async () => {
    const request = await bead(lab, 'lamp', [{ 'lamp.txt': 'on\n' }]);
    const before = await originSha(lab, 'refs/heads/main');
    vi.useFakeTimers({ toFake: ['Date'] });
    try {
      const sleeps = (ms: number): Promise<unknown> =>
        start(lab, inputOf(lab, request), {
          heartbeatTimeout: 60_000,
          observe: (step) => void (step === 'checked' && vi.setSystemTime(Date.now() + ms)),
        }).outcome;
      await expect(sleeps(61_000)).rejects.toMatchObject({
        type: 'SetupUnreachable',
        nonRetryable: false,
        message: expect.stringContaining('was asleep for 61 s'),
      });
      expect(await originSha(lab, 'refs/heads/main')).toBe(before);
      expect(await sleeps(50_000)).toMatchObject({ outcome: 'merged' });
    } finally {
      vi.useRealTimers();
    }
  });

  test('a cancel during a push whose end is not known is no cancel: the answer is to look again', async () => {
    const request = await bead(lab, 'lamp', [{ 'lamp.txt': 'on\n' }]);
    const run = start(lab, inputOf(lab, request), {
      observe: async (step) => {
        if (step !== 'recorded') return;
        run.environment.cancel();
        await rename(lab.origin, `${lab.origin}.away`);
      },
    });
    await expect(run.outcome).rejects.toMatchObject({ type: 'SetupUnreachable', nonRetryable: false });
    await rename(`${lab.origin}.away`, lab.origin);
    expect(await merge(lab, request, { withdrawn: true })).toMatchObject({ outcome: 'merged' });
  });

  test('heartbeats tell what it does', async () => {
    const request = await bead(lab, 'lamp', [{ 'lamp.txt': 'on\n' }]);
    const { beats, outcome } = start(lab, inputOf(lab, request, { checks: [check('true')] }));
    await outcome;
    const told = [
      'looking for the target',
      `fetching main and ${request.branch}`,
      `merging ${request.branch} into main (merge)`,
      'check test begins',
      'pushing main',
      'reading main back',
    ];
    expect(beats.filter((text) => told.includes(text))).toEqual(told);
  });
});
