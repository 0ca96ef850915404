import { describe, expect, it } from 'vitest';
import { initialBead, initialConvoy, initialRig, stepBead } from '../../../src/domain/index.js';
import type { BeadEvent } from '../../../src/domain/index.js';
import type { BeadState, ConvoyState, RigState } from '../../../src/contract/index.js';
import { dayOf } from '../../../src/lab/bench/model-days.js';
import { ModelClock } from '../../../src/lab/simulation/model/clock.js';
import { brokenOnModel } from '../../../src/lab/simulation/on-model.js';
import { playOnModel } from '../../../src/lab/simulation/play.js';
import type { Played } from '../../../src/lab/simulation/play.js';
import {
  convoyRuleProblem,
  eventProblem,
  restProblem,
  rigRuleProblem,
  stateProblem,
} from '../../../src/lab/simulation/rules.js';
import { scriptOf } from '../../../src/lab/simulation/script.js';
import type { Script } from '../../../src/lab/simulation/script.js';

const minute = 60_000;
const seeds = (from: number, count: number): number[] => Array.from({ length: count }, (_, n) => from + n);

it('a day of a town with fifty hosts breaks no rule, and all its beads end or wait for a person', async () => {
  const { attempts, statuses } = await playOnModel(dayOf(50));
  expect([statuses.length, attempts > statuses.length]).toEqual([150, true]);
  expect(statuses.filter((status) => status === 'closed').length).toBeGreaterThan(140);
  expect([...new Set(statuses)].filter((status) => status !== 'closed' && status !== 'blocked')).toEqual([]);
}, 120_000);

describe('a thousand random days of the domain on the model', () => {
  it('break no rule, and are rich: every status, strays, losses, rigs, convoys that land, fail and wait', async () => {
    const sums = { steps: 0, attempts: 0, strays: 0, statuses: new Set<string>(), convoys: new Set<string>() };
    const broken: string[] = [];
    for (const seed of seeds(1, 1_000)) {
      try {
        const played = await playOnModel(scriptOf(seed, { server: true }));
        sums.steps += played.steps;
        sums.attempts += played.attempts;
        sums.strays += played.strays;
        for (const status of played.statuses) sums.statuses.add(status);
        if (played.convoy !== undefined) sums.convoys.add(played.convoy);
      } catch (error) {
        broken.push(`seed ${seed}: ${String(error)}`);
      }
    }
    expect(broken).toEqual([]);
    expect([...sums.statuses]).toEqual(expect.arrayContaining(['blocked', 'cancelled', 'closed']));
    expect([...sums.convoys].sort()).toEqual(['cancelled', 'failed', 'landed', 'running']);
    expect(sums.steps).toBeGreaterThan(20_000);
    expect(sums.attempts).toBeGreaterThan(1_500);
    expect(sums.strays).toBeGreaterThan(50);
  }, 120_000);

  it('find a give-up that comes before the lease has frozen the agent: two agents, or an end while one runs', async () => {
    const problems: string[] = [];
    for (const seed of seeds(1, 400)) {
      await playOnModel(scriptOf(seed), { giveUpAfter: 3 * minute }).catch((error: unknown) =>
        problems.push(String(error)),
      );
      if (problems.length > 0) break;
    }
    expect(problems.join()).toMatch(/ended while its agent ran|agents ran at once/);
  }, 120_000);
});

it('a day after which a refused login is tried each half hour comes to rest, also while one bead tries', async () => {
  const { statuses } = await playOnModel(scriptOf(9_738, { server: true }));
  expect(statuses).toContain('in_progress');
});

it('a day after which two beads are refused in turn, each after a while of work, comes to rest', async () => {
  const { statuses } = await playOnModel(scriptOf(4_736, { server: true }));
  expect(statuses.filter((status) => status === 'closed')).toHaveLength(4);
});

