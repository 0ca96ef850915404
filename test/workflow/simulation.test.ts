import { inject, it, expect } from 'vitest';
import { World } from '../../src/testing/index.js';
import { playOnModel, playOnServer } from '../../src/lab/simulation/play.js';
import { scriptOf } from '../../src/lab/simulation/script.js';

// Which seeds does not matter; these are short and contain a lost host, a partition, a hanging worker and operators.
const seeds = [2, 3, 4, 6, 7, 8];

it(
  'random days over the real workflows break no rule, and beads come to rest as on the model',
  { timeout: 240_000 },
  async () => {
    const world = await World.open({
      serverPath: inject('testServer'),
      workflowBundle: { codePath: inject('workflowBundle') },
    });
    try {
      for (const seed of seeds) {
        const { statuses } = await playOnServer(world, scriptOf(seed));
        expect([seed, statuses]).toEqual([seed, (await playOnModel(scriptOf(seed))).statuses]);
      }
    } finally {
      await world.close();
    }
  },
);
