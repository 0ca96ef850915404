import { describe, expect, it } from 'vitest';
import {
  addProblem,
  landingRequest,
  convoyEffects,
  convoyProgress,
  convoyLooks,
  removeProblem,
  retryProblem,
  stepConvoy,
  waitingReason,
} from '../../src/domain/index.js';
import { bead, ConvoyStory } from './support/convoy-story.js';
import { conflict, merged, sha } from './support/rig-story.js';

describe('a convoy', () => {
  it('starts a bead when all it needs is merged, and not before', () => {
    const convoy = new ConvoyStory();
    expect(convoy.ready).toEqual(['a']);
    expect(convoy.start().ready).toEqual([]);
    convoy.report('a', 'in_review').report('a', 'closed');
    expect([convoy.ready, convoy.status('a')]).toEqual([[], 'failed']);
    expect(convoy.merge('a').ready).toEqual(['b', 'c']);
    expect(convoy.start().merge('b').ready).toEqual([]);
    expect(convoy.merge('c').ready).toEqual(['d']);
  });

  it('starts the urgent first, else in the order of the file', () => {
    expect(new ConvoyStory([bead('x'), bead('y'), bead('z', [], { priority: 1 })]).ready).toEqual(['z', 'x', 'y']);
  });

  it('has landed when all are merged', () => {
    const convoy = new ConvoyStory().start().merge('a').start().merge('b', 'c').start().merge('d');
    expect([convoy.state.status, convoy.state.reason]).toEqual(['landed', 'all 4 beads are merged']);
    expect(convoy.effects).toEqual([]);
  });

  it('starts nothing before its rig has been asked', () => {
    const convoy = new ConvoyStory(undefined, {}, { prepared: false });
    expect([convoy.ready, convoy.effects]).toEqual([[], ['prepare']]);
    convoy.apply({ type: 'notPrepared', reason: 'there is no rig r: add it first' });
    expect([convoy.effects, convoy.state.attention, waitingReason(convoy.state, 'a')]).toEqual([
      [],
      'blocked',
      'waits for a person: there is no rig r: add it first',
    ]);
    expect(convoy.apply({ type: 'resume' }).effects).toEqual(['prepare']);
  });

  it('staged starts nothing before its start, and takes beads meanwhile', () => {
    const convoy = new ConvoyStory([bead('a')], { staged: true }, { prepared: false });
    expect([convoy.effects, convoy.state.status, waitingReason(convoy.state, 'a')]).toEqual([
      [],
      'staged',
      'waits for the start of the convoy',
    ]);
    expect(addProblem(convoy.state, bead('b', ['a']))).toBeUndefined();
    convoy.apply({ type: 'addBead', bead: bead('b', ['a']) }, { type: 'start' });
    expect([convoy.effects, convoy.state.status]).toEqual([['prepare'], 'running']);
  });

  it('paused starts nothing new; what runs goes on', () => {
    const convoy = new ConvoyStory().start().apply({ type: 'pause' }).merge('a');
    expect([convoy.effects, convoy.state.status, waitingReason(convoy.state, 'b')]).toEqual([
      [],
      'paused',
      'waits for the end of the pause',
    ]);
    expect(convoy.apply({ type: 'resume' }).ready).toEqual(['b', 'c']);
  });

  it('does not start what was paused away in the moment of its start', () => {
    const convoy = new ConvoyStory().apply({ type: 'pause' }, { type: 'starting', id: 'a' });
    expect(convoy.status('a')).toBe('pending');
  });

  it('counts, and says of each bead what it waits for', () => {
    const convoy = new ConvoyStory().start().merge('a').start().report('b', 'blocked', { reason: 'out of money' });
    expect(convoyProgress(convoy.state)).toEqual({
      total: 4,
      pending: 1,
      starting: 0,
      running: 2,
      merged: 1,
      failed: 0,
      cancelled: 0,
      skipped: 0,
    });
    expect(waitingReason(convoy.state, 'd')).toBe('waits for b (blocked), c (running)');
    expect(waitingReason(convoy.state, 'b')).toBe('waits for a person: out of money');
    expect([waitingReason(convoy.state, 'c'), waitingReason(convoy.state, 'a')]).toEqual([
      'waits for its agent',
      undefined,
    ]);
    expect([convoy.state.attention, convoy.state.reason]).toEqual([
      'blocked',
      'a person is needed: b is blocked (out of money)',
    ]);
    convoy.report('b', 'in_review');
    expect([convoy.state.attention, waitingReason(convoy.state, 'b'), waitingReason(convoy.state, 'd')]).toEqual([
      undefined,
      'waits for its merge',
      'waits for b (in review), c (running)',
    ]);
  });

  it('takes a bead that was there already as it stands', () => {
    const convoy = new ConvoyStory().apply(
      { type: 'starting', id: 'a' },
      { type: 'started', id: 'a', report: { bead: 'c-a', status: 'closed', reason: '', merged: true, sha: sha(7) } },
    );
    expect([convoy.status('a'), convoy.ready]).toEqual(['merged', ['b', 'c']]);
  });

  it('believes the newer word when a report overtakes the answer of the start', () => {
    const convoy = new ConvoyStory()
      .apply({ type: 'starting', id: 'a' })
      .merge('a')
      .apply({ type: 'started', id: 'a', report: { bead: 'c-a', status: 'in_review', reason: '', merged: false } });
    expect(convoy.status('a')).toBe('merged');
  });

  it('counts and drops reports of beads that are none of its own, or have not been started', () => {
    const convoy = new ConvoyStory()
      .report('ghost', 'closed', { merged: true, sha: sha(1) })
      .report('d', 'closed', { merged: true, sha: sha(1) });
    expect([convoy.state.strays, convoy.statuses]).toEqual([2, 'a pending, b pending, c pending, d pending']);
  });

  it('never takes a merge back', () => {
    const convoy = new ConvoyStory().start().merge('a').report('a', 'cancelled').report('a', 'in_progress');
    expect(convoy.status('a')).toBe('merged');
  });

  it('without beads has not landed: a person is asked', () => {
    const convoy = new ConvoyStory([bead('a')]).apply({ type: 'removeBead', id: 'a', release: false });
    expect([convoy.state.status, convoy.state.attention, convoy.state.reason]).toEqual([
      'running',
      'blocked',
      'a person is needed: it has no beads: add one, or cancel it',
    ]);
    expect(convoy.apply({ type: 'addBead', bead: bead('z') }).ready).toEqual(['z']);
  });
});

