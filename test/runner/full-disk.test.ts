import { readdirSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { endLeftovers, inspectAttempt, processAlive, reapAttempt } from '../../src/runner/index.js';
import { mayMount, SmallDisk } from '../support/small-disk.js';
import { until } from '../support/until.js';
import { processesOf } from './support/processes.js';
import { startTown } from './support/town.js';
import type { Attempt, Town } from './support/town.js';

let town: Town;
beforeAll(async () => {
  town = await startTown();
});
afterAll(() => town.stop());

/** An attempt whose state directory is a disk of its own. */
async function onSmallDisk(command: string): Promise<{ attempt: Attempt; disk: SmallDisk }> {
  let disk: SmallDisk | undefined;
  const attempt = await town.attempt({
    agent: { adapter: 'shell', command },
    clocks: { checkpointEvery: 300, stopGrace: 1_000 },
    home: (path) => {
      const mounted = (disk = new SmallDisk(path, 24));
      return Promise.resolve(() => Promise.resolve(mounted.unmount()));
    },
  });
  expect(await attempt.spawn()).toMatchObject({ fenced: true });
  await until('some work', async () => (await attempt.status()).lastProgressAt !== undefined);
  return { attempt, disk: disk as SmallDisk };
}

describe.skipIf(!mayMount)('a disk without a byte left', () => {
  test('costs lines of the log and saves, never the runner: the attempt goes on, and ends well when there is room', async () => {
    const { attempt, disk } = await onSmallDisk('i=0; while :; do i=$((i+1)); echo "line $i"; sleep 0.05; done');
    const pid = await attempt.runnerPid();
    disk.fill();
    // A save that cannot be written is a line of the log that cannot be written either.
    await until('a failed save', async () => (disk.fill(), (await attempt.status()).pushProblem !== undefined));
    const heard = (await attempt.heard()).length;
    await until('further signs of life', async () => (disk.fill(), (await attempt.heard()).length > heard + 3));
    expect(processAlive(pid)).toBe(true);
    expect(await attempt.status()).toMatchObject({ pid, state: 'running' });
    disk.free();
    expect(await attempt.control.stop({ outcome: 'stopped', reason: 'enough' })).toMatchObject({ outcome: 'stopped' });
    expect(await inspectAttempt(attempt.dir)).toMatchObject({ kind: 'ended' });
  });

  test('keeps nobody from ending what a dead runner has left; it is recorded when there is room', async () => {
    const { attempt, disk } = await onSmallDisk('echo works; while :; do sleep 0.1; done');
    const pid = await attempt.runnerPid();
    disk.fill();
    process.kill(pid, 'SIGKILL');
    await until('the death of the runner', () => !processAlive(pid));
    const files = readdirSync(attempt.dir.path).length;
    await expect(reapAttempt(attempt.dir, 'its runner died')).rejects.toThrow(/ENOSPC/);
    expect(processesOf(attempt)).toEqual([]);
    expect(readdirSync(attempt.dir.path)).toHaveLength(files);
    expect(await endLeftovers(attempt.dir)).toBe(0);
    disk.free();
    expect(await reapAttempt(attempt.dir, 'its runner died')).toMatchObject({ outcome: 'lost' });
  });
});
