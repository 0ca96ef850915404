import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { bootRunner, endMute, processAlive, processStopped, runnerAnswers } from '../../src/runner/index.js';
import type { ProcessIdentity } from '../../src/runner/index.js';
import { until } from '../support/until.js';
import { startTown } from './support/town.js';
import type { Attempt, Town } from './support/town.js';

let town: Town;
beforeAll(async () => {
  town = await startTown();
});
afterAll(() => town.stop());

const agent = { adapter: 'shell', command: 'touch spawned; sleep 600' };
const lives = ({ pid, startTime }: ProcessIdentity): boolean => processAlive(pid, startTime);
const standsStill = ({ pid, startTime }: ProcessIdentity): boolean => processStopped(pid, startTime);

async function working(attempt: Attempt): Promise<{ runner: ProcessIdentity; agentOf: ProcessIdentity }> {
  expect(await attempt.spawn()).toMatchObject({ fenced: true });
  await until('the agent', () => existsSync(join(attempt.dir.worktree, 'spawned')));
  const record = await until('its record', async () => {
    const found = await attempt.dir.readRunner();
    return found?.agent && { runner: found, agentOf: found.agent };
  });
  return record;
}

describe('a runner that is taken for mute', () => {
  test('is let alone when it has an agent, stopped or not', async () => {
    const attempt = await town.attempt({ agent });
    const { runner, agentOf } = await working(attempt);
    // Slow to answer on a busy machine: it goes on.
    expect(await endMute(attempt.dir, runner)).toBe('past');
    expect(standsStill(runner)).toBe(false);
    expect(await runnerAnswers(attempt.dir, runner)).toBe(true);

    process.kill(runner.pid, 'SIGSTOP');
    await until('it stands still', () => standsStill(runner));
    expect(await runnerAnswers(attempt.dir, runner)).toBe(false);
    expect(await endMute(attempt.dir, runner)).toBe('past');
    // Whoever has stopped it has his reasons.
    expect(standsStill(runner)).toBe(true);
    expect([runner, agentOf].map(lives)).toEqual([true, true]);
  });

  test('is ended where another one has the attempt, whose agent works on', async () => {
    const attempt = await town.attempt({ agent });
    const late = bootRunner(attempt.dir);
    const second = late.process;
    if (second === undefined) throw new Error('no process');
    onTestFinished(() => {
      if (lives(second)) process.kill(second.pid, 'SIGKILL');
    });
    process.kill(second.pid, 'SIGSTOP');
    const { runner, agentOf } = await working(attempt);
    const begun = late.begin();
    expect(await runnerAnswers(attempt.dir, second)).toBe(false);
    expect(await endMute(attempt.dir, second)).toBe('ended');
    expect(lives(second)).toBe(false);
    expect(await begun).toMatchObject({ fenced: false, because: 'failed' });
    expect(late.process).toBeUndefined();
    expect([runner, agentOf].map(lives)).toEqual([true, true]);
    expect(await runnerAnswers(attempt.dir, runner)).toBe(true);
    expect(await endMute(attempt.dir, second)).toBe('gone');
  });
});