describe('when a bead fails', () => {
  const failed = (policy: 'wait' | 'skip-dependants' | 'stop', how: 'failed' | 'cancelled' = 'failed'): ConvoyStory =>
    new ConvoyStory([bead('a'), bead('b', ['a']), bead('c', ['a']), bead('d', ['b']), bead('e', ['d', 'c'])], {
      policy,
    })
      .start()
      .merge('a')
      .start()
      .report('b', how, { reason: 'no good' });

  it.each(['failed', 'cancelled'] as const)(
    '(%s) under wait: those that need it wait, the others go on, a person is asked',
    (how) => {
      const convoy = failed('wait', how);
      expect(convoy.statuses).toBe(`a merged, b ${how}, c running, d pending, e pending`);
      expect(waitingReason(convoy.state, 'd')).toBe(`waits for b (${how})`);
      expect([convoy.state.status, convoy.state.attention]).toEqual(['running', 'blocked']);
      convoy.merge('c');
      expect([convoy.ready, convoy.state.status]).toEqual([[], 'running']);
    },
  );

  it('under wait: the bead slung again and merged lets the others go on', () => {
    const convoy = failed('wait').report('b', 'open').merge('b');
    expect([convoy.status('b'), convoy.ready, convoy.state.attention]).toEqual(['merged', ['d'], undefined]);
  });

  it('under wait: it may be started again from the convoy', () => {
    const convoy = failed('wait');
    expect([retryProblem(convoy.state, 'b'), retryProblem(convoy.state, 'c')]).toEqual([
      undefined,
      expect.stringContaining('only a failed or cancelled bead'),
    ]);
    expect(convoy.apply({ type: 'retryBead', id: 'b' }).ready).toEqual(['b']);
  });

  it('under wait: it may be removed, when those that need it are released', () => {
    const convoy = failed('wait');
    expect(removeProblem(convoy.state, 'b', false)).toBe(
      'd needs it; remove those first, or release them from their need',
    );
    expect(removeProblem(convoy.state, 'b', true)).toBeUndefined();
    expect(convoy.apply({ type: 'removeBead', id: 'b', release: true }).ready).toEqual(['d']);
  });

  it('under skip-dependants: all that need it, through others too, are skipped, and the convoy has failed in the end', () => {
    const convoy = failed('skip-dependants');
    expect(convoy.statuses).toBe('a merged, b failed, c running, d skipped, e skipped');
    expect(convoy.state.beads[4]?.reason).toBe('it needs d, which will not be merged');
    expect(convoy.state.status).toBe('running');
    convoy.merge('c');
    expect([convoy.state.status, convoy.state.reason]).toEqual([
      'failed',
      '2 of 5 beads are merged; the others failed, were cancelled or skipped',
    ]);
  });

  it('under skip-dependants: when it comes to life again, so do those that were skipped', () => {
    const convoy = failed('skip-dependants').report('b', 'in_progress');
    expect(convoy.statuses).toBe('a merged, b running, c running, d pending, e pending');
  });

  it('under stop: everything else is cancelled, and the convoy has failed when all agents are gone', () => {
    const convoy = failed('stop');
    expect([convoy.statuses, convoy.effects, convoy.state.status]).toEqual([
      'a merged, b failed, c running, d cancelled, e cancelled',
      ['cancelBead c'],
      'cancelling',
    ]);
    convoy.apply({ type: 'cancelTold', id: 'c' });
    expect(convoy.effects).toEqual([]);
    convoy.report('c', 'cancelled');
    expect([convoy.state.status, convoy.state.reason]).toEqual([
      'failed',
      "b has failed, and the convoy's policy is to stop then",
    ]);
  });

  it('blocked is not failed: the others wait for the person', () => {
    const convoy = new ConvoyStory(undefined, { policy: 'stop' }).start().report('a', 'blocked', { reason: 'help' });
    expect([convoy.state.status, convoy.status('a')]).toEqual(['running', 'running']);
  });

  it('that could not even be started is tried again on resume', () => {
    const convoy = new ConvoyStory().apply(
      { type: 'starting', id: 'a' },
      { type: 'notStarted', id: 'a', reason: 'a foreign bead has its id' },
    );
    expect([convoy.status('a'), convoy.ready]).toEqual(['failed', []]);
    expect(convoy.apply({ type: 'resume' }).ready).toEqual(['a']);
  });
});

