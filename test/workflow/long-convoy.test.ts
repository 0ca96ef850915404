import { readFileSync } from 'node:fs';
import { expect, inject, it } from 'vitest';
import { convoyWorkflowId } from '../../src/contract/index.js';
import { until } from '../support/until.js';
import { FleetWorld, gate, scripted } from './support/fleet-world.js';

/** The workflows as they ship, but that 200 signals are as many as 8,000 are. */
function soonFull(): { code: string } {
  const shipped = readFileSync(inject('workflowBundle'), 'utf8');
  const code = shipped.replace(/signalsPerRun: 8\w+/, 'signalsPerRun: 200');
  expect(code).not.toBe(shipped);
  return { code };
}

it('a convoy goes on in a new run while its remote is away, before the server takes no more signals', async ({
  onTestFinished,
}) => {
  const world = await FleetWorld.open(soonFull());
  onTestFinished(() => world.close());
  await world.rig('away');
  const back = gate();
  onTestFinished(back.open);
  let looks = 0;
  world.branch = async () => {
    looks += 1;
    await back.opened;
    return { sha: 'e'.repeat(40), missing: [] };
  };
  const merged = { works: 60_000, then: 'merged' as const };
  await world.convoy('long', 'away', [
    scripted('a', [], merged),
    scripted('b', [], merged),
    scripted('c', ['a', 'b'], merged),
  ]);
  await world.untilConvoy('long', 'c waits for a look', () => looks > 0);
  const convoy = world.client.workflow.getHandle(convoyWorkflowId('long'));
  for (let sent = 0; sent <= 200; sent += 1) await convoy.signal('nobody knows this');
  await until('it went on in a new run', async () => (await world.convoyState('long')).runs === 2);
  back.open();
  await world.untilConvoy('long', 'it has landed', ({ status }) => status === 'landed');
});
