import { execa, execaSync } from 'execa';
import { describe, expect, inject, it } from 'vitest';
import { attemptRefs } from '../../src/contract/index.js';
import { Town, generous, processState, told, until } from './support/town.js';

const address = (): string => inject('devServer').address;
const open = () => Town.open(inject('devServer'));

/** Processes with the runner's program that a worker has started. */
function childrenOf(worker: number): number[] {
  const { stdout } = execaSync('ps', ['-eo', 'pid=,ppid=,args=']);
  return stdout
    .split('\n')
    .map((line) => /^ *(\d+) +(\d+) .*runner\/main\.bundle\.js/.exec(line))
    .filter((found) => found?.[2] === String(worker))
    .map((found) => Number(found?.[1]));
}

describe('what is killed', { timeout: 3 * generous }, () => {
  it('a worker killed with SIGKILL while an agent works leaves the agent alone, and the bead closes with one attempt', async () => {
    const town = await open();
    const host = await town.host(address());
    const bead = await town.sling({ steps: 40, stepMs: 150 });
    const { agent, runner, view } = await town.working(bead, host);
    await host.kill();
    expect(processState(agent)).toBeDefined();
    expect(processState(runner.pid)).toBeDefined();
    await host.start();
    const closed = await town.closedByOne(bead, view.current?.id);
    expect(await town.remote(`refs/heads/${closed.branch}`)).toBe(closed.sha);
  });

  it('a worker killed with SIGKILL takes the runner that waits with it, and leaves the one that had waited alone', async () => {
    const town = await open();
    const host = await town.host(address(), { env: { HEARTBEAD_SPARE_RUNNER: 'auto' } });
    const waiting = (): Promise<number | undefined> => Promise.resolve(childrenOf(host.pid)[0]);
    const first = await until('a runner waits', waiting);
    const bead = await town.sling({ steps: 40, stepMs: 150 });
    const { agent, runner, view } = await town.working(bead, host);
    expect(runner.pid).toBe(first);
    const next = await until('the next one waits', () =>
      Promise.resolve(childrenOf(host.pid).find((pid) => pid !== first)),
    );
    await host.kill();
    await until('the end of the one that waits', () => Promise.resolve(processState(next) === undefined));
    expect(processState(agent)).toBeDefined();
    expect(processState(runner.pid)).toBeDefined();
    await host.start();
    await town.closedByOne(bead, view.current?.id);
    // The next start has the one that waits now; nobody waits when the worker has stopped.
    const last = await until('a runner waits', waiting);
    host.signal('SIGTERM');
    await until('the end of the one that waits', () => Promise.resolve(processState(last) === undefined));
  });

  it('a runner and its agent killed with SIGKILL are noticed at once, and the next attempt goes on from the pushed work in progress', async () => {
    const town = await open();
    const host = await town.host(address());
    const bead = await town.sling({ steps: 30, stepMs: 200, commits: 10 });
    const { runner, agent, view } = await town.working(bead, host);
    const first = view.current?.id ?? '';
    const wip = attemptRefs.wip(bead, first);
    await until('work in progress is on the remote', async () => await town.remote(wip));
    process.kill(runner.pid, 'SIGKILL');
    process.kill(agent, 'SIGKILL');
    const closed = await town.closed(bead);
    expect(
      closed.attempts.map(({ outcome, countedAs }) => [outcome, countedAs]),
      told(closed),
    ).toEqual([
      ['lost', 'infra'],
      ['done', 'nothing'],
    ]);
    expect(closed.used).toMatchObject({ agentFailures: 0 });
    // What the first attempt had committed is part of what the second delivered.
    const saved = closed.attempts[0]?.checkpoint;
    expect(saved).toBeDefined();
    const committed = saved?.wip === true ? `${saved.sha}^` : (saved?.sha ?? '');
    await execa('git', ['-C', town.origin, 'merge-base', '--is-ancestor', committed, closed.sha ?? '']);
    expect(town.processesOf(first)).toEqual([]);
  });

  it('a runner killed alone does not leave its agent working for nobody', async () => {
    const town = await open();
    const host = await town.host(address());
    const bead = await town.sling({ steps: 30, stepMs: 200 });
    const { runner, agent, view } = await town.working(bead, host);
    process.kill(runner.pid, 'SIGKILL');
    await until('the agent is gone', () => Promise.resolve(processState(agent) === undefined));
    const closed = await town.closed(bead);
    expect(closed.attempts[0]).toMatchObject({ id: view.current?.id, outcome: 'lost' });
  });

  it('an agent killed from outside is a loss, not its failure, and the next attempt follows', async () => {
    const town = await open();
    const host = await town.host(address());
    const bead = await town.sling({ steps: 30, stepMs: 200 });
    const { agent } = await town.working(bead, host);
    process.kill(agent, 'SIGKILL');
    const closed = await town.closed(bead);
    expect(
      closed.attempts.map(({ outcome, countedAs }) => [outcome, countedAs]),
      told(closed),
    ).toEqual([
      ['lost', 'infra'],
      ['done', 'nothing'],
    ]);
  });

  it('a worker killed in mid-start goes on with the same attempt when it is back', async () => {
    const town = await open();
    const host = await town.host(address());
    const bead = await town.sling({ prepareMs: 6_000 });
    const view = await town.seen(bead, 'is dispatched', (now) => now.current !== undefined);
    // From here on the host knows of the attempt: killed earlier, nothing was begun, and another attempt is right.
    await until('the preparation is under way', () => host.attempt(bead, view.current?.id ?? '').readInput());
    await host.kill();
    await host.start();
    const closed = await town.closed(bead);
    expect(
      closed.attempts.map(({ id }) => id),
      told(closed),
    ).toEqual([view.current?.id]);
  });
});
