import { describe, expect, it } from 'vitest';
import { attemptRefs } from '../../src/contract/index.js';
import type { BeadState, HeartbeatKind } from '../../src/contract/index.js';
import { expectNeverOpenAgain, expectOneAgent, expectStatus } from '../../src/testing/index.js';
import type { AgentScript, Town, TownBead } from '../../src/testing/index.js';
import { useWorld } from './support/use-world.js';

const world = useWorld();

const minute = 60_000;
/** Says nothing by itself, so that every heartbeat of a test is the test's own. */
const mute: AgentScript = { firstOutput: 'never' };

async function workingBead(agent: AgentScript = mute): Promise<{
  town: Town;
  bead: TownBead;
  attempt: string;
  beat: (kind?: HeartbeatKind, of?: string) => Promise<void>;
}> {
  const town = await world.town({ agent, beatStep: '30s' });
  const bead = await town.sling();
  const state = await bead.until('works', ({ agent: status }) => status === 'working');
  const attempt = state.current?.id ?? '';
  return {
    town,
    bead,
    attempt,
    beat: (kind = 'output', of = attempt) => bead.signal('heartbeat', { attempt: of, kind, host: town.host().id }),
  };
}

describe('a heartbeat near the stale deadline', () => {
  it('1 s before it: the agent never counts as stalled', async () => {
    const { town, bead, beat } = await workingBead();
    await beat();
    const { deadline } = await bead.state();
    expect(deadline).toMatchObject({ what: 'stalled' });
    await town.clock.advanceTo((deadline?.at ?? 0) - 1_000);
    await beat();
    await town.advance('10s');
    await expectStatus(bead, 'in_progress', 'working');
    const { deadline: moved } = await bead.state();
    expect((moved?.at ?? 0) - (deadline?.at ?? 0)).toBeGreaterThanOrEqual(4 * minute);
    expect(bead.statuses.some(({ agent }) => agent === 'stalled')).toBe(false);
  });

  it('at it: whichever of the two comes first, the agent works on', async () => {
    const { town, bead, beat } = await workingBead();
    await beat();
    const { deadline } = await bead.state();
    // The signal is sent when the clock has reached the deadline, and nothing has been told of that yet.
    let sent: Promise<void> | undefined;
    town.clock.at(
      deadline?.at ?? 0,
      () =>
        (sent = town.signal(bead.id, 'heartbeat', {
          attempt: bead.agents[0]?.attempt,
          kind: 'output',
          host: town.host().id,
        })),
    );
    await town.clock.advanceTo((deadline?.at ?? 0) + 10_000);
    await sent;
    await expectStatus(bead, 'in_progress', 'working');
    expect((await bead.state()).attempts).toEqual([]);
    expectNeverOpenAgain(bead);
  });

  it('1 s after it: stalled, nudged, and working again at once', async () => {
    const { town, bead, beat } = await workingBead();
    await beat();
    const { deadline, current } = await bead.state();
    expect((deadline?.at ?? 0) - (current?.lastProgressAt ?? 0)).toBe(5 * minute);
    await town.clock.advanceTo((deadline?.at ?? 0) + 1_000);
    await expectStatus(bead, 'in_progress', 'stalled');
    await beat();
    await expectStatus(bead, 'in_progress', 'working');
    expect((await bead.state()).attention).toBeUndefined();
    expectNeverOpenAgain(bead);
  });

  it('the lost deadline is as exact: 1 s before it the attempt lives on, 1 s after it the attempt is stopped', async () => {
    const { town, bead, beat } = await workingBead();
    const lost = async (): Promise<number> => ((await bead.state()).current?.lastProgressAt ?? 0) + 30 * minute;
    await beat();
    await town.clock.advanceTo((await lost()) - 1_000);
    await expectStatus(bead, 'in_progress', 'stalled');
    await beat();
    await expectStatus(bead, 'in_progress', 'working');
    await town.clock.advanceTo((await lost()) + 1_000);
    const { attempts } = await bead.state();
    expect(attempts).toMatchObject([{ outcome: 'stalled', countedAs: 'agent' }]);
  });
});

