import { describe, expect, test } from 'vitest';
import type { BeadView } from '../../../src/contract/index.js';
import { verdict } from '../../../src/domain/bead/explain.js';
import { notStartedYet, whyNotRunning } from '../../../src/domain/telling/why-not.js';
import type { Surroundings } from '../../../src/domain/telling/why-not.js';
import { aBead, currentAttempt, now } from '../cli/a-bead.js';
import { aConvoy, aRig, minute } from './facts.js';

const everyone = { up: ['alpha-1', 'beta-2'], free: ['alpha-1'], merging: ['alpha-1'], silent: [] };
const answer = (view: Partial<BeadView>, more: Partial<Surroundings> = {}): string =>
  whyNotRunning(aBead(view), { now, taskQueue: 'heartbead', hosts: everyone, ...more }).join('\n');
const idle = (wait: BeadView['wait'], more: Partial<BeadView> = {}): Partial<BeadView> => ({
  status: 'open',
  agent: 'none',
  current: undefined,
  wait,
  ...more,
});
const grant = idle({ for: 'grant', since: now, text: 'waits' }, { rig: 'app' });
const asks = (bead: string, priority: number, ago: number) => ({
  bead,
  workflowId: `bead-${bead}`,
  priority,
  since: now - ago,
});
const holds = (bead: string) => ({ ...asks(bead, 3, 5 * minute), grantedAt: now - minute, probe: false });

