import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { attemptRefs } from '../../src/contract/index.js';
import { startTown } from './support/town.js';
import type { Town } from './support/town.js';

let town: Town;
beforeAll(async () => {
  town = await startTown();
});
afterAll(() => town.stop());

describe('an attempt from spawn to report', () => {
  test('the demo agent commits, reports done, and its branch is on the remote', async () => {
    const attempt = await town.attempt({ agent: { adapter: 'demo', options: { steps: 4, stepMs: 100, commits: 2 } } });
    expect(await attempt.spawn()).toEqual({ fenced: true, pid: await attempt.runnerPid() });
    const { result, carried } = await attempt.ended();
    expect(result).toMatchObject({
      outcome: 'done',
      branch: attemptRefs.branch(attempt.bead, attempt.dir.attempt),
      exitCode: 0,
      session: `demo-${attempt.dir.attempt}`,
    });
    expect(await attempt.remote(attemptRefs.branchRef(attempt.bead, attempt.dir.attempt))).toBe(result?.sha);
    expect(await attempt.dir.readResult()).toEqual(result);
    expect(carried.heard[0]).toMatchObject({ kind: 'start', host: 'test-host' });
    expect(carried.notes.map(({ text }) => text)).toEqual([expect.stringContaining('2 commits')]);
  });
});
