import { expect, test } from 'vitest';
import { repositories } from '../../../src/cli/verbs/tidy.js';
import type { FleetClient } from '../../../src/client/fleet.js';
import { scratchFolder } from '../../support/scratch.js';

const fleet = {
  list: () => Promise.resolve([{ id: 'app' }, { id: 'stuck' }, { id: 'site' }]),
  rig: (id: string) =>
    id === 'stuck'
      ? Promise.reject(new Error('the rig stuck does not answer'))
      : Promise.resolve({ settings: { repo: `/${id}.git`, refPrefix: id === 'site' ? 'bots/heartbead' : undefined } }),
} as unknown as FleetClient;

test('a rig that does not answer is named, and keeps no other repository from being tidied, by the prefix of its refs', async () => {
  const unanswered: Parameters<typeof repositories>[1]['unanswered'] = [];
  const of = { mirrors: scratchFolder('mirrors'), taskQueue: 'town', rig: undefined, unanswered };
  expect([...(await repositories(fleet, of))]).toEqual([
    ['/app.git', []],
    ['/site.git', ['bots/heartbead']],
  ]);
  expect(unanswered).toMatchObject([
    { repo: 'the repository of rig stuck', error: { message: 'the rig stuck does not answer' } },
  ]);
  await expect(repositories(fleet, { ...of, rig: 'stuck' })).rejects.toThrow('does not answer');
});
