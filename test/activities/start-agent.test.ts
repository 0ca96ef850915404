import { existsSync, mkdirSync } from 'node:fs';
import { readFile, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import type { AttemptResult, Evidence, StartAgentInput, StopAttemptResult } from '../../src/contract/index.js';
import type { SpareTree } from '../../src/git/index.js';
import { findProcesses, processAlive, RunnerControl } from '../../src/runner/index.js';
import type { AttemptDir, RunnerRecord } from '../../src/runner/index.js';
import { HostLab, newAttempt } from './support/host-lab.js';
import type { Desk, Running } from './support/host-lab.js';
import { git } from './support/origin.js';

const patient = { timeout: 90_000, interval: 100 };

/** An agent that works until it is stopped. */
const endless: Partial<StartAgentInput> = {
  agent: { adapter: 'demo', options: { steps: 10_000, stepMs: 200, commits: 0 } },
};

async function resultOf(running: Running): Promise<AttemptResult> {
  const ending = await running.ending();
  if (ending.kind !== 'result') throw new Error(`not a result: ${JSON.stringify(ending)}`);
  return ending.result as AttemptResult;
}

/** Resolves when the agent runs. */
async function agentOf(dir: AttemptDir): Promise<RunnerRecord & { agent: NonNullable<RunnerRecord['agent']> }> {
  let record: RunnerRecord | undefined;
  await expect.poll(async () => (record = await dir.readRunner())?.agent, patient).toBeDefined();
  return record as RunnerRecord & { agent: NonNullable<RunnerRecord['agent']> };
}

/** How many agents the runners of an attempt have ever spawned. */
const spawns = async (dir: AttemptDir): Promise<number> =>
  (await readFile(dir.runnerLog, 'utf8')).split('\n').filter((line) => line.includes('"agent spawned"')).length;

const errand = (lab: HostLab, { bead, attempt }: Desk): { bead: string; attempt: string; repo: string } => ({
  bead,
  attempt,
  repo: lab.origin.url,
});
const stop = (lab: HostLab, desk: Desk): Promise<StopAttemptResult> =>
  desk.onHost('stopAttempt', { ...errand(lab, desk), outcome: 'stopped', reason: 'enough' });

describe('an attempt on a host with its watch', () => {
  let lab: HostLab;
  beforeAll(async () => {
    lab = await HostLab.open();
  });
  afterAll(() => lab.close());

  test('runs from the clone to a verified branch, and its worktree goes when everything in it is on the remote', async () => {
    const desk = await lab.desk();
    const result = await resultOf(await desk.start(lab.input(desk)));
    expect(result).toMatchObject({
      attempt: desk.attempt,
      outcome: 'done',
      host: lab.host.hostId,
      baseSha: lab.origin.sha,
      branch: `heartbead/${desk.bead}/${desk.attempt}`,
    });
    const names = (await desk.signals()).map(({ name, payload }) =>
      `${name} ${(payload as { kind?: string }).kind ?? ''}`.trim(),
    );
    expect(names.slice(0, 2)).toEqual(['accepted', 'heartbeat start']);

    const claim = { ...errand(lab, desk), branch: result.branch, sha: result.sha, baseSha: result.baseSha };
    // It is not a thing of the host's queue.
    expect(await desk.onHost<Evidence>('verifyWork', claim).catch((error: unknown) => error)).toBeInstanceOf(Error);
    const evidence = await (await desk.call('verifyWork', lab.town, claim)).ending();
    expect(evidence).toMatchObject({
      kind: 'result',
      result: { verdict: 'verified', sha: result.sha, baseSha: lab.origin.sha, ahead: 1 },
    });

    // Asked again after its end, the host answers with what it has recorded (adoption, case b).
    expect(await resultOf(await desk.adopt(lab.input(desk)))).toEqual(result);

    const dir = lab.dir(desk);
    expect(existsSync(dir.file('connection.json'))).toBe(true);
    // While it is the bead's newest attempt a person may want to look at it.
    expect(await lab.hostActivities.tidy(dir)).toBe(false);
    expect((await stat(dir.worktree)).isDirectory()).toBe(true);
    await desk.setState({ status: 'closed', attempts: [{ id: desk.attempt }] });
    // The credentials do not wait for that.
    for (const secret of ['connection.json', 'token']) expect(existsSync(dir.file(secret))).toBe(false);
    expect(await lab.hostActivities.tidy(dir)).toBe(true);
    await expect(stat(dir.worktree)).rejects.toThrow('ENOENT');
    expect(await readdir(dir.path)).toEqual(expect.arrayContaining(['result.json', 'agent.log', 'runner.log']));
    expect(await lab.hostActivities.tidy(dir)).toBe(true);
  });

  test("goes on where the last attempt's saved work ends", async () => {
    const desk = await lab.desk();
    const first = await resultOf(
      await desk.start(
        lab.input(desk, { agent: { adapter: 'demo', options: { steps: 4, stepMs: 50, commits: 4, crashAtStep: 3 } } }),
      ),
    );
    expect(first).toMatchObject({ outcome: 'agent_failed', checkpoint: { wip: true } });
    const attempt = newAttempt(2);
    await desk.setState({ status: 'in_progress', current: { id: attempt } });
    const second = await resultOf(
      await desk.start(
        lab.input(desk, {
          attempt,
          number: 2,
          checkpoint: first.checkpoint as NonNullable<AttemptResult['checkpoint']>,
          agent: { adapter: 'demo', options: { steps: 4, stepMs: 50, commits: 4 } },
        }),
      ),
    );
    expect(second.outcome).toBe('done');
    // What the first one had committed is there, made by the first.
    expect(await git(lab.origin.url, 'rev-list', '--count', `main..${second.branch ?? ''}`)).toBe('4');
  });

  test('begins at the commit that its convoy names, also when the base has none of it', async () => {
    const tip = await git(
      lab.origin.url,
      'commit-tree',
      '-p',
      lab.origin.sha,
      '-m',
      'what it needs',
      `${lab.origin.sha}^{tree}`,
    );
    await git(lab.origin.url, 'update-ref', 'refs/heads/convoy/somewhere', tip);
    const desk = await lab.desk();
    const result = await resultOf(await desk.start(lab.input(desk, { baseSha: tip })));
    expect(result).toMatchObject({ outcome: 'done', baseSha: tip });
    expect(await git(lab.origin.url, 'rev-parse', `${result.branch ?? ''}^`)).toBe(tip);
  });

  test('begins at the base, and tells the agent, when the saved work is nowhere any more', async () => {
    const desk = await lab.desk();
    const checkpoint = { sha: 'deadbeef'.repeat(5), ref: `refs/heartbead/${desk.bead}/0-gone/wip`, wip: true };
    const result = await resultOf(await desk.start(lab.input(desk, { checkpoint })));
    expect(result).toMatchObject({ outcome: 'done', baseSha: lab.origin.sha });
    expect((await lab.dir(desk).readInput())?.notes.at(-1)).toMatch(
      /^this attempt begins at the base branch, not at the work of an earlier one: the saved work deadbeef/,
    );
  });

  test('begins at the base, and tells the agent, when the saved work builds on what was taken out of the base', async () => {
    const { url, sha: base } = lab.origin;
    const made = (parent: string, message: string): Promise<string> =>
      git(url, 'commit-tree', '-p', parent, '-m', message, `${base}^{tree}`);
    const began = await made(base, 'was on the base for a while');
    const saved = await made(began, 'saved work');
    const desk = await lab.desk();
    const ref = `refs/heartbead/${desk.bead}/0-gone/wip`;
    await git(url, 'update-ref', ref, saved);
    const checkpoint = { sha: saved, ref, wip: false };
    const result = await resultOf(await desk.start(lab.input(desk, { checkpoint, began })));
    expect(result).toMatchObject({ outcome: 'done', baseSha: base });
    expect(await git(url, 'rev-list', `${base}..${result.branch ?? ''}`)).not.toContain(began);
    expect((await lab.dir(desk).readInput())?.notes.at(-1)).toContain(`git cherry-pick ${began}..${saved}`);
  });

  test('begins at the base also when an attempt between, which had begun there, has left nothing of its own', async () => {
    const { url, sha: base } = lab.origin;
    const branch = 'rewritten';
    const began = await git(url, 'commit-tree', '-p', base, '-m', 'was there for a while', `${base}^{tree}`);
    await git(url, 'update-ref', `refs/heads/${branch}`, began);
    const desk = await lab.desk();
    const agent = { adapter: 'demo', options: { steps: 4, stepMs: 50, commits: 4, crashAtStep: 3 } };
    const first = await resultOf(await desk.start(lab.input(desk, { base: branch, agent })));
    expect(first).toMatchObject({ outcome: 'agent_failed', baseSha: began, checkpoint: { wip: true } });
    await git(url, 'update-ref', `refs/heads/${branch}`, base);

    // The one between has told its bead where it began, and no more.
    const third = { attempt: newAttempt(3), number: 3, base: branch, began: base };
    await desk.setState({ status: 'in_progress', current: { id: third.attempt } });
    const result = await resultOf(await desk.start(lab.input(desk, third)));
    expect(result).toMatchObject({ outcome: 'done', baseSha: base });
    expect(await git(url, 'rev-list', `${base}..${result.branch ?? ''}`)).not.toContain(began);
  });

  test('is handed over to a new call while its agent works on undisturbed (adoption, case c)', async () => {
    const desk = await lab.desk();
    const clocks = { ...lab.input(desk).clocks, heartbeatTimeout: 8_000 };
    const first = await desk.start(lab.input(desk, { ...endless, clocks }));
    const before = await agentOf(lab.dir(desk));
    const second = await desk.adopt(lab.input(desk, { ...endless, clocks }));
    // The runner beats for the second call now; the first one's heartbeat stops.
    expect(await first.ending()).toMatchObject({ kind: 'timeout', timeout: 'HEARTBEAT' });
    expect((await desk.signals()).map(({ payload }) => (payload as { kind?: string }).kind)).toContain('adopted');
    const after = await agentOf(lab.dir(desk));
    expect({ runner: after.pid, agent: after.agent }).toEqual({ runner: before.pid, agent: before.agent });
    expect(await spawns(lab.dir(desk))).toBe(1);

    expect(await stop(lab, desk)).toMatchObject({ confirmed: true, result: { outcome: 'stopped', reason: 'enough' } });
    expect(findProcesses({ attempt: desk.attempt, group: before.agent })).toEqual([]);
    expect(await resultOf(second)).toMatchObject({ outcome: 'stopped' });
    // Once more: nothing is left to stop, and the answer is the same.
    expect(await stop(lab, desk)).toMatchObject({ confirmed: true, result: { outcome: 'stopped' } });
  });

  test('two calls for one attempt at once: one runner, one agent', async () => {
    const desk = await lab.desk();
    const input = lab.input(desk, { agent: { adapter: 'demo', options: { steps: 2, stepMs: 500, commits: 1 } } });
    const calls = await Promise.all([desk.start(input), desk.start(input), desk.adopt({ ...input })]);
    const endings = await Promise.all(calls.map((call) => call.ending()));
    expect(endings.filter(({ kind }) => kind === 'result').length).toBeGreaterThanOrEqual(1);
    for (const ending of endings) {
      // Who did not get the runner was told so, or was the first to be watched and then relieved.
      if (ending.kind === 'failure') expect(['RunnerRefused', 'NoSuchAttempt']).toContain(ending.type);
      else if (ending.kind === 'result') expect(ending.result).toMatchObject({ outcome: 'done' });
      else expect(ending).toMatchObject({ kind: 'timeout', timeout: 'HEARTBEAT' });
    }
    expect(await spawns(lab.dir(desk))).toBe(1);
  });

  test('that is being prepared is joined by an adoption: nothing is done twice (case d)', async () => {
    const desk = await lab.desk();
    const input = lab.input(desk, { agent: { adapter: 'demo', options: { steps: 1, commits: 1, prepareMs: 15_000 } } });
    const first = await desk.start(input);
    let percent = 0;
    const look = async (): Promise<number> =>
      (percent = Number(/preparing (\d+) %/.exec((await desk.pending())[0]?.details?.text ?? '')?.[1] ?? 0));
    await expect.poll(look, patient).toBeGreaterThan(10);
    const ready = await readyMark(lab);
    const second = await desk.adopt({ ...input, notes: ['what came later'] });
    expect(await first.ending()).toMatchObject({ kind: 'failure', type: 'RunnerRefused' });
    const before = percent;
    // It goes on from where it was.
    await expect.poll(look, patient).toBeGreaterThanOrEqual(before);
    expect(await resultOf(second)).toMatchObject({ outcome: 'done' });
    expect(await readyMark(lab)).toEqual(ready);
    expect((await lab.dir(desk).readInput())?.notes).toEqual(['what came later']);
    expect(await spawns(lab.dir(desk))).toBe(1);
  });

  test('that its host has just taken, when everything stood still, is known to the adoption that follows', async () => {
    const desk = await lab.desk();
    const current = { id: desk.attempt, lastSignAt: 0 };
    await desk.setState({ status: 'speechless', current });
    const input = lab.input(desk);
    const first = await desk.start(input);
    await expect
      .poll(async () => (await desk.pending())[0]?.details?.text, patient)
      .toBe('waits for the bead to answer');
    const second = await desk.adopt(input);
    // The adoption has found the attempt: the first call gives way, and the adoption waits as that one did.
    expect(await first.ending()).toMatchObject({ kind: 'failure', type: 'RunnerRefused' });
    await expect
      .poll(async () => (await desk.pending()).map(({ details }) => details?.text), patient)
      .toEqual(['waits for the bead to answer']);
    await desk.setState({ status: 'in_progress', current });
    expect(await second.ending()).toMatchObject({ kind: 'result', result: { outcome: 'done' } });
    expect(await spawns(lab.dir(desk))).toBe(1);
  });

  test('that was interrupted in mid-preparation is begun anew by an adoption (case e)', async () => {
    const desk = await lab.desk();
    const input = lab.input(desk);
    // What a worker leaves that was killed in mid-clone.
    await lab.dir(desk).create();
    await lab.dir(desk).writeInput(input);
    await lab.dir(desk).writeToken(Buffer.from('a token of long ago'));
    let written = 0;
    const dir = lab.dir(desk);
    const { writeInput } = dir;
    dir.writeInput = (kept) => ((written += 1), writeInput(kept));
    const folder = vi.spyOn(lab.host, 'attemptDir').mockReturnValue(dir);
    expect(await resultOf(await desk.adopt(input))).toMatchObject({ outcome: 'done' });
    folder.mockRestore();
    expect(written).toBe(1);
    expect(await spawns(lab.dir(desk))).toBe(1);
    await expect.poll(() => lab.host.places.starting, patient).toBe(0);
  });

  test('whose runner and agent are killed is reported lost within seconds, its work saved', async () => {
    const desk = await lab.desk();
    const clocks = { ...lab.input(desk).clocks, heartbeatTimeout: 600_000, checkpointEvery: 1_000 };
    const running = await desk.start(
      lab.input(desk, { agent: { adapter: 'demo', options: { steps: 1_000, stepMs: 100, commits: 1_000 } }, clocks }),
    );
    const dir = lab.dir(desk);
    const record = await agentOf(dir);
    await expect.poll(async () => (await dir.readRunner())?.checkpoint, patient).toBeDefined();
    process.kill(record.pid, 'SIGKILL');
    process.kill(-record.agent.pgid, 'SIGKILL');
    // The heartbeat timeout is ten minutes away: the host has told.
    const result = await resultOf(running);
    expect(result).toMatchObject({
      outcome: 'lost',
      host: lab.host.hostId,
      checkpoint: { ref: `refs/heartbead/${desk.bead}/${desk.attempt}/wip` },
    });
    expect(findProcesses({ attempt: desk.attempt, group: record.agent })).toEqual([]);
    expect(await git(lab.origin.url, 'rev-parse', result.checkpoint?.ref ?? '')).toBe(result.checkpoint?.sha);
    await expect.poll(() => lab.host.runners.has(lab.dir(desk)), patient).toBe(false);
  });

  test('is frozen and let go on by the host, and hears messages', async () => {
    const desk = await lab.desk();
    const running = await desk.start(
      lab.input(desk, {
        agent: {
          adapter: 'demo',
          options: { steps: 1, commits: 1, stepMs: 10, silenceAfterStep: 1, silenceMs: 600_000, wakeOnMessage: true },
        },
      }),
    );
    const { agent } = await agentOf(lab.dir(desk));
    await desk.onHost('pauseAttempt', { ...errand(lab, desk), paused: true });
    // The kernel stops a process when it next looks at its signals, which a busy machine puts off.
    await expect.poll(() => stateOfProcess(agent.pid), patient).toBe('T');
    await desk.onHost('pauseAttempt', { ...errand(lab, desk), paused: false });
    expect(await stateOfProcess(agent.pid)).not.toBe('T');
    const say = (id: string): Promise<unknown> =>
      desk.onHost('deliverMessage', {
        ...errand(lab, desk),
        message: { id, text: 'wake up', from: 'operator', at: 1 },
      });
    await say('m1');
    await expect
      .poll(
        async () => (await new RunnerControl(lab.dir(desk)).status().catch(() => undefined))?.unacknowledged ?? 0,
        patient,
      )
      .toBe(0);
    // If it read the first one before it fell silent, the second one wakes it; if not, it is about to end and hears no
    // more.
    await say('m2').catch(() => undefined);
    expect((await resultOf(running)).acknowledged).toContain('m1');
    // Too late: the bead learns that nobody will hear it.
    await expect(
      desk.onHost('deliverMessage', {
        ...errand(lab, desk),
        message: { id: 'm3', text: 'hello?', from: 'operator', at: 2 },
      }),
    ).rejects.toThrow('NoSuchAttempt');
  });

  test('paused in the Web UI before its agent exists, it waits with the spawn until it is unpaused', async () => {
    const desk = await lab.desk();
    const input = lab.input(desk, { agent: { adapter: 'demo', options: { steps: 1, commits: 1, prepareMs: 2_500 } } });
    const running = await desk.start(input);
    await expect.poll(async () => (await desk.pending())[0]?.details?.text ?? '', patient).toMatch(/preparing/);
    const { workflowService } = lab.client;
    const execution = { workflowId: desk.handle.workflowId };
    const { namespace } = lab.client.options;
    await workflowService.pauseActivity({ namespace, execution, type: 'startAgent', identity: 'an operator' });
    await expect
      .poll(async () => (await desk.pending())[0]?.details?.text ?? '', patient)
      .toMatch(/paused in the Web UI/);
    expect(await lab.dir(desk).readRunner()).toBeUndefined();
    await workflowService.unpauseActivity({ namespace, execution, type: 'startAgent', identity: 'an operator' });
    expect(await resultOf(running)).toMatchObject({ outcome: 'done' });
    expect(await spawns(lab.dir(desk))).toBe(1);
  });

  test('never takes more places than there are, and its worktree stays while it runs', async () => {
    const desk = await lab.desk();
    const running = await desk.start(lab.input(desk, endless));
    await agentOf(lab.dir(desk));
    expect(lab.host.runners.has(lab.dir(desk))).toBe(true);
    await desk.setState({ status: 'closed', attempts: [{ id: desk.attempt }] });
    expect(await lab.hostActivities.tidy(lab.dir(desk))).toBe(false);
    expect((await stat(lab.dir(desk).worktree)).isDirectory()).toBe(true);
    await running.cancel();
    const ending = await running.ending();
    expect(ending).toMatchObject({ kind: 'cancelled', details: [{ outcome: 'stopped' }] });
    await expect.poll(() => lab.host.runners.has(lab.dir(desk)), patient).toBe(false);
  });
});

describe('an attempt on a host whose watch has not looked yet', () => {
  let lab: HostLab;
  beforeAll(async () => {
    lab = await HostLab.open({ watch: false });
  });
  afterAll(() => lab.close());

  test('whose runner was killed is settled by its adoption: agent ended, work saved, result recorded (case f)', async () => {
    const desk = await lab.desk();
    const clocks = { ...lab.input(desk).clocks, heartbeatTimeout: 4_000 };
    const input = lab.input(desk, {
      agent: { adapter: 'demo', options: { steps: 1_000, stepMs: 100, commits: 0, leaveDaemon: true } },
      clocks,
    });
    const first = await desk.start(input);
    const dir = lab.dir(desk);
    const record = await agentOf(dir);
    await expect
      .poll(() => new RunnerControl(dir).status().then(({ lastProgressAt }) => lastProgressAt), patient)
      .toBeDefined();
    process.kill(record.pid, 'SIGKILL');
    expect(await first.ending()).toMatchObject({
      kind: 'timeout',
      timeout: 'HEARTBEAT',
      lastDetails: { phase: 'running' },
    });
    const result = await resultOf(await desk.adopt(input));
    expect(result).toMatchObject({ outcome: 'lost', attempt: desk.attempt });
    expect(findProcesses({ attempt: desk.attempt, group: record.agent })).toEqual([]);
    expect(processAlive(record.agent.pid, record.agent.startTime)).toBe(false);
    expect(await dir.readResult()).toEqual(result);
  });

  test('whose runner was killed can be stopped: it is settled and confirmed', async () => {
    const desk = await lab.desk();
    const first = await desk.start(lab.input(desk, endless));
    const record = await agentOf(lab.dir(desk));
    process.kill(record.pid, 'SIGKILL');
    const answer = await desk.onHost<StopAttemptResult>('stopAttempt', {
      ...errand(lab, desk),
      outcome: 'stopped',
      reason: 'enough',
    });
    expect(answer).toMatchObject({ confirmed: true, result: { outcome: 'lost' } });
    expect(findProcesses({ attempt: '2-efgh', group: record.agent })).toEqual([]);
    await first.cancel();
  });

  test('a worktree with work that is nowhere else is kept, whatever became of its bead, and the reason is told', async () => {
    const desk = await lab.desk();
    const result = await resultOf(await desk.start(lab.input(desk)));
    expect(result.outcome).toBe('done');
    const dir = lab.dir(desk);
    await git(dir.worktree, 'commit', '--quiet', '--allow-empty', '-m', 'Only here');
    await desk.setState({ status: 'closed', attempts: [{ id: desk.attempt }] });
    const told = vi.spyOn(lab.host.logger, 'info');
    expect(await lab.hostActivities.tidy(dir)).toBe(false);
    expect(told).toHaveBeenCalledWith(
      expect.objectContaining({
        removed: false,
        reason: expect.stringMatching(/is on no branch of the remote/) as string,
      }),
      expect.any(String),
    );
    expect((await stat(dir.worktree)).isDirectory()).toBe(true);
    await git(
      dir.worktree,
      'push',
      '--quiet',
      lab.origin.url,
      `HEAD:refs/heads/heartbead/${desk.bead}/${desk.attempt}`,
    );
    expect(await lab.hostActivities.tidy(dir)).toBe(true);
    await expect(stat(dir.worktree)).rejects.toThrow('ENOENT');
  });
});

test('a spare tree that a start cannot use is given back, and not removed by the start', async () => {
  const given: (SpareTree | undefined)[] = [];
  const taken: SpareTree[] = [];
  const lab: HostLab = await HostLab.open({
    spareTrees: {
      take: (mirror) => {
        // Of a commit that nobody knows any more.
        const spare = { mirror, at: '1'.repeat(40), path: join(lab.home, 'spare-trees', 'one') };
        mkdirSync(join(spare.path, '.git'), { recursive: true });
        taken.push(spare);
        return spare;
      },
      lookOver: () => undefined,
      dropSoon: (spare) => void given.push(spare),
      stockSoon: () => undefined,
    },
  });
  onTestFinished(() => lab.close());
  const desk = await lab.desk();
  expect(await resultOf(await desk.start(lab.input(desk)))).toMatchObject({ outcome: 'done' });
  expect(taken).toHaveLength(1);
  expect(given).toEqual(taken);
  expect(taken.map(({ path }) => existsSync(path))).toEqual([true]);
});

/** When the worktree that is being prepared was made. */
async function readyMark(lab: HostLab): Promise<number[]> {
  const times: number[] = [];
  for (const attempt of await readdir(join(lab.host.home, 'attempts'))) {
    const folder = join(lab.host.home, 'attempts', attempt);
    for (const name of await readdir(folder))
      if (name.endsWith('.keeper.git')) times.push((await stat(join(folder, name, 'heartbead-ready'))).mtimeMs);
  }
  return times.sort();
}

/** One letter, as in /proc: `T` is stopped. */
const stateOfProcess = async (pid: number): Promise<string | undefined> =>
  /\) (\S)/.exec(await readFile(`/proc/${pid}/stat`, 'utf8'))?.[1];