it('a town of 500 hosts and 600 beads, of which twenty hosts die: one agent at once for each, and all end', async () => {
  const script: Script = {
    seed: 0,
    hosts: 500,
    maxAgents: 2,
    beads: Array.from({ length: 600 }, () => [{ works: 20 * minute }]),
    steps: Array.from({ length: 20 }, (_, n) => ({
      after: n === 0 ? 5 * minute : 1_000,
      fault: { do: 'die', host: n * 11 },
    })),
  };
  const { attempts, statuses } = await playOnModel(script);
  expect(statuses.length).toBe(600);
  expect(new Set(statuses)).toEqual(new Set(['closed']));
  // Some of the dead had agents: their beads took a second attempt, and no other did.
  expect(attempts).toBeGreaterThan(600);
  expect(attempts).toBeLessThan(660);
}, 120_000);

it('a convoy of 300 beads, each of which needs others, lands as a whole with 60 agents at once', async () => {
  const needs = Array.from({ length: 300 }, (_, n) => (n < 50 ? [] : n % 10 === 0 ? [n - 50, n - 49] : [n - 50]));
  const script: Script = {
    seed: 0,
    hosts: 20,
    maxAgents: 4,
    beads: [],
    fleet: {
      maxAgents: 60,
      convoy: {
        needs,
        agents: needs.map(() => [{ works: minute }]),
        policy: 'wait',
        target: 'integration',
        staged: false,
      },
    },
    steps: [],
  };
  const { attempts, convoy, statuses } = await playOnModel(script);
  expect(convoy).toBe('landed');
  expect([statuses.length, attempts]).toEqual([300, 300]);
}, 120_000);

it('200 rigs with 600 beads, one agent at once for each rig: none takes the place of another, and all merge', async () => {
  const script: Script = {
    seed: 0,
    hosts: 100,
    maxAgents: 4,
    beads: Array.from({ length: 600 }, () => [{ works: 20 * minute }]),
    fleet: { maxAgents: 1, rigs: 200 },
    steps: [],
  };
  const { attempts, statuses } = await playOnModel(script);
  expect([statuses.length, attempts]).toEqual([600, 600]);
  expect(new Set(statuses)).toEqual(new Set(['closed']));
}, 120_000);

