import { expect, it } from 'vitest';
import { mayHaveAgent, mutePatience, questionWithin } from '../../../src/runner/index.js';
import { defaultClocks } from '../../../src/domain/index.js';

it('a runner may have an agent from the moment on at which its record says that it spawns one', () => {
  expect((['fencing', 'refused'] as const).map(mayHaveAgent)).toEqual([false, false]);
  expect((['spawning', 'running', 'frozen', 'paused', 'stopping', 'ended'] as const).map(mayHaveAgent)).toEqual(
    Array.from({ length: 6 }, () => true),
  );
});

it('a mute runner is found out while the token of its host is good for another one, and no sooner than it gives up itself', () => {
  const { heartbeatTimeout } = defaultClocks;
  expect(mutePatience(defaultClocks)).toBe(60_000);
  expect(mutePatience(defaultClocks) + questionWithin(defaultClocks)).toBeLessThanOrEqual((5 / 6) * heartbeatTimeout);
  const short = { heartbeatTimeout: 18_000 };
  expect(mutePatience(short) + questionWithin(short)).toBeLessThanOrEqual((5 / 6) * short.heartbeatTimeout);
});
