import { createColors } from 'picocolors';
import { describe, expect, test } from 'vitest';
import { report } from '../../../src/cli/demo/report.js';
import { demoClocks, oldStyle, script, slowStart } from '../../../src/cli/demo/scenes.js';
import type { Scene } from '../../../src/cli/demo/scenes.js';
import { isOver, statusOf } from '../../../src/cli/demo/stage.js';
import type { Actor } from '../../../src/cli/demo/stage.js';
import { stageTable } from '../../../src/cli/demo/live.js';
import { broken } from '../../../src/cli/demo/verdict.js';
import { convoyProblem, rigSettingsProblem } from '../../../src/domain/index.js';
import { clocksProblem } from '../../../src/domain/clocks.js';
import { demoOptions } from '../../../src/agents/demo-options.js';
import { aBead, aDescription, endedAttempt, now } from './a-bead.js';

const sha = 'a'.repeat(40);
const onOrigin = { merged: true, subjects: ['one', 'two', 'three'] };
const played = script('/srv/origin.git', 'main', 'test');
const sceneOf = (name: Scene['name']): Scene => played.scenes.find((scene) => scene.name === name) as Scene;
const killed = { attempt: '1-aaaa1111', runner: 10, agent: 11 };

const closed = (
  name: Scene['name'],
  attempts: Parameters<typeof endedAttempt>[0][],
  more: Partial<Actor> = {},
  reworkRounds = 0,
): Actor => ({
  scene: sceneOf(name),
  startedAt: now - 30_000,
  endedAt: now,
  view: aBead({
    status: 'closed',
    agent: 'none',
    current: undefined,
    branch: 'heartbead/x/1',
    sha,
    landing: { grant: 'none', approval: false, mergedSha: sha },
    used: { agentFailures: 0, infraLosses: 0, reworkRounds },
    attempts: attempts.map((attempt) => endedAttempt(attempt)),
    attemptCount: attempts.length,
  }),
  description: aDescription({ execution: 'COMPLETED', status: 'closed', agent: 'none' }),
  ...more,
});
const done = {
  outcome: 'done' as const,
  countedAs: 'nothing' as const,
  startedAt: now - 20_000,
  spawnedAt: now - 11_000,
};
const lost = { outcome: 'lost' as const, countedAs: 'infra' as const };

test('the convoy of the demo is a valid diamond, and its slow start really is slow by the old measure', () => {
  expect(clocksProblem(demoClocks)).toBeUndefined();
  expect(rigSettingsProblem(played.settings)).toBeUndefined();
  expect(convoyProblem(played.convoy)).toBeUndefined();
  expect(played.convoy.beads.map(({ id, needs }) => [id, needs])).toEqual([
    ['plain', []],
    ['slow-start', ['plain']],
    ['killed', ['plain']],
    ['last', ['slow-start', 'killed']],
  ]);
  for (const { agent } of played.convoy.beads) expect(demoOptions.safeParse(agent?.options).success).toBe(true);
  expect(slowStart).toBeGreaterThan(2 * oldStyle.dispatchTimeout);
});

describe('the demo believes nobody', () => {
  test('what was promised and is on the origin passes', () => {
    expect(broken(closed('plain', [done]), onOrigin)).toEqual([]);
    expect(broken(closed('slow start', [done]), onOrigin)).toEqual([]);
    expect(broken(closed('killed', [lost, done], { killed }), onOrigin)).toEqual([]);
    expect(broken(closed('last', [done]), onOrigin)).toEqual([]);
  });

  test('an attempt more is right for the one whose conflict was reworked, and for nobody else', () => {
    expect(broken(closed('killed', [lost, done, done], { killed }, 1), onOrigin)).toEqual([]);
    expect(broken(closed('slow start', [done, done], {}, 1), onOrigin)).toEqual([]);
    expect(broken(closed('slow start', [done, done]), onOrigin)[0]).toContain('cost 2 attempts');
    expect(broken(closed('plain', [done, done], {}, 1), onOrigin)[0]).toContain('2 attempts instead of 1');
  });

  test('a closed bead whose merge is not on the origin, or that names none, fails', () => {
    expect(broken(closed('plain', [done]), { merged: false, subjects: [] })[0]).toContain('does not have');
    const actor = closed('plain', [done]);
    delete actor.view?.landing?.mergedSha;
    expect(broken(actor, undefined)[0]).toContain('names no merged commit');
  });

  test('a bead that did not close fails, with its reason', () => {
    const actor: Actor = {
      scene: sceneOf('plain'),
      startedAt: now,
      view: aBead({ status: 'blocked', reason: 'no such branch' }),
    };
    expect(broken(actor, undefined)).toEqual(['it is blocked: no such branch']);
  });

  test('a slow start that cost a second attempt, or was not slow at all, fails', () => {
    expect(broken(closed('slow start', [lost, done]), onOrigin)[0]).toContain('cost 2 attempts');
    expect(broken(closed('slow start', [{ ...done, spawnedAt: now - 19_000 }]), onOrigin)[0]).toContain(
      'proves nothing',
    );
  });

  test("a kill that never happened, or was taken for the agent's failure, fails", () => {
    expect(broken(closed('killed', [done]), onOrigin)[0]).toContain('nothing was killed');
    expect(broken(closed('killed', [{ outcome: 'agent_failed' }, done], { killed }), onOrigin)[0]).toContain(
      'ended agent_failed instead of lost',
    );
  });
});

test('a blocked bead is over in a demo: nobody will come; a workflow ended from outside is over too', () => {
  const actor: Actor = {
    scene: sceneOf('plain'),
    startedAt: now,
    view: aBead({ status: 'blocked' }),
    description: aDescription({ status: 'blocked' }),
  };
  expect(isOver(actor)).toBe(true);
  expect(isOver({ ...actor, view: aBead() })).toBe(false);
  expect(statusOf({ ...actor, view: aBead(), description: aDescription({ execution: 'TERMINATED' }) })).toBe(
    'terminated',
  );
});

test('the live table says when an old-style dispatcher would have given up', () => {
  const slow: Actor = {
    scene: sceneOf('slow start'),
    startedAt: now - 5_000,
    view: aBead({
      agent: 'starting',
      reason: 'preparing',
      current: { ...(aBead().current as NonNullable<ReturnType<typeof aBead>['current']>), startedAt: now - 5_000 },
    }),
  };
  const look = { colors: createColors(false), width: 160 };
  expect(stageTable([slow], [], now, look)).toContain(
    `an old-style dispatcher gave up at ${oldStyle.dispatchTimeout / 1_000} s`,
  );
  expect(
    stageTable([{ ...slow, view: { ...(slow.view as ReturnType<typeof aBead>), agent: 'working' } }], [], now, look),
  ).not.toContain('gave up');
});

test('the report tells attempts with reasons, branch and commit, and what was not kept', () => {
  const actor = closed('killed', [lost, done], { killed });
  const text = report(
    [{ actor, onOrigin, wrong: ['something'] }],
    { path: '/srv/origin.git', branch: 'main', sha: 'c'.repeat(40), commits: 12 },
    createColors(false),
  );
  expect(text).toContain('attempt 1-aaaa1111: lost (the one that was killed)');
  expect(text).toContain(
    `branch heartbead/x/1, merged as ${sha.slice(0, 12)}: git finds it on the origin's main, 3 commits came with it`,
  );
  expect(text).toContain('not as promised: something');
});
