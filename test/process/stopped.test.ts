import { execa } from 'execa';
import { describe, expect, inject, it } from 'vitest';
import { BeadExistsError } from '../../src/client/index.js';
import { attemptRefs } from '../../src/contract/index.js';
import { Town, generous, processState, told, until } from './support/town.js';

const open = () => Town.open(inject('devServer'));
const address = (): string => inject('devServer').address;

describe('what is stopped, and what ends', { timeout: 3 * generous }, () => {
  it('a cancelled bead says so only when its agent is gone, daemons included, and its work is on the remote', async () => {
    const town = await open();
    const host = await town.host(address());
    const bead = await town.sling({ steps: 200, stepMs: 150, commits: 100, leaveDaemon: true });
    const { view, runner } = await town.working(bead, host);
    const attempt = view.current?.id ?? '';
    await town.beads.cancel(bead);
    const cancelled = await town.seen(bead, 'is cancelled', (now) => now.status === 'cancelled');
    expect(town.processesOf(attempt)).toEqual([]);
    expect(cancelled.attempts[0]).toMatchObject({ id: attempt, outcome: 'stopped', countedAs: 'nothing' });
    expect(await town.remote(attemptRefs.wip(bead, attempt))).toBe(cancelled.checkpoint?.sha);
    await until('the runner has ended too', () => Promise.resolve(processState(runner.pid) === undefined));
    const { status } = await town.client.workflow.getHandle(`bead-${bead}`).describe();
    expect(status.name).toBe('CANCELLED');
  });

  it('an agent that ignores SIGTERM is gone all the same', async () => {
    const town = await open();
    const host = await town.host(address());
    const bead = await town.sling({ steps: 200, stepMs: 150, ignoreSigterm: true });
    const { view, agent } = await town.working(bead, host);
    await town.beads.cancel(bead);
    await town.seen(bead, 'is cancelled', (now) => now.status === 'cancelled');
    expect(processState(agent)).toBeUndefined();
    expect(town.processesOf(view.current?.id ?? '')).toEqual([]);
  });

  it('a daemon that an agent leaves behind is ended with the attempt', async () => {
    const town = await open();
    await town.host(address());
    const bead = await town.sling({ leaveDaemon: true });
    const closed = await town.closed(bead);
    expect(town.processesOf(closed.attempts[0]?.id ?? '')).toEqual([]);
  });

  it('an exit with status 0 and no report is an outcome of its own, and the next attempt goes on from the work', async () => {
    const town = await open();
    await town.host(address());
    const bead = await town.sling({ exitWithoutReport: true });
    const closed = await town.closed(bead);
    expect(
      closed.attempts.map(({ outcome, countedAs }) => [outcome, countedAs]),
      told(closed),
    ).toEqual([
      ['unreported', 'agent'],
      ['done', 'nothing'],
    ]);
    const saved = closed.attempts[0]?.checkpoint;
    await execa('git', [
      '-C',
      town.origin,
      'merge-base',
      '--is-ancestor',
      saved?.wip === true ? `${saved.sha}^` : (saved?.sha ?? ''),
      closed.sha ?? '',
    ]);
  });

  it('two slings of one id at once make one bead; the second is refused and harms nothing', async () => {
    const town = await open();
    await town.host(address());
    const id = `twice-${town.queue.slice(-8)}`;
    const outcomes = await Promise.allSettled([town.sling({}, { bead: id }), town.sling({}, { bead: id })]);
    expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    expect(outcomes.find((outcome) => outcome.status === 'rejected')?.reason).toBeInstanceOf(BeadExistsError);
    expect((await town.closed(id)).attemptCount).toBe(1);
  });

  it('a host with two places never runs a third agent, whatever waits', async () => {
    const town = await open();
    const host = await town.host(address(), { maxAgents: 2 });
    const beads = await Promise.all(Array.from({ length: 6 }, () => town.sling({ steps: 4, stepMs: 150, commits: 1 })));
    const most = { agents: 0, waiting: 0 };
    await until('all six are closed', async () => {
      const views = await Promise.all(beads.map((bead) => town.view(bead)));
      let agents = 0;
      for (const [index, view] of views.entries()) {
        const record = view.current ? await host.attempt(beads[index] ?? '', view.current.id).readRunner() : undefined;
        if (record?.agent !== undefined && processState(record.agent.pid) !== undefined) agents += 1;
      }
      most.agents = Math.max(most.agents, agents);
      most.waiting = Math.max(most.waiting, views.filter(({ wait }) => wait?.for === 'place').length);
      return views.every(({ status }) => status === 'closed');
    });
    expect(most.agents).toBeLessThanOrEqual(2);
    expect(most.agents).toBeGreaterThan(0);
    expect(most.waiting).toBeGreaterThanOrEqual(3);
  });
});
