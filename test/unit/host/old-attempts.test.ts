import type { Client } from '@temporalio/client';
import { mkdir, readdir, symlink, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { pino } from 'pino';
import { expect, onTestFinished, test } from 'vitest';
import { Host, HostWatch } from '../../../src/host/index.js';
import { attemptsKeptFor, removeOldAttempts } from '../../../src/host/old-attempts.js';
import { AttemptDir } from '../../../src/runner/index.js';
import { scratchFolder } from '../../support/scratch.js';
import { until } from '../../support/until.js';

const day = 24 * 3_600_000;

test('folders of attempts go a month after everything of them was looked after, at the start of a worker; no others', async () => {
  const home = scratchFolder('old-attempts');
  const attempt = async (number: number, age: number | undefined): Promise<AttemptDir> => {
    const dir = AttemptDir.of(home, 'fix', `${number}-aaaa1111`);
    await dir.create();
    await dir.writePrompt('do it');
    await dir.writeResult({ attempt: dir.attempt, host: 'here', outcome: 'no_changes', reason: 'nothing' });
    const at = (Date.now() - (age ?? 0) * day) / 1_000;
    if (age !== undefined) {
      await dir.markTidied('all refs removed');
      await utimes(dir.file('tidied'), at, at);
    }
    return dir;
  };
  await attempt(1, 31);
  const young = await attempt(2, 29);
  // Its bead is not over, however long it has been here.
  const open = await attempt(3, undefined);
  await utimes(open.file('prompt.md'), 1, 1);
  const withTree = await attempt(4, 400);
  await mkdir(withTree.worktree, { recursive: true });
  // Whether a tree is there cannot be told: looking leads round in a circle.
  const unseen = await attempt(6, 400);
  await symlink(unseen.worktree, unseen.worktree);
  const host = new Host({ home, hostId: 'here', maxAgents: 1, diskFloor: 0, logger: pino({ level: 'silent' }) });
  const busy = await attempt(5, 31);
  const turn = host.turns.tryTake(busy);
  expect(attemptsKeptFor).toBe(30 * day);

  const watch = new HostWatch(host, { client: {} as Client, lookEvery: 20 });
  onTestFinished(() => watch.stop());
  await watch.start();
  const names = [young, open, withTree, busy, unseen].map(({ attempt: id, bead }) => `${id}__${bead}`);
  await until('the old one to go', async () => (await readdir(join(home, 'attempts'))).length === 5);
  expect((await readdir(join(home, 'attempts'))).sort()).toEqual(names);
  turn?.end();
  expect(await removeOldAttempts(host)).toEqual([busy.path]);
});
