import { expect, it, onTestFinished, vi } from 'vitest';
import type { BeadView, BeatDetails } from '../../../src/contract/index.js';
import { defaultClocks } from '../../../src/domain/index.js';
import { systemTime } from '../../../src/runner/time.js';
import type { BeadLink } from '../../../src/runner/lease/bead-link.js';
import { maySpawn, passFence } from '../../../src/runner/lease/fence.js';
import { Waker } from '../../../src/runner/waker.js';

/** A runner at its fence, of which a test decides what the server, the bead and the host say. */
function atTheFence(ready?: Promise<unknown>): {
  passed: ReturnType<typeof passFence>;
  claims: () => number;
  beats: () => number;
  adopt: () => void;
  pauseOnHost: (paused: boolean) => void;
  pauseBead: (paused: boolean) => void;
} {
  let token = new Uint8Array([1]);
  let [paused, onHost, claims, beats] = [true, false, 0, 0];
  const waker = new Waker(systemTime);
  const current = { id: '1-a', host: 'h' };
  const link = {
    beat: async () => {
      beats += 1;
      return 'recorded';
    },
    view: async () => ({ status: 'in_progress', paused, current }) as unknown as BeadView,
  } as unknown as BeadLink;
  const passed = passFence({
    link,
    time: systemTime,
    clocks: { ...defaultClocks, beatEvery: 5 },
    attempt: '1-a',
    host: 'h',
    token: () => token,
    details: () => ({ host: 'h', attempt: '1-a', phase: 'spawning', text: '' }),
    ready,
    claim: async () => {
      claims += 1;
      return 'delivered';
    },
    paused: () => onHost,
    stopped: () => undefined,
    waker,
  });
  return {
    passed,
    claims: () => claims,
    beats: () => beats,
    adopt: () => (token = new Uint8Array([2])),
    pauseOnHost: (now) => (onHost = now),
    pauseBead: (now) => (paused = now),
  };
}
const more = { timeout: 20_000, interval: 5 };

it.each(['bead', 'host'])(
  'an adoption that finds the runner waiting for the end of a pause of its %s is answered, once',
  async (where) => {
    const fence = atTheFence();
    await expect.poll(fence.claims, more).toBe(1);
    if (where === 'host') fence.pauseOnHost(true);
    const before = fence.beats();
    await expect.poll(fence.beats, more).toBeGreaterThan(before + 3);
    expect(fence.claims()).toBe(1);
    fence.adopt();
    await expect.poll(fence.claims, more).toBe(2);
    const after = fence.beats();
    await expect.poll(fence.beats, more).toBeGreaterThan(after + 3);
    expect(fence.claims()).toBe(2);
    fence.pauseOnHost(false);
    fence.pauseBead(false);
    expect(await fence.passed).toHaveProperty('lease');
    expect(fence.claims()).toBe(2);
  },
);

it('nothing is spawned by a runner that has stood still behind its fence: by the faster of two clocks, and the shorter of two times', () => {
  const lease = { renewedAt: { wall: 1_000, mono: 500 } };
  const clocks = { leaseFor: 600_000, heartbeatTimeout: 90_000 };
  const after = (wall: number, mono: number): { wall: number; mono: number } => ({
    wall: 1_000 + wall,
    mono: 500 + mono,
  });
  expect(maySpawn(lease, after(89_999, 89_999), clocks)).toBe(true);
  // A process that was stopped; a machine that slept; a clock that was set back meanwhile.
  expect(maySpawn(lease, after(90_000, 90_000), clocks)).toBe(false);
  expect(maySpawn(lease, after(90_000, 0), clocks)).toBe(false);
  expect(maySpawn(lease, after(-5_000, 90_000), clocks)).toBe(false);
  expect(maySpawn(lease, after(6_000, 6_000), { ...clocks, leaseFor: 6_000 })).toBe(false);
});

it('claims nothing before the agent can be spawned at once, and says what stands against that', async () => {
  let made: () => void = () => undefined;
  const fence = atTheFence(new Promise<void>((resolve) => (made = resolve)));
  await expect.poll(fence.beats, more).toBe(1);
  await new Promise((resolve) => setImmediate(resolve));
  expect(fence.claims()).toBe(0);
  made();
  await expect.poll(fence.claims, more).toBe(1);
  fence.pauseBead(false);
  expect(await fence.passed).toHaveProperty('lease');

  const full = atTheFence(Promise.reject(new Error('the disk is full')));
  await expect(full.passed).rejects.toThrow('the disk is full');
  expect(full.claims()).toBe(0);
});

it.each<[string, (ms: number) => Promise<void>]>([
  ['refuses connections', () => Promise.resolve()],
  ['answers nothing', (ms) => new Promise((resolve) => void setTimeout(resolve, ms))],
])('a server that %s is given up while the host’s token is still good, so that the bead hears why', async (_, take) => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const began = performance.now();
  const clocks = defaultClocks;
  const link = {
    beat: async (_token: Uint8Array, _details: BeatDetails, deadlineMs: number) => {
      await take(deadlineMs);
      return 'unreachable';
    },
  } as unknown as BeadLink;
  const passed = passFence({
    link,
    time: systemTime,
    clocks,
    attempt: '1-a',
    host: 'h',
    token: () => new Uint8Array([1]),
    details: () => ({ host: 'h', attempt: '1-a', phase: 'spawning', text: '' }),
    claim: () => Promise.resolve('delivered'),
    paused: () => false,
    stopped: () => undefined,
    waker: new Waker(systemTime),
  });
  let took: number | undefined;
  void passed.then(() => (took = performance.now() - began));
  for (let second = 0; second < 200 && took === undefined; second++) await vi.advanceTimersByTimeAsync(1_000);
  expect(await passed).toMatchObject({ fenced: false, because: 'unreachable' });
  // The host's last beat was before: it needs time to end the activity by its own word.
  expect(took).toBeLessThan(clocks.heartbeatTimeout - 20_000);
  expect(took).toBeGreaterThan(clocks.heartbeatTimeout / 3);
});
