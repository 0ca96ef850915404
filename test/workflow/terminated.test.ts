import { describe, expect, it } from 'vitest';
import { convoyBeadId } from '../../src/contract/index.js';
import type { BeadView, ConvoyView, RigSettings, RigView } from '../../src/contract/index.js';
import type { AgentScript, Town, TownBead, TownWorkflow } from '../../src/testing/index.js';
import { useWorld } from './support/use-world.js';

const world = useWorld();
const works: AgentScript = { works: '2m' };

/** A bead is brought into a state, and somebody terminates its workflow in the Web UI. */
interface Case {
  state: string;
  hosts?: readonly string[];
  settings?: Partial<RigSettings>;
  agent?: AgentScript;
  /** What has to be arranged before the convoy starts. */
  before?: (town: Town) => Promise<void>;
  /** What has to happen once the bead works. */
  then?: (town: Town, bead: TownBead) => Promise<unknown>;
  is: (view: BeadView) => boolean;
  rigSees: (view: RigView, bead: string) => boolean;
  /** Its merge has begun, and so has to be found out about. */
  merges?: boolean;
  /** What else the others need to get through. */
  after?: (town: Town, rig: TownWorkflow<RigView>) => Promise<unknown>;
}

const holds = ({ grants }: RigView, bead: string): boolean =>
  grants.some((grant) => grant.bead === bead && grant.told === true);
const worked = (bead: TownBead): Promise<BeadView> => bead.until('works', ({ agent }) => agent === 'working', '1h');
const holdsNothing = ({ grants, waiting, queue, merging }: RigView): boolean =>
  grants.length + waiting.length + queue.length + merging.length === 0;

const cases: Case[] = [
  {
    state: 'waits for its rig to grant an agent',
    before: async (town) =>
      void (await (
        await town.sling({ bead: 'earlier', rig: 'r0', agent: { works: '6m' } })
      ).until('works', ({ agent }) => agent === 'working')),
    is: ({ wait }) => wait?.for === 'grant',
    rigSees: ({ waiting }, bead) => waiting.some((request) => request.bead === bead),
  },
  {
    // The rig has room for both: which of them asks it first is open.
    state: 'waits for a place on a host',
    settings: { maxAgents: 2 },
    before: async (town) =>
      void (await (
        await town.sling({ bead: 'elsewhere', agent: { works: '6m' } })
      ).until('works', ({ agent }) => agent === 'working')),
    is: ({ status, wait }) => status === 'open' && wait?.for === 'place',
    rigSees: holds,
  },
  { state: 'is starting', agent: { coldStart: '30m' }, is: ({ agent }) => agent === 'starting', rigSees: holds },
  { state: 'works', agent: {}, is: ({ agent }) => agent === 'working', rigSees: holds },
  {
    state: 'is suspect',
    hosts: ['mortal', 'spare'],
    agent: {},
    then: async (town, bead) => (await worked(bead), town.host('mortal').die()),
    is: ({ agent }) => agent === 'suspect',
    rigSees: holds,
  },
  {
    state: 'is paused with its agent',
    agent: {},
    then: async (_, bead) => (await worked(bead), await bead.pause()),
    is: ({ agent }) => agent === 'paused',
    rigSees: holds,
  },
  {
    state: 'is being stopped',
    agent: {},
    hosts: ['far', 'near'],
    then: async (town, bead) => (await worked(bead), town.host('far').partition(), await bead.cancel()),
    is: ({ agent }) => agent === 'stopping',
    rigSees: holds,
    after: (town) => Promise.resolve(town.host('far').heal()),
  },
  {
    state: 'backs off',
    agent: { works: '1m', ends: 'rate_limited', retryAfter: '5h' },
    is: ({ wait }) => wait?.for === 'backoff',
    rigSees: (view, bead) => !holds(view, bead),
  },
  {
    state: 'waits for approval',
    settings: { approval: true },
    agent: works,
    is: ({ wait }) => wait?.for === 'approval',
    rigSees: (view, bead) => !holds(view, bead),
  },
  {
    state: 'is blocked',
    agent: { works: '1m', ends: 'escalated' },
    is: ({ status }) => status === 'blocked',
    rigSees: (view, bead) => !holds(view, bead),
  },
  {
    // Long enough for the rig to be paused before it is done, however slowly the machine says so.
    state: 'waits for its merge',
    agent: { works: '15m' },
    then: async (town, bead) => (await worked(bead), await town.fleet[0]?.update('pause')),
    is: ({ wait }) => wait?.for === 'merge',
    rigSees: ({ queue }, bead) => queue.some(({ item }) => item === bead),
    after: (_, rig) => rig.update('resume'),
  },
  {
    state: 'is being merged',
    agent: works,
    merges: true,
    before: (town) => {
      // Nobody can be reached for as long as somebody wants it merged.
      town.refinery.answer = (input) =>
        !input.request.item.endsWith('-x')
          ? town.refinery.merged(input)
          : input.withdrawn === true
            ? { outcome: 'error', reason: 'withdrawn before it was merged' }
            : new Error('the remote is away');
      return Promise.resolve();
    },
    is: ({ wait }) => wait?.for === 'merge',
    rigSees: ({ merging }, bead) => merging.some(({ item, tries }) => item === bead && tries === 0),
  },
];