describe('stories that random days have found', () => {
  const host = { hosts: 1, maxAgents: 1 };

  it('a host that takes every adoption and does nothing with it is given up, and its bead goes on', async () => {
    const script: Script = {
      seed: 0,
      ...host,
      beads: [[{ coldStart: 10 * minute, works: minute }]],
      steps: [
        { after: 50_000, fault: { do: 'hangWorker', host: 0 } },
        { after: 40 * minute, fault: { do: 'startWorker', host: 0 } },
      ],
    };
    expect(await playOnModel(script)).toMatchObject({ statuses: ['closed'], attempts: 2 });
  });

  it('a new worker on a host whose worker was frozen in mid-start goes on with what was prepared', async () => {
    const script: Script = {
      seed: 0,
      ...host,
      beads: [[{ coldStart: 10 * minute, works: minute }]],
      steps: [
        { after: 50_000, fault: { do: 'freezeWorker', host: 0 } },
        { after: 40_000, fault: { do: 'startWorker', host: 0 } },
      ],
    };
    expect(await playOnModel(script)).toMatchObject({ statuses: ['closed'], attempts: 1 });
  });

  it('an agent that talks and is killed, again and again, is started ten times and no more', async () => {
    const script: Script = {
      seed: 0,
      ...host,
      beads: [[{ coldStart: 1_000, firstOutput: 100, works: 1_000, ends: 'killed', changesNothing: true }]],
      steps: [],
    };
    expect(await playOnModel(script)).toMatchObject({ statuses: ['blocked'], attempts: 10 });
  });

  it('a host whose worker answers every adoption, and whose runners never reach Temporal, is given up: before and after the spawn', async () => {
    for (const after of [30_000, 15 * minute]) {
      const script: Script = {
        seed: 0,
        hosts: 2,
        maxAgents: 1,
        beads: [[{ coldStart: 10 * minute, works: 20 * minute }]],
        steps: [
          { after, fault: { do: 'cutOffRunners', host: 0 } },
          { after: 60 * minute, fault: { do: 'heal', host: 0 } },
        ],
      };
      const { statuses, attempts } = await playOnModel(script);
      expect([after, statuses, attempts > 1]).toEqual([after, ['closed'], true]);
    }
  });

  it('what is overdue before a timer is armed for it is no outage: a host that hangs with what had waited long in the queue', async () => {
    const script: Script = {
      seed: 1869,
      ...host,
      beads: [[{ coldStart: 1_492, works: 338_958 }], [{ coldStart: 4_881, works: 1_222_311, ends: 'escalated' }]],
      steps: [
        { after: 95_277, fault: { do: 'freezeWorker', host: 0 } },
        { after: 335_485, fault: { do: 'hangWorker', host: 0 } },
        { after: 1_887_741, fault: { do: 'killRunner', bead: 1 } },
        { after: 979_078, fault: { do: 'nudge', bead: 0 } },
      ],
    };
    expect(await playOnModel(script)).toMatchObject({ statuses: ['closed', 'blocked'] });
  });

  it.each<[string, boolean, Played]>([
    ['has its disk full for an hour', true, { statuses: ['closed'], attempts: 1, strays: 0 }],
    ['has a rule against them', false, { statuses: ['blocked'], attempts: 1, strays: 0 }],
  ])(
    'finished commits that a remote refuses which %s are kept, offered again, and not redone',
    async (_, mayPass, played) => {
      const script: Script = {
        seed: 0,
        ...host,
        beads: [[{ coldStart: 1_000, works: 20 * minute }]],
        steps: [
          { after: 5 * minute, fault: { do: 'remoteRefuses', mayPass } },
          { after: 60 * minute, fault: { do: 'remoteTakes' } },
        ],
      };
      expect(await playOnModel(script)).toMatchObject(played);
    },
  );

  it('a diamond lands as a whole, one agent after the other, though Temporal is away while it is merged', async () => {
    const done = [{ coldStart: 1_000, works: 10 * minute }];
    const script: Script = {
      seed: 0,
      ...host,
      beads: [],
      fleet: {
        maxAgents: 1,
        convoy: {
          needs: [[], [0], [0], [1, 2]],
          agents: [done, done, done, done],
          policy: 'wait',
          target: 'integration',
          staged: true,
        },
      },
      steps: [
        { after: minute, fault: { do: 'startConvoy' } },
        { after: 10 * minute, fault: { do: 'serverAway' } },
        { after: 60 * minute, fault: { do: 'serverBack' } },
        { after: minute, fault: { do: 'pauseRig' } },
        { after: 30 * minute, fault: { do: 'resumeRig' } },
      ],
    };
    expect(await playOnModel(script)).toMatchObject({
      convoy: 'landed',
      statuses: ['closed', 'closed', 'closed', 'closed'],
    });
  });

  it('Temporal away for a night costs no attempt', async () => {
    const script: Script = {
      seed: 0,
      ...host,
      beads: [[{ coldStart: 1_000, works: 20 * minute }]],
      steps: [
        { after: 5 * minute, fault: { do: 'serverAway' } },
        { after: 8 * 60 * minute, fault: { do: 'serverBack' } },
      ],
    };
    expect(await playOnModel(script)).toMatchObject({ statuses: ['closed'], attempts: 1 });
  });
});

