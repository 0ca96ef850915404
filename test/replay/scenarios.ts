import type { Town, TownOptions, TownWorkflow } from '../../src/testing/index.js';

const minute = 60_000;
const need = (id: string, ...needs: string[]) => ({ id, title: `bead ${id}`, needs });

/** One life of beads, rigs and convoys. Everything that this build's workflows can do is to happen in one of them. */
export interface Scenario {
  name: string;
  town: TownOptions;
  /** @returns the workflows whose histories are recorded. */
  play(town: Town): Promise<TownWorkflow<unknown>[]>;
}

/**
 * What is recorded by `npm run record-histories`. A new kind of behaviour gets a new scenario; names are for ever,
 * since files carry them.
 */
export const scenarios: Scenario[] = [
  {
    name: 'cold-start',
    town: { agent: { coldStart: '10m', works: '20m' } },
    async play(town) {
      const bead = await town.sling();
      await bead.untilEnded('2h');
      return [bead];
    },
  },
  {
    name: 'frozen-worker-adoption',
    town: { agent: { coldStart: '75s', works: '20m' } },
    async play(town) {
      const bead = await town.sling();
      await town.advance('30s');
      town.host().freezeWorker();
      await town.advance('4m');
      town.host().thawWorker();
      await bead.untilEnded('2h');
      return [bead];
    },
  },
  {
    name: 'lost-host',
    town: { hosts: ['mortal', 'spare'], agent: { works: '30m' }, beatStep: '30s' },
    async play(town) {
      const bead = await town.sling();
      await town.advance('6m');
      town.host('mortal').die();
      await bead.untilEnded('4h');
      return [bead];
    },
  },
  {
    name: 'hanging-host',
    town: { hosts: ['hangs', 'spare'], maxAgents: 1, agent: { coldStart: '10m', works: '20m' }, beatStep: '30s' },
    async play(town) {
      const bead = await town.sling();
      await town.advance('5m');
      town.host('hangs').hangWorker();
      await bead.untilEnded('2h');
      return [bead];
    },
  },
  {
    name: 'silent-then-done',
    town: { beatStep: '30s' },
    async play(town) {
      const bead = await town.sling({ agent: [{ silence: { from: '12m' } }, { works: '10m' }] });
      await bead.untilEnded('4h');
      return [bead];
    },
  },
  {
    name: 'failures-blocked-retried',
    town: { budgets: { agentFailures: 2 } },
    async play(town) {
      const bead = await town.sling({
        agent: [
          { works: '5m', ends: 'crashed' },
          { works: '5m', ends: 'silently' },
          { works: '2m', ends: 'rate_limited', retryAfter: '45m' },
          { works: '1m', ends: 'auth_failed' },
          { works: '5m' },
        ],
      });
      await bead.until('is blocked', ({ status }) => status === 'blocked', '4h');
      await bead.retry();
      await bead.until(
        'is blocked again',
        ({ status, attemptCount }) => status === 'blocked' && attemptCount === 4,
        '4h',
      );
      await bead.retry();
      await bead.untilEnded('4h');
      return [bead];
    },
  },
  {
    name: 'paused-nudged-resumed',
    town: { agent: { works: '30m', heedsMessages: true } },
    async play(town) {
      const bead = await town.sling();
      await town.advance('5m');
      await bead.nudge('mind the tests');
      await bead.pause();
      await town.advance('3h');
      await bead.resume();
      await bead.untilEnded('2h');
      return [bead];
    },
  },
  {
    name: 'cancelled',
    town: { agent: { works: '1h', ignoresSigterm: true } },
    async play(town) {
      const early = await town.sling({ agent: { coldStart: '10m' } });
      const late = await town.sling();
      await town.advance('5m');
      await early.cancel();
      await late.cancel();
      await early.untilEnded('10m');
      await late.untilEnded('10m');
      return [early, late];
    },
  },
  {
    name: 'max-runtime',
    town: {
      clocks: { maxRuntime: 60 * minute },
      agent: { works: 'forever' },
      budgets: { agentFailures: 1 },
      beatStep: '30s',
    },
    async play(town) {
      const bead = await town.sling();
      await bead.until('is blocked', ({ status }) => status === 'blocked', '2h');
      await bead.cancel();
      await bead.untilEnded('10m');
      return [bead];
    },
  },
  {
    name: 'malformed-signals',
    town: { agent: { works: '20m' } },
    async play(town) {
      const bead = await town.sling();
      await town.advance('2m');
      await bead.signal('heartbeat', 'nonsense');
      await bead.signal('unheard-of', { a: 1 });
      await bead.signalRaw('heartbeat', {
        metadata: { encoding: Buffer.from('binary/unknown') },
        data: Buffer.from([0xff, 0xfe]),
      });
      await bead.untilEnded('2h');
      return [bead];
    },
  },
  {
    name: 'talkative-continued-as-new',
    town: {
      clocks: { signalEvery: 10_000, stalledAfter: minute },
      agent: { chatter: '1s', works: '5h' },
      beatStep: '60s',
    },
    async play(town) {
      const bead = await town.sling();
      await bead.until('has continued as new', ({ runs }) => runs > 1, '5h');
      await bead.untilEnded('5h');
      return [bead];
    },
  },
  {
    name: 'diamond-with-a-conflict',
    town: { agent: { works: '10m' } },
    async play(town) {
      const rig = await town.rig('town', {
        maxAgents: 2,
        checks: [{ name: 'build', command: 'true', timeout: minute }],
      });
      let conflicts = 0;
      town.refinery.answer = (input) => {
        if (input.request.item !== 'ring-right' || conflicts > 0) return town.refinery.merged(input);
        conflicts += 1;
        return { outcome: 'conflict', paths: ['README.md'], target: 'main', targetSha: 'd'.repeat(40) };
      };
      const convoy = await town.convoy({
        convoy: 'ring',
        rig: 'town',
        beads: [need('top'), need('left', 'top'), need('right', 'top'), need('end', 'left', 'right')],
      });
      await convoy.untilEnded('6h');
      await rig.update('remove');
      await town.advance('1m');
      return [convoy, rig, ...town.beads];
    },
  },
  {
    name: 'failed-middle-then-cancelled',
    town: { agent: { works: '5m' }, budgets: { agentFailures: 1 } },
    async play(town) {
      const rig = await town.rig('shaky', { budgets: { agentFailures: 1 } });
      const convoy = await town.convoy(
        {
          convoy: 'broken',
          rig: 'shaky',
          policy: 'skip-dependants',
          beads: [need('first'), need('middle', 'first'), need('last', 'middle'), need('aside', 'first')],
        },
        { 'broken-middle': { works: '2m', ends: 'crashed' } },
      );
      await town.advance('2h');
      await convoy.cancel();
      await convoy.untilEnded('2h');
      await rig.update('remove', { force: true });
      await town.advance('5m');
      return [convoy, rig, ...town.beads];
    },
  },
  {
    name: 'approval-checks-and-breaker',
    town: { agent: { works: '5m' }, hosts: ['ant'] },
    async play(town) {
      const rig = await town.rig('careful', { approval: true, maxAgents: 1 });
      let failed = 0;
      town.refinery.answer = (input) => {
        failed += 1;
        if (failed === 1)
          return { outcome: 'checks_failed', check: 'test', logTail: 'expected 2 to be 3', timedOut: false };
        if (failed === 2) return new Error('the remote is away');
        return town.refinery.merged(input);
      };
      const first = await town.sling({ rig: 'careful' });
      const second = await town.sling({ rig: 'careful' });
      await rig.update('configure', { maxAgents: 2 });
      for (const bead of [first, second]) {
        while ((await bead.state()).status !== 'closed') {
          await bead.until(
            'waits for a person, or is closed',
            ({ status, wait }) => status === 'closed' || wait?.for === 'approval',
            '12h',
          );
          if ((await bead.state()).wait?.for === 'approval') await bead.update('approve');
          await town.advance('1m');
        }
      }
      await rig.update('pause');
      await rig.update('resume');
      await rig.update('remove');
      await town.advance('1m');
      return [rig, first, second];
    },
  },
];
