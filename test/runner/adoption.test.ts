import { writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { attemptRefs } from '../../src/contract/index.js';
import { inspectAttempt, RunnerRefusedError } from '../../src/runner/index.js';
import { allFrozen, allRunning, processesOf } from './support/processes.js';
import { openLine } from './support/tcp-proxy.js';
import { git, startTown } from './support/town.js';
import type { Attempt, Town } from './support/town.js';
import { until } from '../support/until.js';

let town: Town;
beforeAll(async () => {
  town = await startTown();
});
afterAll(() => town.stop());

/** Writes what it cannot finish, then waits for the file `go`. */
const agent = {
  adapter: 'shell',
  command:
    'echo begun > work; echo works; while [ ! -e go ]; do sleep 0.1; done; git add work && git commit -qm ' +
    'work && heartbead agent done',
};
const release = async ({ dir }: Attempt): Promise<void> => {
  // Ignored, so that the tree is clean when the agent reports.
  await writeFile(`${dir.worktree}/.gitignore`, 'go\n.gitignore\n');
  await writeFile(`${dir.worktree}/go`, '');
};
const kinds = async (attempt: Attempt): Promise<(string | undefined)[]> =>
  (await attempt.heard()).map(({ kind }) => kind);
const working = async (options: Parameters<Town['attempt']>[0]): Promise<{ attempt: Attempt; agentPid: number }> => {
  const attempt = await town.attempt(options);
  expect(await attempt.spawn()).toMatchObject({ fenced: true });
  await until('the first output', async () => (await kinds(attempt)).includes('output'));
  return { attempt, agentPid: (await attempt.status()).agent?.pid ?? 0 };
};
const orphaned = async (
  options: Parameters<Town['attempt']>[0],
): Promise<{ attempt: Attempt; agentPid: number; fresh: Uint8Array }> => {
  const { attempt, agentPid } = await working(options);
  await attempt.order('reissue');
  const fresh = await attempt.nextToken();
  await until('an orphan', async () => (await attempt.status()).orphan);
  return { attempt, agentPid, fresh };
};

describe('a runner whose token is void', () => {
  test('keeps its agent, asks for adoption, and goes on with the new token as if nothing had been', async () => {
    const { attempt, agentPid, fresh } = await orphaned({ agent });
    await until('the call for adoption', async () => (await kinds(attempt)).includes('orphan'));
    expect(await attempt.control.adopt(fresh)).toEqual({ adopted: true });
    await until('the bead hears of it', async () => (await kinds(attempt)).includes('adopted'));
    expect(await attempt.status()).toMatchObject({ orphan: false, phase: 'running', agent: { pid: agentPid } });
    expect(await attempt.dir.readToken()).toEqual(fresh);
    await release(attempt);
    const { result, carried } = await attempt.ended();
    expect(result?.outcome).toBe('done');
    expect(carried.heard.filter(({ kind }) => kind === 'start')).toHaveLength(1);
  });

  test('takes the connection that comes with the token, and goes on over it when the one it had leads nowhere', async () => {
    const { address, namespace } = inject('devServer');
    const old = await openLine(address);
    const { attempt, agentPid, fresh } = await orphaned({ agent, address: old.address });
    old.cut();
    const connection = { address, namespace };
    expect(await attempt.control.adopt(fresh, connection)).toEqual({ adopted: true });
    await until('the bead hears of it', async () => (await kinds(attempt)).includes('adopted'));
    expect(await attempt.dir.readConnection()).toEqual(connection);
    expect(await attempt.status()).toMatchObject({ orphan: false, agent: { pid: agentPid } });
    await release(attempt);
    expect((await attempt.ended()).result?.outcome).toBe('done');
  });

  test('keeps the connection it has when the one that comes with the token leads nowhere', async () => {
    const { attempt, fresh } = await orphaned({ agent });
    const before = await attempt.dir.readConnection();
    expect(await attempt.control.adopt(fresh, { address: '127.0.0.1:1', namespace: 'default' })).toEqual({
      adopted: true,
    });
    await until('the bead hears of it', async () => (await kinds(attempt)).includes('adopted'));
    expect(await attempt.dir.readConnection()).toEqual(before);
    await release(attempt);
    expect((await attempt.ended()).result?.outcome).toBe('done');
  });

  test('takes no token that is void as well', async () => {
    const { attempt, fresh } = await orphaned({ agent });
    const stale = await attempt.dir.readToken();
    expect(await attempt.control.adopt(fresh)).toEqual({ adopted: true });
    const refusal = await attempt.control.adopt(stale as Uint8Array).catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(RunnerRefusedError);
    expect(await attempt.status()).toMatchObject({ orphan: false });
    expect(await attempt.dir.readToken()).toEqual(fresh);
  });

  test('is not frozen while the bead counts its signals, is frozen when it does not, and thaws when it does again', async () => {
    const { attempt, agentPid } = await orphaned({ agent, clocks: { leaseFor: 4_000 } });
    const from = (await attempt.heard()).length;
    // More signals than fit into one lease: without the renewals by them it would be over.
    await until('signals for longer than a lease', async () => {
      const heard = (await attempt.heard()).slice(from);
      return (heard.at(-1)?.at ?? 0) - (heard[0]?.at ?? 0) > 6_000;
    });
    expect(allRunning(attempt)).toBe(true);
    expect((await attempt.status()).frozenBy).toEqual([]);
    await attempt.order('deaf');
    await until('the agent stands still', () => allFrozen(attempt));
    expect(await attempt.status()).toMatchObject({ phase: 'frozen', frozenBy: ['lease'] });
    expect(
      await until('its work is saved', () => attempt.remote(attemptRefs.wip(attempt.bead, attempt.dir.attempt))),
    ).toBeTruthy();
    await attempt.order('hearing');
    await until('the agent goes on', () => allRunning(attempt));
    expect((await attempt.status()).agent?.pid).toBe(agentPid);
  });

  test('saves the work and ends the agent when the bead has moved on', async () => {
    const { attempt } = await orphaned({ agent });
    await attempt.order('move-on');
    const ended = await until('the end', async () => {
      const found = await inspectAttempt(attempt.dir);
      return found.kind === 'ended' && found.result;
    });
    expect(ended).toMatchObject({ outcome: 'stopped', reason: expect.stringContaining('moved on') as string });
    expect(processesOf(attempt)).toEqual([]);
    expect(await attempt.remote(attemptRefs.wip(attempt.bead, attempt.dir.attempt))).toBe(ended.checkpoint?.sha);
    await until('the end of the runner', async () =>
      attempt.status().then(
        () => false,
        () => true,
      ),
    );
  });

  test('and does not let an agent that stands still run again to end: the bead may have another one', async () => {
    const { attempt } = await orphaned({
      agent: {
        adapter: 'shell',
        command: 'trap "echo again >> work" TERM; echo begun > work; echo works; while :; do sleep 0.1; done',
      },
      clocks: { leaseFor: 4_000 },
    });
    await attempt.order('deaf');
    await until('the agent stands still', () => allFrozen(attempt));
    await attempt.order('move-on');
    await until('the end', async () => (await inspectAttempt(attempt.dir)).kind === 'ended');
    expect(processesOf(attempt)).toEqual([]);
    expect(await git(attempt.origin, 'show', `${attemptRefs.wip(attempt.bead, attempt.dir.attempt)}:work`)).toBe(
      'begun',
    );
  });

  test('does so too when the bead has ended, or wants it stopped', async () => {
    const closed = await orphaned({ agent });
    await closed.attempt.order('end');
    await until('the end', async () => (await inspectAttempt(closed.attempt.dir)).kind === 'ended');
    expect(processesOf(closed.attempt)).toEqual([]);

    const stopping = await orphaned({ agent });
    await stopping.attempt.order('stopping');
    const result = await until('the end', () => stopping.attempt.dir.readResult());
    expect(result).toMatchObject({ outcome: 'stalled', reason: 'no progress for a test' });
    // Its bead has not moved on: whoever adopts it gets the result.
    expect(await stopping.attempt.control.adopt(stopping.fresh)).toEqual({ adopted: false, result });
    await until('the end of the runner', async () =>
      stopping.attempt.status().then(
        () => false,
        () => true,
      ),
    );
  });

  test('whose agent has ended meanwhile: the adoption gets the recorded result', async () => {
    const { attempt, fresh } = await orphaned({ agent });
    await release(attempt);
    const result = await until('the result', () => attempt.dir.readResult());
    expect(result.outcome).toBe('done');
    await until('a call for adoption after the end', async () => (await attempt.status()).result !== undefined);
    expect(await attempt.control.adopt(fresh)).toEqual({ adopted: false, result });
    await until('the end of the runner', async () =>
      attempt.status().then(
        () => false,
        () => true,
      ),
    );
  });
});