describe('a bead whose workflow has ended without a word', () => {
  const look = (convoy: ConvoyStory, status: string, askedAt = convoy.now + 1): ConvoyStory =>
    convoy.apply({ type: 'looked', askedAt, gone: [{ bead: 'c-a', status }] });

  it('has failed', () => {
    const convoy = look(new ConvoyStory().start(), 'TERMINATED');
    expect(convoy.state.beads[0]).toMatchObject({
      status: 'failed',
      reason: 'its workflow has ended (terminated) before the bead did',
    });
    expect(convoyLooks(convoy.state)).toBe(false);
  });

  it('is believed when it is asked itself', () => {
    const convoy = new ConvoyStory().start();
    convoy.apply({
      type: 'looked',
      askedAt: convoy.now + 1,
      gone: [
        {
          bead: 'c-a',
          status: 'COMPLETED',
          report: { bead: 'c-a', status: 'closed', reason: '', merged: true, sha: sha(5) },
        },
      ],
    });
    expect(convoy.status('a')).toBe('merged');
  });

  it('is not judged by a look from before its start', () => {
    expect(look(new ConvoyStory().start(), 'TERMINATED', 5).status('a')).toBe('running');
  });
});

describe('beads added and removed', () => {
  it('are held against the rest of the graph', () => {
    const { state } = new ConvoyStory().start();
    expect(addProblem(state, bead('a', ['b']))).toBe('two beads are named a');
    expect(addProblem(state, bead('e', ['ghost']))).toMatch(/no such bead/);
    expect(addProblem(state, { id: 5 })).toMatch(/bead number 5|bead number/);
    expect(removeProblem(state, 'ghost', false)).toMatch(/has no bead "ghost"/);
  });

  it('added once more as it is, changes nothing: whoever got no answer asks again', () => {
    const convoy = new ConvoyStory([bead('a'), bead('z')]).start();
    const before = convoy.state.beads;
    expect(addProblem(convoy.state, bead('z'))).toBeUndefined();
    expect(convoy.apply({ type: 'addBead', bead: bead('z') }).state.beads).toEqual(before);
  });

  it('removed while it runs, leaves when its agent is gone', () => {
    const convoy = new ConvoyStory([bead('a'), bead('z')])
      .start()
      .apply({ type: 'removeBead', id: 'a', release: false });
    expect([convoy.effects, convoy.statuses, removeProblem(convoy.state, 'a', false)]).toEqual([
      ['cancelBead a'],
      'a running, z running',
      'a is being removed already',
    ]);
    expect(addProblem(convoy.state, bead('n', ['a']))).toBe('it needs a, which is being removed');
    expect(convoy.report('a', 'cancelled').statuses).toBe('z running');
    expect(convoy.merge('z').state.status).toBe('landed');
  });

  it('removed in the moment in which it was merged, stays', () => {
    const convoy = new ConvoyStory([bead('a'), bead('z')])
      .start()
      .apply({ type: 'removeBead', id: 'a', release: false })
      .merge('a');
    expect([convoy.statuses, removeProblem(convoy.state, 'a', false)]).toEqual([
      'a merged, z running',
      'a is merged: it cannot be taken out any more',
    ]);
  });

  it('removed, is nobody’s failure', () => {
    const convoy = new ConvoyStory([bead('a'), bead('z')], { policy: 'stop' })
      .start()
      .apply({ type: 'removeBead', id: 'a', release: false })
      .report('a', 'cancelled');
    expect(convoy.state.status).toBe('running');
  });

  it('cannot need each other when the rig merges nothing', () => {
    const convoy = new ConvoyStory([bead('a')], {}, { prepared: false }).apply({
      type: 'prepared',
      facts: { repo: '/r', strategy: 'branch-only', version: 1 },
    });
    expect([addProblem(convoy.state, bead('b')), addProblem(convoy.state, bead('b', ['a']))]).toEqual([
      undefined,
      expect.stringContaining('merges nothing'),
    ]);
  });
});

