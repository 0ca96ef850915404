import { existsSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { beadWorkflowId } from '../../src/contract/index.js';
import { inspectAttempt } from '../../src/runner/index.js';
import { openLine } from './support/tcp-proxy.js';
import { host, startTown } from './support/town.js';
import type { Attempt, Town } from './support/town.js';
import { until } from '../support/until.js';

let town: Town;
beforeAll(async () => {
  town = await startTown();
});
afterAll(() => town.stop());

/** An agent that leaves a trace the moment it runs, and ends when told to. */
const agent = { adapter: 'shell', command: 'touch spawned; read -r _ < /dev/null; sleep 600' };
const spawned = (attempt: Attempt): boolean => existsSync(join(attempt.dir.worktree, 'spawned'));

/** When the server got the newest beat of the attempt's activity. */
const lastBeat = async ({ bead }: Attempt): Promise<string> =>
  JSON.stringify(
    (await town.client.workflow.getHandle(beadWorkflowId(bead)).describe()).raw.pendingActivities?.[0]
      ?.lastHeartbeatTime,
  );

describe('a runner spawns an agent only behind the fence', () => {
  test('a void token: none is spawned, and the same folder starts with a good one', async () => {
    const attempt = await town.attempt({ agent });
    await attempt.order('reissue');
    const fresh = await attempt.nextToken();
    expect(await attempt.spawn()).toMatchObject({ fenced: false, because: 'token' });
    expect(spawned(attempt)).toBe(false);
    expect(await attempt.heard()).toEqual([]);
    expect(await inspectAttempt(attempt.dir)).toEqual({ kind: 'unstarted' });

    await attempt.dir.writeToken(fresh);
    expect(await attempt.spawn()).toMatchObject({ fenced: true });
    await until('the agent', () => spawned(attempt));
    expect((await inspectAttempt(attempt.dir)).kind).toBe('running');
  });

  test('a bead that is at another attempt, or has ended', async () => {
    const moved = await town.attempt({ agent });
    await moved.order('move-on');
    expect(await moved.spawn()).toMatchObject({ fenced: false, because: 'bead' });
    expect(spawned(moved)).toBe(false);
  });

  test('an attempt that another host has claimed', async () => {
    const attempt = await town.attempt({ agent });
    await town.client.workflow
      .getHandle(beadWorkflowId(attempt.bead))
      .signal('heartbeat', { attempt: attempt.dir.attempt, host: 'other-host', kind: 'start' });
    expect(await attempt.spawn()).toMatchObject({
      fenced: false,
      because: 'bead',
      refused: expect.stringContaining('other-host') as string,
    });
    expect(spawned(attempt)).toBe(false);
  });

  test('an activity that was cancelled before', async () => {
    const attempt = await town.attempt({ agent });
    await attempt.order('cancel');
    expect(await attempt.spawn()).toMatchObject({ fenced: false, because: 'cancelled' });
    expect(spawned(attempt)).toBe(false);
  });

  test('an attempt that is being stopped, or has a result, or another runner', async () => {
    const stopping = await town.attempt({ agent });
    await stopping.order('stopping');
    expect(await stopping.spawn()).toMatchObject({ fenced: false, because: 'bead' });

    const held = await town.attempt({ agent });
    expect(await held.spawn()).toMatchObject({ fenced: true });
    expect(await held.spawn()).toMatchObject({ fenced: false, because: 'held' });
    const result = await held.control.stop({ outcome: 'stopped', reason: 'the test is over' });
    await until('the end of the runner', async () => (await inspectAttempt(held.dir)).kind === 'ended');
    expect(
      await until('its lock is free', async () => {
        const again = await held.spawn();
        return !again.fenced && again.because === 'ended' && again;
      }),
    ).toBeTruthy();
    expect(await held.dir.readResult()).toEqual(result);
  });

  test('a server that is away: the runner gives up within the heartbeat timeout', async () => {
    const line = await openLine(inject('devServer').address);
    line.cut();
    const attempt = await town.attempt({ agent, address: line.address, clocks: { heartbeatTimeout: 3_000 } });
    expect(await attempt.spawn()).toMatchObject({ fenced: false, because: 'unreachable' });
    expect(spawned(attempt)).toBe(false);
  });

  test('a server that comes back in time: the runner is let through', async () => {
    const line = await openLine(inject('devServer').address);
    line.cut();
    const attempt = await town.attempt({ agent, address: line.address });
    const outcome = attempt.spawn();
    await until('a vain try', async () => (await readFile(attempt.dir.runnerLog, 'utf8')).includes('"msg":"beat"'));
    line.mend();
    expect(await outcome).toMatchObject({ fenced: true });
    await until('the agent', () => spawned(attempt));
  });

  test('a folder that is not ready says what is missing', async () => {
    const attempt = await town.attempt({ agent });
    await attempt.dir.writeConnection({ address: '127.0.0.1:1', namespace: 'none' });
    await rm(attempt.dir.file('setup.json'));
    expect(await attempt.spawn()).toMatchObject({
      fenced: false,
      because: 'failed',
      refused: expect.stringContaining('not ready') as string,
    });
  });

  test('a paused bead: the fence waits with beats, and lets through when the pause is over', async () => {
    const attempt = await town.attempt({ agent });
    await attempt.order('pause');
    const outcome = attempt.spawn();
    await until('the claim', async () =>
      (await attempt.heard()).some(({ kind, host: by }) => kind === 'start' && by === host),
    );
    const beat = (): Promise<string> => lastBeat(attempt);
    for (let first = await beat(), seen = 0; seen < 3; seen++) {
      const last = first;
      first = await until('another beat', async () => (await beat()) !== last && (await beat()));
    }
    expect((await attempt.status()).phase).toBe('spawning');
    expect(spawned(attempt)).toBe(false);
    await attempt.order('resume');
    expect(await outcome).toMatchObject({ fenced: true });
    await until('the agent', () => spawned(attempt));
  });

  test('stopped at the fence: no agent, and the caller hears how it ended', async () => {
    const attempt = await town.attempt({ agent });
    await attempt.order('pause');
    const outcome = attempt.spawn();
    await until('the control socket', () => attempt.status());
    expect(await attempt.control.stop({ outcome: 'stopped', reason: 'not wanted' })).toMatchObject({
      outcome: 'stopped',
      reason: 'not wanted',
      host,
    });
    expect(await outcome).toMatchObject({ fenced: false, because: 'bead' });
    expect(spawned(attempt)).toBe(false);
    expect(await attempt.dir.readResult()).toBeUndefined();
  });
});