describe('a bead that is terminated in the Web UI', () => {
  it.each(cases.map((one, n) => ({ ...one, convoyId: `c${n}`, rigName: `r${n}` })))(
    'while it $state: nothing of its rig stays with it, its convoy is told, and others go on',
    async ({
      convoyId,
      rigName,
      hosts = ['ant'],
      settings = {},
      agent,
      before,
      then,
      is,
      rigSees,
      merges = false,
      after,
    }) => {
      const town = await world.town({ hosts, maxAgents: 1, agent: works, beatStep: '30s' });
      const rig = await town.rig(rigName, { maxAgents: 1, ...settings });
      await before?.(town);
      // y needs it; z does not, and comes after it.
      const convoy = await town.convoy(
        {
          convoy: convoyId,
          rig: rigName,
          beads: [
            { id: 'x', title: 'x', needs: [], priority: 1 },
            { id: 'y', title: 'y', needs: ['x'] },
            { id: 'z', title: 'z', needs: [], priority: 5 },
          ],
        },
        agent === undefined ? {} : { [convoyBeadId(convoyId, 'x')]: agent },
      );
      await convoy.until(
        'has started x and z',
        ({ beads }) => beads.filter(({ status }) => status === 'running').length >= 2,
      );
      const bead = town.bead(convoyBeadId(convoyId, 'x'));
      await then?.(town, bead);
      await bead.until('is where the test wants it', is, '3h');
      await rig.until('sees it so', (view) => rigSees(view, bead.id), '1h');

      await bead.terminate();
      town.wake();
      const told = await convoy.until('knows', ({ beads }: ConvoyView) => beads[0]?.status === 'failed', '15m');
      expect([told.beads[0]?.reason, told.beads[1]?.status, told.attention]).toEqual([
        'its workflow has ended (terminated) before the bead did',
        'pending',
        'blocked',
      ]);
      await after?.(town, rig);
      if (settings.approval === true) {
        const z = town.bead(convoyBeadId(convoyId, 'z'));
        await z.until('waits for approval', ({ wait }) => wait?.for === 'approval', '3h');
        await z.update('approve', {});
      }
      await convoy.until('has merged the other', ({ beads }) => beads[2]?.status === 'merged', '3h');
      await rig.until('holds nothing', holdsNothing, '1h');
      const asked = town.refinery.merges.filter(({ request }) => request.item === bead.id);
      expect([
        asked.some(({ withdrawn }) => withdrawn !== true),
        asked.some(({ withdrawn }) => withdrawn === true),
      ]).toEqual([merges, merges]);
      await town.clock.until('no agent of it is left', () => town.census.running(bead.id).length === 0, '1h');
    },
  );
});