describe('a convoy that is cancelled', () => {
  it('before its start ends at once', () => {
    expect(
      new ConvoyStory(undefined, { staged: true }, { prepared: false }).apply({ type: 'cancel' }).state.status,
    ).toBe('cancelled');
  });

  it('cancels what runs, starts nothing more, and ends when all agents are gone', () => {
    const convoy = new ConvoyStory().start().merge('a').start().apply({ type: 'cancel' });
    expect([convoy.statuses, convoy.effects, convoy.state.status]).toEqual([
      'a merged, b running, c running, d cancelled',
      ['cancelBead b', 'cancelBead c'],
      'cancelling',
    ]);
    // Merged in the same instant: nothing follows from it.
    convoy.merge('b').report('c', 'cancelled');
    expect([convoy.statuses, convoy.state.status]).toEqual([
      'a merged, b merged, c cancelled, d cancelled',
      'cancelled',
    ]);
  });

  it('waits for a start that is under way, and cancels that bead too', () => {
    const convoy = new ConvoyStory().apply({ type: 'starting', id: 'a' }, { type: 'cancel' });
    expect([convoy.state.status, convoy.effects]).toEqual(['cancelling', ['start a']]);
    expect(convoy.apply({ type: 'started', id: 'a' }).effects).toEqual(['cancelBead a']);
  });

  it('has landed all the same when its last bead was merged in that instant', () => {
    const convoy = new ConvoyStory([bead('a')]).start().apply({ type: 'cancel' }).merge('a');
    expect(convoy.state.status).toBe('landed');
  });

  it('outranks the policy', () => {
    const convoy = new ConvoyStory([bead('a'), bead('z')], { policy: 'stop' })
      .start()
      .report('a', 'failed')
      .apply({ type: 'cancel' })
      .report('z', 'cancelled');
    expect(convoy.state.status).toBe('cancelled');
  });

  it('changes no more when it has ended', () => {
    const convoy = new ConvoyStory().apply({ type: 'cancel' });
    const { state } = convoy;
    convoy.apply({ type: 'start' }, { type: 'resume' }, { type: 'addBead', bead: bead('n') });
    expect(convoy.state).toEqual(state);
    expect([addProblem(state, bead('n')), removeProblem(state, 'a', false), retryProblem(state, 'a')]).toEqual(
      Array.from({ length: 3 }, () => 'the convoy is cancelled: cancelled by an operator'),
    );
  });
});

