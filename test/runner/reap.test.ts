import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { attemptRefs } from '../../src/contract/index.js';
import { inspectAttempt, processAlive, reapAttempt, RunnerGoneError } from '../../src/runner/index.js';
import { allFrozen, processesOf } from './support/processes.js';
import { git, startTown } from './support/town.js';
import type { Attempt, Town } from './support/town.js';
import { until } from '../support/until.js';

let town: Town;
beforeAll(async () => {
  town = await startTown();
});
afterAll(() => town.stop());

const spawned = async (command: string): Promise<Attempt> => {
  const attempt = await town.attempt({ agent: { adapter: 'shell', command }, clocks: { stopGrace: 1_000 } });
  expect(await attempt.spawn()).toMatchObject({ fenced: true });
  await until('some work', async () => (await attempt.status()).lastProgressAt !== undefined);
  return attempt;
};
const killRunner = async (attempt: Attempt): Promise<void> => {
  const record = await attempt.dir.readRunner();
  process.kill(record?.pid ?? 0, 'SIGKILL');
  await until('the death of the runner', () => !processAlive(record?.pid ?? 0, record?.startTime));
};

describe('a runner that dies by SIGKILL', () => {
  test('its agent stands still at once, daemons included; the reaper ends them, saves the work, and records the loss', async () => {
    const attempt = await spawned(
      'echo begun > work; setsid sh -c "trap : TERM; while :; do sleep 0.1; done" & echo works; while :; do ' +
        'sleep 0.1; done',
    );
    await until('its daemon', () => processesOf(attempt).length >= 4);
    expect(await inspectAttempt(attempt.dir)).toMatchObject({ kind: 'running' });
    await killRunner(attempt);
    await until('the agent stands still', () => allFrozen(attempt));
    expect(await inspectAttempt(attempt.dir)).toMatchObject({ kind: 'dead', record: { state: 'running' } });
    await expect(attempt.control.status()).rejects.toBeInstanceOf(RunnerGoneError);

    const result = await reapAttempt(attempt.dir, 'its runner died');
    expect(result).toMatchObject({
      outcome: 'lost',
      reason: 'its runner died',
      host: 'test-host',
      checkpoint: { wip: true },
    });
    expect(processesOf(attempt)).toEqual([]);
    const wip = attemptRefs.wip(attempt.bead, attempt.dir.attempt);
    expect(await attempt.remote(wip)).toBe(result.checkpoint?.sha);
    expect(await git(attempt.origin, 'show', `${wip}:work`)).toBe('begun');
    expect(await inspectAttempt(attempt.dir)).toEqual({ kind: 'ended', result });
    expect(await reapAttempt(attempt.dir, 'twice')).toEqual(result);
  });

  test('its agent does not run again, not even to end by itself: the bead may have another one', async () => {
    const attempt = await spawned(
      'trap "echo again >> work" TERM; echo begun > work; echo works; while :; do sleep 0.1; done',
    );
    await killRunner(attempt);
    await until('the agent stands still', () => allFrozen(attempt));
    await reapAttempt(attempt.dir, 'its runner died');
    expect(processesOf(attempt)).toEqual([]);
    expect(await git(attempt.origin, 'show', `${attemptRefs.wip(attempt.bead, attempt.dir.attempt)}:work`)).toBe(
      'begun',
    );
  });

  test('its last words are told with the loss', async () => {
    const attempt = await spawned('echo works; while :; do sleep 0.1; done');
    await killRunner(attempt);
    await writeFile(attempt.dir.file('runner.out'), 'the runner failed: Error: no \x1b[2Jidea\n    at somewhere\n');
    expect((await reapAttempt(attempt.dir, 'it died')).reason).toBe(
      'it died; its last words: the runner failed: Error: no idea',
    );
  });

  test('after the report of its agent: done, since the branch is pushed', async () => {
    const attempt = await spawned('echo x > f; git add f; git commit -qm f; heartbead agent done; sleep 600');
    await until('the report', () => attempt.dir.readReport());
    await killRunner(attempt);
    const result = await reapAttempt(attempt.dir, 'its runner died');
    expect(result).toMatchObject({ outcome: 'done', branch: attemptRefs.branch(attempt.bead, attempt.dir.attempt) });
    expect(await attempt.remote(attemptRefs.branchRef(attempt.bead, attempt.dir.attempt))).toBe(result.sha);
    expect(processesOf(attempt)).toEqual([]);
  });

  test('a strange process with the recorded number of the group is let alone', async () => {
    const attempt = await spawned('echo works; sleep 600');
    await killRunner(attempt);
    const record = await attempt.dir.readRunner();
    // As if the agent's number had been used again: another process, another start time, no mark.
    const stranger = spawn('sleep', ['600'], { detached: true, stdio: 'ignore' });
    await attempt.dir.writeRunner({
      ...record!,
      agent: { ...record!.agent!, pid: stranger.pid!, pgid: stranger.pid! },
    });
    try {
      await reapAttempt(attempt.dir, 'its runner died');
      expect(processesOf(attempt)).toEqual([]);
      expect(processAlive(stranger.pid!)).toBe(true);
    } finally {
      stranger.kill('SIGKILL');
    }
  });

  test('a living one cannot be reaped', async () => {
    const attempt = await spawned('echo works; sleep 600');
    await expect(reapAttempt(attempt.dir, 'by mistake')).rejects.toThrow(/held by the living process/);
    expect(processesOf(attempt)).not.toEqual([]);
    expect((await attempt.status()).phase).toBe('running');
  });
});

