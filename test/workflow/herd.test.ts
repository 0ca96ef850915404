import { describe, expect, it } from 'vitest';
import { expectNeverOpenAgain, expectOneAgent, expectStatus } from '../../src/testing/index.js';
import type { TownBead } from '../../src/testing/index.js';
import { useWorld } from './support/use-world.js';

const world = useWorld();

describe('20 beads on one host', () => {
  it('all suspect at once after the host was out of reach: nobody reset, nobody doubled', async () => {
    const town = await world.town({ maxAgents: 20, agent: { coldStart: '30s', works: '18m' }, beatStep: '60s' });
    const beads: TownBead[] = [];
    for (let i = 0; i < 20; i++) beads.push(await town.sling());
    await town.advance('2m');
    for (const bead of beads) await expectStatus(bead, 'in_progress', 'working');

    town.host().partition();
    await town.advance('3m');
    for (const bead of beads) await expectStatus(bead, 'in_progress', 'suspect');

    town.host().heal();
    await town.advance('3m');
    for (const bead of beads) await expectStatus(bead, 'in_progress', 'working');

    // Past the instant at which it would have been given up.
    await town.advance('15m');
    for (const bead of beads) {
      const { status, attempts } = await bead.state();
      expect(status).toBe('closed');
      expect(attempts).toMatchObject([{ outcome: 'done' }]);
      expectOneAgent(bead);
      expectNeverOpenAgain(bead);
    }
  });

  it('more beads than slots: what waits is shown as open, and no agent beyond the limit is ever spawned', async () => {
    const town = await world.town({ maxAgents: 3, agent: { works: '10m' }, beatStep: '60s' });
    const beads: TownBead[] = [];
    for (let i = 0; i < 8; i++) beads.push(await town.sling());
    let most = 0;
    for (let i = 0; i < 8; i++) {
      most = Math.max(most, town.census.lives.filter(({ endedAt }) => endedAt === undefined).length);
      await town.advance('5m');
    }
    expect(most).toBe(3);
    for (const bead of beads) {
      await expectStatus(bead, 'closed');
      expectOneAgent(bead);
    }
  });
});
