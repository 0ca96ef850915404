import type { TestService } from '@temporalio/client';
import { describe, expect, it } from 'vitest';
import { VirtualClock } from '../../../src/testing/virtual-clock.js';
import type { ClockContext } from '../../../src/testing/virtual-clock.js';

/** A server on which time passes only when it is told to. */
function server(): TestService {
  let now = 0;
  const stamp = (): unknown => ({ time: { seconds: Math.floor(now / 1_000), nanos: (now % 1_000) * 1e6 } });
  return {
    getCurrentTime: () => Promise.resolve(stamp()),
    unlockTimeSkippingWithSleep: ({ duration }: { duration: { seconds: number; nanos: number } }) => {
      now += duration.seconds * 1_000 + duration.nanos / 1e6;
      return Promise.resolve({});
    },
    unlockTimeSkipping: () => Promise.resolve({}),
    lockTimeSkipping: () => Promise.resolve({}),
  } as unknown as TestService;
}

const nothing: ClockContext = {
  settle: () => Promise.resolve(),
  locks: () => 0,
  takeForgottenLocks: () => 0,
  nextServerEvent: () => undefined,
  nextActivityEnd: () => Infinity,
  passed: () => Promise.resolve(),
};
const never = new Promise<void>(() => undefined);

describe('a pass of virtual time that stands still', () => {
  it('is given up, says where, and is not followed by another', async () => {
    const clock = new VirtualClock(server(), nothing, 500);
    await clock.synchronise();
    clock.at(5_000, () => never);
    const where = /stands still: keeps an appointment of 1970-01-01T00:00:05/;
    await expect(clock.advance('1m')).rejects.toThrow(where);
    await expect(clock.advance('1m')).rejects.toThrow(where);
    expect(clock.broken?.message).toMatch(where);
  });

  it('is none as long as it does something new', async () => {
    const clock = new VirtualClock(server(), nothing, 2_000);
    await clock.synchronise();
    let kept = 0;
    // Together longer than its patience; each of them much shorter, since a busy machine may look away for a while.
    for (let at = 1; at <= 30; at++)
      clock.at(at * 1_000, () => new Promise((done) => setTimeout(done, 90, (kept += 1))));
    await clock.advance('1m');
    expect(kept).toBe(30);
    expect(clock.broken).toBeUndefined();
  });

  it('for which nobody has waited ends when the clock is closed', async () => {
    const clock = new VirtualClock(server(), nothing);
    await clock.synchronise();
    let go = (): void => undefined;
    clock.at(5_000, () => new Promise<void>((resolve) => (go = resolve)));
    const pass = clock.advance('1m');
    while (clock.now() < 5_000) await new Promise((done) => setImmediate(done));
    expect(clock.broken?.message).toContain('still at it');
    clock.close();
    go();
    await expect(pass).rejects.toThrow('has been closed');
  });
});

it('a jump asks for its mark when the locks of others are gone, and gives them back when it has arrived', async () => {
  const done: string[] = [];
  const inOrder = server();
  /** The server gets to a request some time after it was sent. */
  const late =
    (what: string, call: (request: never) => Promise<unknown>) =>
    async (request: never): Promise<unknown> => {
      done.push(`${what} is asked for`);
      await new Promise((resolve) => setTimeout(resolve, 5));
      const answer = await call(request);
      done.push(what);
      return answer;
    };
  const { unlockTimeSkipping, unlockTimeSkippingWithSleep, lockTimeSkipping } = inOrder;
  Object.assign(inOrder, {
    unlockTimeSkipping: late('gone', unlockTimeSkipping as never),
    unlockTimeSkippingWithSleep: late('mark', unlockTimeSkippingWithSleep as never),
    lockTimeSkipping: late('back', lockTimeSkipping as never),
  });
  const clock = new VirtualClock(inOrder, { ...nothing, locks: () => 2 });
  await clock.synchronise();
  await clock.advance('1m');
  expect(done.slice(0, 9)).toEqual([
    ...['gone is asked for', 'gone is asked for', 'gone', 'gone'],
    ...['mark is asked for', 'mark'],
    ...['back is asked for', 'back is asked for', 'back'],
  ]);
});

it('time that has passed while an answer was on its way is none by which a jump has missed its mark; more than that is', async () => {
  const jump = async (missesBy: number): Promise<void> => {
    let ahead = 0;
    let answersAfter = 250;
    const time = () => ({ seconds: 0, nanos: (ahead + performance.now()) * 1e6 });
    const late = {
      getCurrentTime: async () => {
        const said = { time: time() };
        await new Promise((resolve) => setTimeout(resolve, answersAfter));
        return said;
      },
      unlockTimeSkippingWithSleep: ({ duration }: { duration: { seconds: number; nanos: number } }) => {
        ahead += duration.seconds * 1_000 + duration.nanos / 1e6 + missesBy;
        answersAfter = 0;
        return Promise.resolve({});
      },
    };
    const clock = new VirtualClock(late as unknown as TestService, nothing);
    await clock.advance('1m');
  };
  await jump(0);
  await expect(jump(10_000)).rejects.toThrow(/ms past its mark: fewer locks were held/);
});