describe('what lies on the disk of the host', () => {
  test('is for its owner alone; neither argv nor environment of the agent hold a token or a way to the server', async () => {
    process.env['TEMPORAL_API_KEY'] = 'a-secret-key';
    process.env['ANOTHER_SECRET'] = 'a-secret';
    const attempt = await spawned('env > ../env; echo works; sleep 600').finally(() => {
      delete process.env['TEMPORAL_API_KEY'];
      delete process.env['ANOTHER_SECRET'];
    });
    // The worktree is the agent's; behind the 0700 of the folder its modes are as the repository wants them.
    for (const name of await readdir(attempt.dir.path)) {
      // What is being written has a number behind its name, and is gone when it is looked at.
      if ([basename(attempt.dir.worktree), 'env'].includes(name) || /\.\d+$/.test(name)) continue;
      const { mode } = await stat(attempt.dir.file(name));
      expect(`${name} ${(mode & 0o077).toString(8)}`).toBe(`${name} 0`);
    }
    expect((await stat(attempt.dir.path)).mode & 0o777).toBe(0o700);
    const env = readFileSync(attempt.dir.file('env'), 'utf8');
    expect(env).toContain(`HEARTBEAD_BEAD=${attempt.bead}`);
    expect(env).toMatch(/^HEARTBEAD_PORT=20400$/m);
    expect(env).toMatch(/^HEARTBEAD_PORT_COUNT=5$/m);
    expect(env).toMatch(/^PATH=.*\/bin:/m);
    expect(env).not.toMatch(/secret|TEMPORAL|HEARTBEAD_HOME/);
    const token = Buffer.from((await attempt.dir.readToken())!).toString('base64');
    for (const pid of [await attempt.runnerPid(), ...processesOf(attempt)]) {
      expect(readFileSync(`/proc/${pid}/cmdline`, 'utf8')).not.toContain(token);
      if (pid !== (await attempt.runnerPid()))
        expect(readFileSync(`/proc/${pid}/environ`, 'utf8')).not.toContain(token);
    }
    expect(readFileSync(`/proc/${await attempt.runnerPid()}/environ`, 'utf8')).not.toContain('HEARTBEAD_ATTEMPT');
  });

  test('a folder too deep for a socket has its sockets elsewhere, in a folder for its owner alone', async () => {
    const base = process.env['TMPDIR'];
    const deep = join(await mkdtemp(join(tmpdir(), 'hb-deep-')), 'x'.repeat(60));
    await mkdir(deep);
    process.env['TMPDIR'] = deep;
    try {
      const attempt = await spawned('echo works; heartbead agent note hello; sleep 600');
      const sockets = (await attempt.dir.readRunner())!.sockets!;
      expect(sockets.control.startsWith(attempt.dir.path)).toBe(false);
      expect(Buffer.byteLength(sockets.control)).toBeLessThan(104);
      await until('the note', async () => (await attempt.notes()).length === 1);
      expect((await stat(dirname(sockets.agent))).mode & 0o777).toBe(0o700);
      expect((await stat(sockets.agent)).mode & 0o777).toBe(0o600);
      await attempt.control.stop({ outcome: 'stopped', reason: 'the test is over' });
      await until('the end of the runner', async () =>
        attempt.status().then(
          () => false,
          () => true,
        ),
      );
      await until('the folder is gone', () =>
        stat(dirname(sockets.agent)).then(
          () => false,
          () => true,
        ),
      );
    } finally {
      if (base === undefined) delete process.env['TMPDIR'];
      else process.env['TMPDIR'] = base;
      await rm(join(deep, '..'), { recursive: true, force: true });
    }
  });
});
