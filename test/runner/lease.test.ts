import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { attemptRefs } from '../../src/contract/index.js';
import { allFrozen, allRunning, processesOf } from './support/processes.js';
import { openLine } from './support/tcp-proxy.js';
import { startTown } from './support/town.js';
import type { Town } from './support/town.js';
import { until } from '../support/until.js';

let town: Town;
beforeAll(async () => {
  town = await startTown();
});
afterAll(() => town.stop());

const steps = { adapter: 'demo', options: { steps: 40, stepMs: 250, commits: 1 } };

describe('a server that is away', () => {
  test('for less than the lease: the agent works on, and nothing is lost of what it says', async () => {
    const line = await openLine(inject('devServer').address);
    const attempt = await town.attempt({
      agent: { adapter: 'demo', options: { steps: 12, stepMs: 300, commits: 2 } },
      address: line.address,
    });
    expect(await attempt.spawn()).toMatchObject({ fenced: true });
    await until('some work', async () => (await attempt.status()).lastProgressAt !== undefined);
    line.cut();
    const begun = (await attempt.status()).leaseAgeMs;
    // It reports done while nobody hears it.
    await until('its report', () => attempt.dir.readReport());
    expect((await attempt.status()).leaseAgeMs).toBeGreaterThan(begun);
    await until('its result', () => attempt.dir.readResult());
    line.mend();
    const { result, carried } = await attempt.ended();
    expect(result?.outcome).toBe('done');
    expect(carried.notes).toHaveLength(1);
  });

  test('for longer: the work is saved, the agent stands still with all its children, and goes on when the server is back', async () => {
    const line = await openLine(inject('devServer').address);
    const command =
      'echo begun > work; (while :; do date >> ticks; sleep 0.05; done) & while :; do echo works; sleep 0.2; done';
    const attempt = await town.attempt({
      agent: { adapter: 'shell', command },
      address: line.address,
      clocks: { leaseFor: 3_000, heartbeatTimeout: 120_000 },
    });
    expect(await attempt.spawn()).toMatchObject({ fenced: true });
    await until('some work', async () => (await attempt.status()).lastProgressAt !== undefined);
    const { agent } = await attempt.status();
    expect((await attempt.status()).frozenBy).toEqual([]);
    line.cut();
    await until('the agent stands still', () => allFrozen(attempt));
    expect(await attempt.status()).toMatchObject({ phase: 'frozen', state: 'frozen', orphan: false });
    expect((await attempt.status()).leaseAgeMs).toBeGreaterThanOrEqual(3_000);
    expect(
      await until('its work is saved', () => attempt.remote(attemptRefs.wip(attempt.bead, attempt.dir.attempt))),
    ).toBeTruthy();
    line.mend();
    await until('the agent goes on', () => allRunning(attempt));
    expect(await attempt.status()).toMatchObject({ phase: 'running', agent, orphan: false });
    await attempt.control.stop({ outcome: 'stopped', reason: 'the test is over' });
    expect(processesOf(attempt)).toEqual([]);
  });

  test('till the heartbeat timeout, and longer than the lease: frozen, then thawed by its adoption', async () => {
    const line = await openLine(inject('devServer').address);
    const attempt = await town.attempt({
      agent: steps,
      address: line.address,
      clocks: { leaseFor: 3_000, heartbeatTimeout: 4_000 },
    });
    expect(await attempt.spawn()).toMatchObject({ fenced: true });
    await until('some work', async () => (await attempt.status()).lastProgressAt !== undefined);
    const { agent } = await attempt.status();
    line.cut();
    await until('the agent stands still', () => allFrozen(attempt));
    const fresh = await attempt.nextToken();
    await attempt.order('deaf');
    line.mend();
    await until('an orphan', async () => (await attempt.status()).orphan);
    expect(allFrozen(attempt)).toBe(true);
    expect(await attempt.control.adopt(fresh)).toEqual({ adopted: true });
    expect(allRunning(attempt)).toBe(true);
    expect(await attempt.status()).toMatchObject({ phase: 'running', agent, orphan: false });
    const { result, carried } = await attempt.ended();
    expect(result?.outcome).toBe('done');
    expect(carried.heard.filter(({ kind }) => kind === 'start')).toHaveLength(1);
  });
});
