import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { defaultClocks } from '../../../src/domain/index.js';
import type { BeadView } from '../../../src/contract/index.js';
import { elapsed } from '../../../src/runner/instant.js';
import type { Instant } from '../../../src/runner/instant.js';
import {
  beatDeadline,
  beatRenews,
  judgeOrphan,
  leaseIsOver,
  nextBeatAfter,
  orphanEvery,
  renewLease,
} from '../../../src/runner/lease/lease.js';

const at = (ms: number, wallShift = 0): Instant => ({ wall: 1_000_000 + ms + wallShift, mono: ms });
const clocks = { leaseFor: 600_000 };

describe('the lease', () => {
  test('holds till one millisecond before leaseFor after the renewed request was sent, and not at it', () => {
    const lease = { renewedAt: at(5_000) };
    expect(leaseIsOver(lease, at(604_999), clocks)).toBe(false);
    expect(leaseIsOver(lease, at(605_000), clocks)).toBe(true);
  });

  test('a wall clock that is set back does not lengthen it, nor does a machine that slept', () => {
    const lease = { renewedAt: at(0) };
    expect(leaseIsOver(lease, at(600_000, -3_600_000), clocks)).toBe(true);
    // The monotonic clock stood still for the night; the wall clock tells.
    expect(leaseIsOver(lease, { wall: at(0).wall + 8 * 3_600_000, mono: 10 }, clocks)).toBe(true);
  });

  test('an answer that overtook a later one takes nothing back', () => {
    const lease = renewLease({ renewedAt: at(1_000) }, at(3_000));
    expect(renewLease(lease, at(2_000))).toEqual({ renewedAt: at(3_000) });
  });

  test('for any order of answers it is counted from the newest request that was accepted', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(10_000_000), { minLength: 1 }), (sent) => {
        const lease = sent.reduce((held, ms) => renewLease(held, at(ms)), { renewedAt: at(0) });
        expect(lease.renewedAt).toEqual(at(Math.max(...sent)));
      }),
    );
  });

  test('time never passes slower than either clock says', () => {
    fc.assert(
      fc.property(fc.integer({ min: -1e9, max: 1e9 }), fc.nat(1e9), (wall, mono) => {
        expect(elapsed({ wall: 0, mono: 0 }, { wall, mono })).toBe(Math.max(wall, mono));
      }),
    );
  });

  test('what was recorded by the server renews it, what was not does not', () => {
    expect((['recorded', 'paused', 'cancelled', 'refused', 'unreachable'] as const).map(beatRenews)).toEqual([
      true,
      true,
      true,
      false,
      false,
    ]);
  });

  test('three calls for adoption fit into a lease, and a beat is not waited for longer than the next one is due', () => {
    expect(orphanEvery({ signalEvery: 120_000, leaseFor: 600_000 })).toBe(120_000);
    expect(orphanEvery({ signalEvery: 120_000, leaseFor: 90_000 })).toBe(30_000);
    expect([
      beatDeadline({ beatEvery: 100 }),
      beatDeadline({ beatEvery: 5_000 }),
      beatDeadline({ beatEvery: 60_000 }),
    ]).toEqual([2_000, 5_000, 10_000]);
  });

  test('a beat that nobody has answered is repeated in time for a hiccup of a minute, also with rare beats', () => {
    expect(nextBeatAfter('recorded', { beatEvery: 40_000 })).toBe(40_000);
    expect(nextBeatAfter('unreachable', { beatEvery: 40_000 })).toBe(10_000);
    expect(nextBeatAfter('unreachable', { beatEvery: 500 })).toBe(500);
    // The network is away from just after a beat on, for a minute: each try takes until its deadline.
    let at = nextBeatAfter('recorded', defaultClocks);
    while (at < 60_000) at += Math.max(nextBeatAfter('unreachable', defaultClocks), beatDeadline(defaultClocks));
    expect(at).toBeLessThan(defaultClocks.heartbeatTimeout);
  });
});

describe('what an orphan learns from its bead', () => {
  const view = (current: object | undefined, status = 'in_progress'): BeadView =>
    ({ status, current: current }) as unknown as BeadView;
  const mine = (lastSignAt: number, more: object = {}): BeadView => view({ id: '1-mine', lastSignAt, ...more });

  test('a sign that was counted after the first look renews the lease', () => {
    expect(judgeOrphan(mine(100), mine(101), '1-mine')).toBe('renewed');
  });
  test('one that was not counted does not, whatever this host believes the time to be', () => {
    expect(judgeOrphan(mine(100), mine(100), '1-mine')).toBe('not_counted');
    expect(judgeOrphan(mine(9e15), mine(9e15), '1-mine')).toBe('not_counted');
  });
  test.each([
    ['another attempt is current', view({ id: '2-other', lastSignAt: 200 })],
    ['none is', view(undefined)],
    ['it is being stopped', mine(200, { stopping: { outcome: 'stalled', reason: 'x', at: 1 } })],
    ['the bead is closed', view({ id: '1-mine', lastSignAt: 200 }, 'closed')],
    ['the bead is cancelled', view({ id: '1-mine', lastSignAt: 200 }, 'cancelled')],
  ])('it has no business here any more when %s', (_what, after) => {
    expect(judgeOrphan(mine(100), after, '1-mine')).toBe('moved_on');
  });
});
