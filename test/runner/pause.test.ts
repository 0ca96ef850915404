import { existsSync } from 'node:fs';
import { lstat, rm, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { attemptRefs, beadWorkflowId } from '../../src/contract/index.js';
import { AgentSocketClient, RunnerGoneError } from '../../src/runner/index.js';
import { allFrozen, allRunning, processesOf } from './support/processes.js';
import { startTown } from './support/town.js';
import type { Attempt, Town } from './support/town.js';
import { until } from '../support/until.js';

let town: Town;
beforeAll(async () => {
  town = await startTown();
});
afterAll(() => town.stop());

const agent = {
  adapter: 'shell',
  command: 'echo begun > work; setsid sleep 600 & while :; do echo works; sleep 0.1; done',
};
const working = async (): Promise<Attempt> => {
  const attempt = await town.attempt({ agent });
  expect(await attempt.spawn()).toMatchObject({ fenced: true });
  await until('some work', async () => (await attempt.status()).lastProgressAt !== undefined);
  await until('its daemon', () => processesOf(attempt).length >= 2);
  return attempt;
};
const activity = ({
  bead,
}: Attempt): { namespace: string; execution: { workflowId: string }; type: string; identity: string } => ({
  namespace: inject('devServer').namespace,
  execution: { workflowId: beadWorkflowId(bead) },
  type: 'startAgent',
  identity: 'an operator',
});
const kinds = async (attempt: Attempt): Promise<(string | undefined)[]> =>
  (await attempt.heard()).map(({ kind }) => kind);

describe('an attempt that is paused', () => {
  test('in the Web UI: every process stands still, beats go on, the bead is told; unpaused it goes on', async () => {
    const attempt = await working();
    await town.client.workflowService.pauseActivity(activity(attempt));
    await until('the processes stand still', () => allFrozen(attempt));
    await until('the bead is told', async () => (await kinds(attempt)).includes('paused'));
    expect(await attempt.status()).toMatchObject({ phase: 'paused', frozenBy: ['activity'], orphan: false });
    expect(
      await until('its work is saved', () => attempt.remote(attemptRefs.wip(attempt.bead, attempt.dir.attempt))),
    ).toBeTruthy();
    const { leaseAgeMs } = await attempt.status();
    await until('a beat renews the lease', async () => (await attempt.status()).leaseAgeMs < leaseAgeMs);

    await town.client.workflowService.unpauseActivity(activity(attempt));
    await until('the processes go on', () => allRunning(attempt));
    await until('the bead is told', async () => (await kinds(attempt)).includes('resumed'));
    expect(await attempt.status()).toMatchObject({ phase: 'running', frozenBy: [] });
  });

  test('by its host, also after somebody has removed the sockets or put others in their place: the runner binds them again', async () => {
    const attempt = await working();
    const { control, agent } = (await attempt.dir.readRunner())!.sockets!;
    const answers = async (): Promise<boolean> => {
      try {
        return (await attempt.status()).state === 'running';
      } catch (error) {
        if (error instanceof RunnerGoneError) return false;
        throw error;
      }
    };
    await rm(control);
    await rm(agent);
    await writeFile(agent, 'not a socket');
    await until('new sockets', async () => existsSync(control) && (await lstat(agent)).isSocket());
    await until('an answer of the runner', answers);
    await attempt.control.pause(true);
    await until('the processes stand still', () => allFrozen(attempt));
    expect(await new AgentSocketClient(agent).messages()).toEqual([]);
    for (const path of [control, agent]) expect((await lstat(path)).mode & 0o777).toBe(0o600);
  });

  test('by its host: the same, and a second reason keeps it still when the first one goes', async () => {
    const attempt = await working();
    await attempt.control.pause(true);
    await until('the processes stand still', () => allFrozen(attempt));
    await town.client.workflowService.pauseActivity(activity(attempt));
    await until('both reasons', async () => (await attempt.status()).frozenBy.length === 2);
    await attempt.control.pause(false);
    expect(allFrozen(attempt)).toBe(true);
    await town.client.workflowService.unpauseActivity(activity(attempt));
    await until('the processes go on', () => allRunning(attempt));
  });

  test('and then cancelled: a process that stands still is ended all the same', async () => {
    const attempt = await working();
    await attempt.control.pause(true);
    await attempt.order('cancel');
    expect((await attempt.ended()).cancelledWith).toMatchObject({ outcome: 'stopped', signal: 'SIGTERM' });
    expect(processesOf(attempt)).toEqual([]);
  });

  test('reset in the Web UI: the same agent goes on and waits for adoption', async () => {
    const attempt = await working();
    const { agent: before } = await attempt.status();
    await town.client.workflowService.resetActivity(activity(attempt));
    await until('an orphan', async () => (await attempt.status()).orphan);
    await until('the call for adoption', async () => (await kinds(attempt)).includes('orphan'));
    expect((await attempt.status()).agent).toEqual(before);
  });
});
