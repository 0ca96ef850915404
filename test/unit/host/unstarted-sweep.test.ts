import type { Client } from '@temporalio/client';
import { pino } from 'pino';
import { expect, onTestFinished, test } from 'vitest';
import type { StartAgentInput } from '../../../src/contract/index.js';
import { defaultClocks } from '../../../src/domain/clocks.js';
import { Host, HostWatch } from '../../../src/host/index.js';
import { AttemptDir } from '../../../src/runner/index.js';
import { scratchFolder } from '../../support/scratch.js';
import { until } from '../../support/until.js';

test('what was prepared for an attempt that never began is looked after once its bead comes back for it no more', async () => {
  const home = scratchFolder('unstarted');
  const prepared = async (number: number, giveUpAfter: number): Promise<AttemptDir> => {
    const dir = AttemptDir.of(home, 'fix', `${number}-aaaa1111`);
    await dir.create();
    const { bead } = dir;
    const clocks = { ...defaultClocks, giveUpAfter };
    await dir.writeInput({ bead, attempt: dir.attempt, repo: '/none', clocks } as StartAgentInput);
    return dir;
  };
  const impatient = await prepared(1, 100);
  await prepared(2, defaultClocks.giveUpAfter);
  const swept: string[] = [];
  const host = new Host({ home, hostId: 'here', maxAgents: 2, diskFloor: 0, logger: pino({ level: 'silent' }) });
  const watch = new HostWatch(host, {
    client: {} as Client,
    lookEvery: 20,
    sweep: ({ attempt }) => Promise.resolve(void swept.push(attempt)),
  });
  onTestFinished(() => watch.stop());
  await watch.start();
  expect(swept).toEqual([]);
  await until('a second look at it', () => swept.length > 1);
  expect(new Set(swept)).toEqual(new Set([impatient.attempt]));
});