/** The runner's own last signal may overtake its result or come after it: it is a stray then, beside the one sent here. */
function expectStray(before: BeadState, after: BeadState): void {
  expect(after.strays).toBeGreaterThan(before.strays);
}

describe('a heartbeat in every other state', () => {
  it('while suspect: working at once', async () => {
    const { town, bead, beat } = await workingBead({});
    town.host().partition();
    await town.advance('2m');
    await expectStatus(bead, 'in_progress', 'suspect');
    await beat('orphan');
    await expectStatus(bead, 'in_progress', 'working');
  });

  it('while stalled, a mere sign of life is no progress: it stays stalled', async () => {
    const { town, bead, beat } = await workingBead();
    await town.advance('11m');
    await expectStatus(bead, 'in_progress', 'stalled');
    await beat('adopted');
    await expectStatus(bead, 'in_progress', 'stalled');
    await beat('tool');
    await expectStatus(bead, 'in_progress', 'working');
  });

  it('while blocked: counted as a stray, nothing else changes', async () => {
    const { town, bead, attempt, beat } = await workingBead({ works: '1m', ends: 'escalated' });
    await bead.until('is blocked', ({ status }) => status === 'blocked');
    const before = await bead.state();
    await beat('output', attempt);
    await town.advance('1m');
    const after = await bead.state();
    expectStray(before, after);
    expect({ ...after, strays: 0, now: 0 }).toEqual({ ...before, strays: 0, now: 0 });
  });

  it('after the end: refused by the server, and the bead stays closed', async () => {
    const { bead, beat } = await workingBead({ works: '1m' });
    await bead.untilEnded();
    await expect(beat()).rejects.toMatchObject({ name: 'WorkflowNotFoundError' });
    await expectStatus(bead, 'closed', 'none');
  });

  it('while the work is in review: a stray, and the bead closes', async () => {
    const { town, bead, attempt, beat } = await workingBead({ works: '1m' });
    town.remote.away = true;
    await bead.until('is in review', ({ status }) => status === 'in_review');
    const before = await bead.state();
    await beat('output', attempt);
    expectStray(before, await bead.state());
    await expectStatus(bead, 'in_review', 'none');
    town.remote.away = false;
    expect((await bead.untilEnded()).status).toBe('closed');
  });

  it('of an old attempt: a stray; the new attempt keeps its own clocks', async () => {
    const { town, bead, attempt, beat } = await workingBead(mute);
    await bead.until(
      'has its second attempt',
      ({ current }) => current?.number === 2 && current.spawnedAt !== undefined,
      '2h',
    );
    const before = await bead.state();
    await beat('output', attempt);
    const after = await bead.state();
    expectStray(before, after);
    expect(after.current).toEqual(before.current);
    expect(after.used).toEqual(before.used);
    await town.advance('1m');
    await expectStatus(bead, 'in_progress', 'working');
  });

  it('from a host that does not hold the attempt: a stray', async () => {
    const { bead, attempt } = await workingBead({});
    const before = await bead.state();
    await bead.signal('heartbeat', { attempt, kind: 'output', host: 'stranger' });
    const after = await bead.state();
    expect(after.strays).toBe(before.strays + 1);
    expect(after.current?.host).toBe(before.current?.host);
  });

  it('brings the newest checkpoint and acknowledgements along', async () => {
    const { bead, attempt } = await workingBead({});
    const checkpoint = { sha: 'a'.repeat(40), ref: attemptRefs.wip(bead.id, attempt), wip: true };
    await bead.signal('heartbeat', { attempt, kind: 'agent', checkpoint, acknowledged: ['nobody-sent-this'] });
    expect((await bead.state()).checkpoint).toEqual(checkpoint);
    expectOneAgent(bead);
  });
});
