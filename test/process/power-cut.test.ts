/** A power cut: server, worker, runners and agents are gone in one moment; what was on the disks is all there is. */
import { execa } from 'execa';
import { describe, expect, it, onTestFinished } from 'vitest';
import { agentEnvironment } from '../../src/contract/index.js';
import { problemsOf } from '../../src/domain/telling/problems.js';
import type { Problem } from '../../src/domain/telling/problems.js';
import { lookAtTown } from '../../src/operator/town-facts.js';
import { environmentOf, processTable } from '../../src/runner/processes/process.js';
import { startDevServer } from '../../src/server/dev-server.js';
import { scratchFolder } from '../support/scratch.js';
import { Town, generous, processState, quickClocks, told, until } from './support/town.js';

const agents = 10;
const steps = 20;
/** Ten agents and a server share what may be two cores: nobody may be given up for being slow. */
const clocks = {
  ...quickClocks,
  beatEvery: 2_000,
  heartbeatTimeout: 10_000,
  signalEvery: 4_000,
  adoptWithin: 20_000,
  leaseFor: 25_000,
  giveUpAfter: 60_000,
};

/** All processes that descend from these or carry the mark of an attempt of these beads. */
function belonging(roots: readonly number[], beads: readonly string[]): number[] {
  const table = processTable();
  const found = new Set(roots);
  for (const { pid } of table) if (beads.includes(environmentOf(pid, agentEnvironment.bead) ?? '')) found.add(pid);
  for (let before = 0; before < found.size;) {
    before = found.size;
    for (const { pid, ppid } of table) if (found.has(ppid)) found.add(pid);
  }
  return [...found];
}

/** Attempts whose processes live and are not frozen, by bead. */
function atWork(beads: readonly string[]): Map<string, Set<string>> {
  const found = new Map<string, Set<string>>();
  for (const { pid, zombie } of processTable()) {
    const bead = zombie ? undefined : environmentOf(pid, agentEnvironment.bead);
    const attempt = bead === undefined ? undefined : environmentOf(pid, agentEnvironment.attempt);
    if (bead === undefined || attempt === undefined || !beads.includes(bead) || processState(pid) === 'T') continue;
    found.set(bead, (found.get(bead) ?? new Set()).add(attempt));
  }
  return found;
}

/** Commits beyond where the agents began. */
const ahead = async ({ origin }: Town, commit: string): Promise<number> =>
  Number((await execa('git', ['-C', origin, 'rev-list', '--count', `main..${commit}`])).stdout);

describe('a power cut with ten agents at work', { timeout: 6 * generous }, () => {
  it('loses no work, gives no bead two agents, tells what is known, and each bead closes', async () => {
    let begin = performance.now();
    const seconds = (): string => `${((performance.now() - begin) / 1_000).toFixed(1)} s`;
    const dbFile = `${scratchFolder('server')}/temporal.db`;
    const before = await startDevServer({ dbFile, uiPort: false, namespace: 'default' });
    onTestFinished(() => before.kill());
    const port = Number(before.address.split(':')[1]);
    const town = await Town.open(before);
    // As on everybody's machine.
    const env = { HEARTBEAD_SPARE_RUNNER: 'auto', HEARTBEAD_SPARE_TREE: 'auto' };
    const host = await town.host(before.address, { maxAgents: agents, env });
    const beads = await Promise.all(
      Array.from({ length: agents }, () => town.sling({ steps, stepMs: 2_000, commits: steps / 2 }, { clocks })),
    );
    const working = await Promise.all(beads.map((bead) => town.working(bead, host)));
    // Each has something to lose.
    const saved = await Promise.all(
      beads.map((bead) =>
        until(`${bead} has saved a commit of its agent's`, async () => {
          const view = await town.view(bead);
          const { sha, wip } = view.checkpoint ?? {};
          if (sha === undefined) throw new Error(view.reason);
          return (await ahead(town, wip === true ? `${sha}^` : sha)) > 0 && view;
        }),
      ),
    );
    // One more waits in the queue, and no host has heard of it.
    const queued = await town.sling({ steps: 4, stepMs: 100 }, { clocks });

    console.log(`ten agents at work after ${seconds()}`);
    const runners = working.map(({ runner }) => runner.pid);
    const victims = belonging([before.pid, host.pid, ...runners], beads);
    expect(victims.length).toBeGreaterThanOrEqual(2 + 2 * agents);
    begin = performance.now();
    for (const pid of victims) if (processState(pid) !== undefined) process.kill(pid, 'SIGKILL');
    await Promise.all([before.kill(), host.kill()]);
    await until('all of them are gone', () =>
      Promise.resolve(belonging([], beads).length === 0 && victims.every((pid) => processState(pid) === undefined)),
    );

    const after = await startDevServer({ dbFile, port, uiPort: false, namespace: 'default' });
    onTestFinished(() => after.kill());
    expect(after.address).toBe(before.address);
    const back = await Town.open(after);
    const look = async (): Promise<Problem[]> => {
      const { client, connection, namespace } = back;
      const line = { client, connection, namespace, taskQueue: town.queue, home: host.home, address: after.address };
      const { facts } = await lookAtTown(line as never, { deadline: 10_000 });
      return problemsOf(facts);
    };
    // Nobody is at work, and that is told: eleven beads wait for a worker.
    expect(await until('the server lists all beads', async () => (await look())[0])).toMatchObject({
      kind: 'no-worker',
      why: expect.stringContaining(`${agents + 1} open workflows wait`) as string,
    });

    let twice: string | undefined;
    const watch = setInterval(() => {
      for (const [bead, attempts] of atWork([...beads, queued]))
        if (attempts.size > 1) twice ??= `${bead}: ${[...attempts].join(', ')}`;
    }, 1_000);
    onTestFinished(() => clearInterval(watch));
    await host.start();
    const closed = await Promise.all(
      [...beads, queued].map((bead) => back.seen(bead, 'is closed', ({ status }) => status === 'closed', 3 * generous)),
    );
    console.log(`all beads closed ${seconds()} after the cut`);
    expect(twice).toBeUndefined();
    for (const [n, view] of closed.slice(0, agents).entries()) {
      const was = saved[n];
      expect(
        view.attempts.map(({ outcome, countedAs }) => [outcome, countedAs]),
        told(view),
      ).toEqual([
        ['lost', 'infra'],
        ['done', 'nothing'],
      ]);
      expect(view.used).toMatchObject({ agentFailures: 0 });
      // Whoever looks at the bead is told what became of the first attempt.
      expect(view.attempts[0]).toMatchObject({ id: was?.current?.id, reason: expect.stringMatching(/runner died/) });
      expect(await town.remote(`refs/heads/${view.branch}`)).toBe(view.sha);
      // What was saved before the cut is part of what was delivered, and nothing was done twice.
      const { sha = '', wip } = was?.checkpoint ?? {};
      const committed = wip === true ? `${sha}^` : sha;
      const git = (...args: string[]) => execa('git', ['-C', town.origin, ...args]);
      await git('merge-base', '--is-ancestor', committed, view.sha ?? '');
      const { stdout } = await git('ls-tree', '-r', '--name-only', view.sha ?? '', `demo/${view.bead}/`);
      expect(stdout.split('\n')).toHaveLength(steps);
    }
    expect(closed[agents]?.attempts, told(closed[agents] as never)).toMatchObject([{ outcome: 'done' }]);
    expect(belonging([], [...beads, queued])).toEqual([]);
    expect(await until('nothing is left to tell', async () => (await look()).length === 0)).toBe(true);
  });
});