describe('the landing of an integration branch', () => {
  const whole = (): ConvoyStory => new ConvoyStory([bead('a')], { target: 'integration' }).start().merge('a');
  const queued = (): ConvoyStory => whole().apply({ type: 'landingQueued', sha: sha(50) });

  it('follows when all beads are merged on it, and is done when the remote shows it', () => {
    const convoy = whole();
    expect([convoy.state.targetBranch, convoy.effects, convoy.state.status]).toEqual(['convoy/c', ['land'], 'landing']);
    expect(convoy.apply({ type: 'landingQueued', sha: sha(50) }).effects).toEqual([]);
    convoy.landed(merged(60));
    expect([convoy.effects, convoy.state.status]).toEqual([['verify'], 'landing']);
    convoy.apply({ type: 'landingVerified' });
    expect([convoy.state.status, convoy.state.landing?.sha]).toEqual(['landed', sha(60)]);
  });

  it('that fails is said, waits for a person, and is tried again', () => {
    const convoy = queued().landed(conflict);
    expect([convoy.effects, convoy.state.attention, convoy.state.landing]).toMatchObject([
      [],
      'blocked',
      { step: 'stuck', tries: 1, lastReason: 'conflict with main in a.txt' },
    ]);
    expect(convoy.apply({ type: 'resume' }).effects).toEqual(['land']);
    expect(convoy.apply({ type: 'landingQueued', sha: sha(51) }).state.landing).toMatchObject({
      tries: 2,
      queuedSha: sha(51),
    });
  });

  it('tells the refinery where its branch began, and a person what to do when the base has lost that commit', () => {
    const convoy = new ConvoyStory([bead('a')], { target: 'integration' }, { prepared: false }).apply({
      type: 'prepared',
      facts: { repo: '/r', base: 'main', strategy: 'merge', version: 1 },
      began: sha(40),
    });
    convoy
      .start()
      .merge('a')
      .apply({ type: 'landingQueued', sha: sha(50) });
    expect(landingRequest(convoy.state, 'w', sha(50))).toMatchObject({ target: 'main', began: sha(40) });
    convoy.landed({ outcome: 'unrelated', target: 'main', targetSha: sha(9), lost: sha(40) });
    expect(convoy.state.attention).toBe('blocked');
    expect(convoy.state.landing?.lastReason).toMatch(
      /^main was rewritten and has lost .*bring that back; merge convoy\/c by hand where that is right, then resume/,
    );
    expect(convoy.apply({ type: 'resume' }).effects).toEqual(['land']);
  });

  it('that the remote does not show is none', () => {
    const convoy = queued().landed(merged(60)).apply({ type: 'landingStuck', reason: 'main does not have it' });
    expect([convoy.state.status, convoy.state.attention]).toEqual(['landing', 'blocked']);
  });

  it('takes no answer about another commit', () => {
    const convoy = queued().apply(
      { type: 'mergeEnded', ended: { item: 'convoy-c', sha: sha(49), result: merged(60) } },
      { type: 'mergeEnded', ended: { item: 'other', sha: sha(50), result: merged(60) } },
    );
    expect([convoy.state.landing?.step, convoy.state.strays]).toEqual(['queued', 2]);
  });

  it('that is stuck may be helped by one more bead', () => {
    const convoy = queued().landed(conflict);
    expect(addProblem(convoy.state, bead('fix'))).toBeUndefined();
    convoy.apply({ type: 'addBead', bead: bead('fix') });
    expect([convoy.ready, convoy.state.landing, convoy.state.status]).toEqual([['fix'], undefined, 'running']);
    expect(convoy.start().merge('fix').effects).toEqual(['land']);
    expect(addProblem(queued().state, bead('late'))).toMatch(/is landing/);
  });

  it('waits while the convoy is paused', () => {
    const convoy = new ConvoyStory([bead('a')], { target: 'integration' }).start().apply({ type: 'pause' }).merge('a');
    expect([convoy.effects, convoy.state.status]).toEqual([[], 'paused']);
    expect(convoy.apply({ type: 'resume' }).effects).toEqual(['land']);
  });

  it('that has not reached the rig is asked for again, as is its withdrawal; cancelled, it has nothing to wait for', () => {
    const untold = queued().apply({ type: 'rigNotTold' });
    expect([untold.effects, untold.state.landing?.tries]).toEqual([['land'], 0]);
    expect(untold.apply({ type: 'cancel' }).state.status).toBe('cancelled');
    const late = queued().apply({ type: 'cancel' }).apply({ type: 'withdrawTold' }).apply({ type: 'rigNotTold' });
    expect([late.effects, late.state.landing?.step]).toEqual([['withdraw'], 'queued']);
  });

  it('cancelled before it is in the queue, ends; afterwards the refinery’s answer decides', () => {
    expect(whole().apply({ type: 'cancel' }).state.status).toBe('cancelled');
    const late = queued().apply({ type: 'cancel' });
    expect([late.state.status, late.effects]).toEqual(['cancelling', ['withdraw']]);
    late.apply({ type: 'withdrawTold' });
    expect(late.effects).toEqual([]);
    expect(
      stepConvoy(
        late.state,
        {
          type: 'mergeEnded',
          ended: { item: 'convoy-c', sha: sha(50), result: { outcome: 'error', reason: 'withdrawn' } },
        },
        late.now,
      ).status,
    ).toBe('cancelled');
    late.landed(merged(60));
    expect([late.effects, late.apply({ type: 'landingVerified' }).state.status]).toEqual([['verify'], 'landed']);
  });

  it('does not follow when a part was skipped', () => {
    const convoy = new ConvoyStory([bead('a'), bead('b')], { target: 'integration', policy: 'skip-dependants' })
      .start()
      .merge('a')
      .report('b', 'failed');
    expect([convoy.state.status, convoyEffects(convoy.state)]).toEqual(['failed', []]);
    expect(convoy.state.reason).toContain('so convoy/c does not land');
  });

  it('needs a rig that merges', () => {
    expect(
      queued().landed({ outcome: 'merged', sha: sha(60), target: 'main', strategy: 'branch-only' }).state.landing,
    ).toMatchObject({ step: 'stuck', lastReason: 'rig r merges nothing (branch-only)' });
  });
});