describe('the rules see', () => {
  const at = (state: BeadState, now: number, ...events: BeadEvent[]): BeadState =>
    events.reduce((before, event) => stepBead(before, event, now), state);
  const attempt = '1-abcdefgh';
  const working = at(
    initialBead({ bead: 'b', title: 'b', repo: '/r', agent: { adapter: 'demo' } }, 0),
    1_000,
    { type: 'dispatched', attempt },
    { type: 'accepted', signal: { attempt, host: 'h' } },
    { type: 'heartbeat', signal: { attempt, host: 'h', kind: 'start' } },
  );
  const beat: BeadEvent = { type: 'heartbeat', signal: { attempt, host: 'h', kind: 'output' } };
  const look = { agents: [], before: working, event: beat, after: working, now: 2_000, thereSince: 0 };
  const { current } = working;
  if (current === undefined) throw new Error('a bead at work has an attempt');

  it('nothing in a bead at work', () => {
    expect(eventProblem(look)).toBeUndefined();
    expect(stateProblem(working)).toBeUndefined();
  });

  it.each<[string, Partial<Parameters<typeof eventProblem>[0]>, string]>([
    [
      'a heartbeat that does not restore working',
      { after: { ...working, agent: 'suspect' } },
      'after a fresh heartbeat',
    ],
    ['a heartbeat that ends an attempt', { after: { ...working, current: undefined } as never }, 'a heartbeat ended'],
    [
      'an end while the agent runs',
      {
        event: { type: 'tick' },
        after: { ...working, current: undefined } as never,
        agents: [{ bead: 'b', attempt, host: 'h', spawnedAt: 1, frozen: false }],
      },
      'while its agent ran on h',
    ],
    [
      'a give-up too early',
      {
        event: { type: 'tick' },
        after: at({ ...working, current: { ...current, suspectSince: 1_000 } }, 12 * minute, { type: 'tick' }),
        now: 12 * minute,
        before: { ...working, current: { ...current, lastSignAt: 5 * minute } },
      },
      'was given up',
    ],
    [
      'a suspicion without end',
      {
        event: { type: 'tick' },
        after: { ...working, current: { ...current, suspectSince: 1_000 } },
        now: 60 * minute,
      },
      'not given up',
    ],
    [
      'an attempt that only its host speaks of, kept for ever',
      {
        event: { type: 'unwatched', attempt, text: 'its runner refused' },
        after: { ...working, current: { ...current, lastSignAt: 60 * minute } },
        now: 60 * minute,
        heardAt: 1_000,
      },
      'itself for 60 min',
    ],
    [
      'a loss that does not count',
      {
        event: { type: 'ended', result: { attempt, outcome: 'lost', reason: 'killed', host: 'h' } },
        after: {
          ...at(working, 2_000, { type: 'ended', result: { attempt, outcome: 'lost', reason: 'killed', host: 'h' } }),
          used: working.used,
        },
      },
      'the loss does not count',
    ],
    [
      'an agent that is started while finished commits wait to be pushed',
      {
        event: { type: 'dispatched', attempt: '2-abcdefgh' },
        before: {
          ...working,
          current: undefined,
          unpushed: { attempt, host: 'h', branch: 'b', sha: 's', tries: 0 },
        } as never,
      },
      'wait to be pushed, and another agent is started',
    ],
    [
      'a person who is not told what to do',
      { after: { ...working, status: 'blocked', agent: 'working' }, event: { type: 'tick' } },
      'nobody is told',
    ],
  ])('%s', (_, more, words) => {
    expect(eventProblem({ ...look, ...more })).toContain(words);
  });
});