describe('why is this not running?', () => {
  test('it is running', () => {
    expect(answer({})).toBe('running: yes, attempt 2 on host beta-2');
  });

  test('the limit of its rig: the place in its queue by priority, then age, and who runs', () => {
    const rig = aRig({
      grants: [holds('a'), holds('b')],
      waiting: [
        asks('fix-typo', 3, 9 * minute),
        asks('urgent', 1, minute),
        asks('older', 3, 20 * minute),
        asks('later', 4, 60 * minute),
      ],
    });
    expect(answer(grant, { rig })).toBe(
      'running: no, rig app runs 2 of at most 2 agents; it is number 3 of 4 that wait, by priority (its own ' +
        'is 3), then age\nrunning now: a, b',
    );
  });

  test('the pause of its rig, its breaker with the next try, its removal, its silence', () => {
    expect(answer(grant, { rig: aRig({ paused: true, waiting: [asks('fix-typo', 3, minute)] }) })).toContain(
      'rig app is paused (heartbead rig resume app); it is number 1 of 1',
    );
    const breaker = { open: true, losses: 4, opened: 1, reason: '4 losses in a row', probeAt: now + 3 * minute };
    expect(answer(grant, { rig: aRig({ breaker }) })).toContain(
      'the breaker of rig app is open (4 losses in a row); the next try is in 3 min',
    );
    expect(answer(grant, { rig: aRig({ breaker, grants: [{ ...holds('p'), probe: true }] }) })).toContain(
      'p tries now whether things are better',
    );
    expect(answer(grant, { rig: aRig({ removed: true }) })).toContain('is being removed');
    expect(answer(grant, { rig: 'silent' })).toContain('which does not answer');
  });

  test('full hosts, and how many wait with it', () => {
    const queued = {
      status: 'open' as const,
      agent: 'none' as const,
      current: currentAttempt({ host: undefined, acceptedAt: undefined, spawnedAt: undefined }),
    };
    expect(answer(queued, { hosts: { ...everyone, free: [], queued: 7 } })).toBe(
      'running: no, no host has taken it for 4 min: all hosts are full (alpha-1, beta-2: at their limit of ' +
        'agents, or below their floor of free disk)\nabout 7 attempts wait in the agents queue, best priority ' +
        'first, then age',
    );
    expect(answer(queued)).toContain('though a place is free on alpha-1');
  });

  test('no worker at all is said whatever else it waits for', () => {
    const hosts = { up: [], free: [], merging: [], silent: [] };
    expect(answer(idle(undefined), { hosts })).toContain(
      'no worker polls heartbead: nothing moves on before one does (heartbead up)',
    );
    expect(answer({}, { hosts })).toContain('no worker polls heartbead');
  });

  test('a back-off until when, and how to end it', () => {
    expect(answer(idle({ for: 'backoff', until: now + 4 * minute, text: 'the remote is out of reach' }))).toBe(
      'running: no, it backs off for another 4 min: the remote is out of reach; heartbead retry fix-typo ends ' +
        'that at once',
    );
  });

  test('finished commits that a host pushes once more are no next attempt', () => {
    const unpushed = {
      attempt: '2-bbbb',
      host: 'beta-2',
      branch: 'heartbead/fix-typo/2-bbbb',
      sha: 'a'.repeat(40),
      tries: 1,
    };
    expect(answer(idle(undefined, { unpushed }))).toBe(
      'running: no, its work is done, and host beta-2 pushes the commits that it keeps',
    );
  });

  test('pauses by an operator, before and during an attempt, and in the Web UI', () => {
    expect(answer(idle(undefined, { paused: true }))).toContain('heartbead resume fix-typo');
    const paused = currentAttempt({ pausedAt: now, pauseTold: true });
    expect(answer({ paused: true, current: paused })).toContain('running: no, it is paused; heartbead resume fix-typo');
    expect(answer({ paused: true, current: { ...paused, pauseTold: false } })).toContain(
      'running: perhaps, it is to be paused and host beta-2 has not answered',
    );
    expect(verdict(aBead({ agent: 'paused', paused: true, current: paused }))).toBe('paused');
    expect(verdict(aBead({ agent: 'paused', paused: true }))).toContain('its agent may work on');
    expect(answer({ current: currentAttempt({ pausedAt: now, pausedByActivity: true }) })).toContain(
      'paused in the Web UI',
    );
  });

  test('a person: blocked, or approval', () => {
    expect(answer(idle({ for: 'person', since: now, text: 'x', fix: 'correct the base' }, { status: 'blocked' }))).toBe(
      'running: no, it is blocked and waits for a person: correct the base; then heartbead retry fix-typo',
    );
    expect(answer(idle({ for: 'approval', since: now - 2 * minute, text: 'x' }))).toContain(
      'heartbead approve fix-typo',
    );
  });

  test('a host out of sight: perhaps, and what brings it back', () => {
    const text = answer(
      { agent: 'suspect', current: currentAttempt({ suspectSince: now - 3 * minute }) },
      { hosts: { ...everyone, silent: ['beta-2'] } },
    );
    expect(text).toMatch(/^running: perhaps, host beta-2 has been out of sight for 3 min/);
    expect(text).toContain('start its worker again');
  });

  test('its place in the merge queue, what is merged now, and when it is tried again', () => {
    const queued = (item: string, more = {}) => ({
      item,
      workflowId: `bead-${item}`,
      branch: 'b',
      sha: 's',
      target: 'main',
      priority: 3,
      since: now,
      title: item,
      queuedAt: now,
      tries: 0,
      ...more,
    });
    const rig = aRig({
      merging: [{ ...queued('other'), startedAt: now, strategy: 'merge' }],
      queue: [
        queued('first'),
        queued('fix-typo', {
          queuedAt: now - 130 * minute,
          tries: 1,
          notBefore: now + minute,
          lastReason: 'the remote was out of reach',
        }),
      ],
    });
    const text = answer(idle({ for: 'merge', since: now, text: 'x' }, { status: 'in_review', rig: 'app' }), {
      rig,
      hosts: { ...everyone, merging: [] },
    });
    expect(text).toContain(
      'number 2 of 2 in the merge queue of rig app (priority 1, raised from 3 by its age); being merged now: other',
    );
    expect(text).toContain('it is tried again in 60 s: the remote was out of reach');
    expect(text).toContain('no worker polls the merge queue');
    expect(
      answer(idle({ for: 'merge', since: now, text: 'x' }, { rig: 'app' }), {
        rig: aRig({ merging: [{ ...queued('fix-typo'), startedAt: now - minute, strategy: 'merge' }] }),
      }),
    ).toContain('is being merged into main since 60 s');
  });

  test('it has ended', () => {
    expect(answer({ status: 'closed', current: undefined, agent: 'none', reason: 'merged' })).toBe(
      'running: no, it is closed: merged',
    );
  });

  test('a bead that its convoy has not started names what it needs', () => {
    expect(notStartedYet(aConvoy(), 'docs')).toEqual([
      'release-docs: pending, not started yet',
      'running: no, waits for parser (running)',
      'it needs parser, which is running (heartbead explain release-parser)',
    ]);
    expect(notStartedYet(aConvoy({ staged: true }), 'docs')).toContain(
      'convoy release is staged: heartbead convoy start release lets it go',
    );
    expect(notStartedYet(aConvoy(), 'nosuch')).toBeUndefined();
  });
});