describe('the rules of rigs and convoys see', () => {
  const rig = initialRig(
    {
      rig: 'r',
      settings: {
        repo: '/r',
        agent: { adapter: 'demo' },
        maxAgents: 1,
        checks: [],
        strategy: 'merge',
        approval: false,
      },
    },
    0,
  );
  const held = (bead: string) => ({
    bead,
    workflowId: `bead-${bead}`,
    priority: 3,
    since: 0,
    grantedAt: 0,
    probe: false,
  });
  const merge = (item: string) => ({
    item,
    workflowId: `bead-${item}`,
    branch: item,
    sha: item,
    target: 'main',
    priority: 3,
    since: 0,
    title: item,
    queuedAt: 0,
    tries: 0,
    startedAt: 0,
    strategy: 'merge' as const,
  });
  const bead = (id: string, ...needs: string[]) => ({ id, title: id, needs });
  const convoy = initialConvoy(
    {
      spec: {
        convoy: 'c',
        title: 'c',
        rig: 'r',
        policy: 'wait',
        target: 'base',
        staged: false,
        beads: [bead('a'), bead('b', 'a')],
      },
    },
    0,
  );
  const [first, second] = convoy.beads;
  if (first === undefined || second === undefined) throw new Error('a convoy of two has two');

  it('nothing in a rig and a convoy at their start', () => {
    expect(rigRuleProblem(rig, { ...rig, grants: [held('a')] })).toBeUndefined();
    expect(convoyRuleProblem(convoy)).toBeUndefined();
    expect(
      restProblem(
        rig,
        convoy,
        () => true,
        () => undefined,
      ),
    ).toBeUndefined();
  });

  it.each<[string, Partial<RigState>, string]>([
    ['more grants than agents', { grants: [held('a'), held('b')] }, '2 grants, of 1'],
    ['a bead that holds a place and waits for one', { grants: [held('a')], waiting: [held('a')] }, 'two places'],
    ['two merges into one target', { merging: [merge('a'), merge('b')] }, 'two merges into one target: main, main'],
    ['a commit that is merged and waits', { merging: [merge('a')], queue: [merge('a')] }, 'to be merged twice'],
  ])('%s', (_, more, words) => {
    expect(rigRuleProblem(rig, { ...rig, ...more })).toContain(words);
  });

  it.each<[string, Partial<ConvoyState>, string]>([
    ['a bead before what it needs', { beads: [first, { ...second, status: 'running' }] }, 'b runs before'],
    ['an end while a bead runs', { endedAt: 1, beads: [{ ...first, status: 'running' }, second] }, 'a still runs'],
    ['a landing without all beads', { status: 'landed', reason: 'all', endedAt: 1 }, 'it has landed, and a is pending'],
    ['a state without a reason', { status: 'failed' }, 'failed without a reason'],
  ])('%s', (_, more, words) => {
    expect(convoyRuleProblem({ ...convoy, ...more })).toContain(words);
  });

  it('what is left when all is over: a place, news, an end that does not come, a merge that a convoy does not know', () => {
    const rest = (more: Partial<RigState>, of: Partial<ConvoyState> = {}, merged?: string): string | undefined =>
      restProblem(
        { ...rig, ...more },
        { ...convoy, ...of },
        () => true,
        (id) => (id === 'c-a' ? merged : undefined),
      );
    expect(rest({ waiting: [held('a')] })).toContain('still holds something for bead-a');
    expect(
      rest({
        news: [{ id: 1, workflowId: 'bead-a', signal: 'causeGone', payload: { bead: 'a' } }],
      }),
    ).toContain('does not tell');
    expect(rest({}, { ending: { as: 'cancelled', reason: 'x' }, status: 'cancelling' })).toContain('does not');
    expect(rest({}, {}, 'abc')).toContain('a is pending, which the bead does not');
  });
});

describe('the clock of the model', () => {
  it('keeps appointments by time and, at one instant, in their order; what is taken back does not happen', async () => {
    const clock = new ModelClock(() => undefined);
    const start = clock.now();
    const kept: [number, string][] = [];
    const keep = (name: string) => (): void => void kept.push([clock.now() - start, name]);
    for (const [at, name] of [
      [50, 'e'],
      [10, 'a'],
      [30, 'c'],
      [30, 'd'],
      [20, 'b'],
    ] as const)
      clock.at(start + at, keep(name));
    clock.at(start + 25, keep('never'))();
    clock.after(40, () => clock.after(5, keep('later')));
    await clock.advance(45);
    expect(kept).toEqual([
      [10, 'a'],
      [20, 'b'],
      [30, 'c'],
      [30, 'd'],
      [45, 'later'],
    ]);
    expect(clock.now() - start).toBe(45);
  });
});

it('a script that breaks nothing is told so', async () => {
  expect(await brokenOnModel(scriptOf(3))).toBeUndefined();
});
