import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, Connection } from '@temporalio/client';
import { execa } from 'execa';
import { pino } from 'pino';
import { BeadClient } from '../../client/index.js';
import { defaultClocks } from '../../domain/index.js';
import { AttemptDir } from '../../runner/index.js';
import type { RunnerRecord } from '../../runner/index.js';
import { startWorker } from '../../worker.js';
import { median } from './figures.js';
import type { Figure } from './figures.js';
import { makeLargeRepository } from './large-repository.js';

const patience = 120_000;

async function until<T>(what: string, look: () => Promise<T | undefined>): Promise<T> {
  for (const end = performance.now() + patience; performance.now() < end; await sleep(20)) {
    const seen = await look();
    if (seen !== undefined) return seen;
  }
  throw new Error(`waited ${patience} ms in vain until ${what}`);
}

/**
 * With real git, a real worker, real runners: from sling to spawn on a warm mirror, and from an agent's death to the
 * next one's spawn.
 */
export async function processes(
  server: { address: string; namespace: string },
  { slings = 7, kills = 5, files = 2_000, commits = 50_000, say = (_: string): void => undefined } = {},
): Promise<Figure[]> {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'heartbead-bench-')));
  const origin = await makeOrigin(folder, files);
  const home = join(folder, 'home');
  const taskQueue = `bench-processes-${process.pid}`;
  const connection = await Connection.connect({ address: server.address });
  const beads = new BeadClient({ client: new Client({ connection, namespace: server.namespace }) });
  let worker = await start();
  function start(): ReturnType<typeof startWorker> {
    return startWorker({
      connection: { address: server.address },
      namespace: server.namespace,
      taskQueue,
      home,
      logger: pino({ level: 'silent' }),
    });
  }
  let count = 0;
  const sling = async (options: Record<string, unknown>, repo = origin): Promise<string> => {
    const bead = `bench-agent-${process.pid}-${(count += 1)}`;
    await beads.start({ bead, title: 'bench', repo, agent: { adapter: 'demo', options } }, taskQueue);
    return bead;
  };
  // By the disk: each question to the bead would cost the worker that is measured a workflow task.
  const spawned = (bead: string, after = ''): Promise<{ at: number; runner: RunnerRecord; attempt: string }> =>
    until(`${bead} has an agent`, async () => {
      for (const dir of await AttemptDir.list(home)) {
        if (dir.bead !== bead || dir.attempt === after) continue;
        const runner = await dir.readRunner();
        if (runner?.agent !== undefined) return { at: runner.agent.spawnedAt, runner, attempt: dir.attempt };
      }
      return undefined;
    });
  const closed = (bead: string): Promise<true> =>
    until(`${bead} is closed`, async () => ((await beads.view(bead)).status === 'closed' ? true : undefined));
  /** Its host has cleared up after it: that keeps the disk busy, where half a gigabyte is cloned besides. */
  const cleared = (bead: string): Promise<true> =>
    until(`nothing of ${bead} is left to be tidied`, async () => {
      const dirs = (await AttemptDir.list(home)).filter((dir) => dir.bead === bead);
      const tidied = await Promise.all(dirs.map((dir) => dir.tidied()));
      return tidied.every(Boolean) ? true : undefined;
    });
  /** What a start is compared with, in milliseconds. */
  const plainClone = async (repo: string): Promise<number> => {
    const target = join(folder, 'clone');
    const begin = performance.now();
    await execa('git', ['clone', '--no-local', '--quiet', repo, target]);
    const took = performance.now() - begin;
    rmSync(target, { recursive: true, force: true });
    return took;
  };
  try {
    // The first one pays for the mirror.
    const paid = await sling({ steps: 1, stepMs: 10, commits: 1 });
    await closed(paid);
    await cleared(paid);
    // By themselves first: what a clone has written keeps a disk busy for longer than an agent works.
    const alone: number[] = [];
    for (let n = 0; n < slings; n += 1) {
      const begin = Date.now();
      const bead = await sling({ steps: 20, stepMs: 300, commits: 1 });
      alone.push((await spawned(bead)).at - begin);
      await closed(bead);
    }
    const [starts, clones, ratios, memory]: [number[], number[], number[], number[]] = [[], [], [], []];
    for (let n = 0; n < slings; n += 1) {
      const begin = Date.now();
      const bead = await sling({ steps: 20, stepMs: 300, commits: 1 });
      const { at, runner } = await spawned(bead);
      const rss = await residentMb(runner.pid);
      if (rss !== undefined) memory.push(rss);
      // While the agent works: what a clone has written keeps a disk busy for a while.
      const clone = await plainClone(origin);
      await closed(bead);
      starts.push(at - begin);
      clones.push(clone);
      ratios.push((at - begin) / clone);
    }
    const deaths: number[] = [];
    for (let n = 0; n < kills; n += 1) {
      const bead = await sling({ steps: 400, stepMs: 100, commits: 5 });
      const first = await spawned(bead);
      await until(`${bead} has made progress`, async () =>
        (await beads.view(bead)).current?.firstProgressAt === undefined ? undefined : true,
      );
      const killed = Date.now();
      process.kill(first.runner.agent?.pid ?? 0, 'SIGKILL');
      deaths.push((await spawned(bead, first.attempt)).at - killed);
      await beads.cancel(bead);
      await until(`${bead} is cancelled`, async () =>
        (await beads.view(bead)).status === 'cancelled' ? true : undefined,
      );
    }
    say('a worker is replaced while an agent works');
    const deployed = await sling({ steps: 60, stepMs: 200, commits: 5 });
    await spawned(deployed);
    await worker.stop();
    worker = await start();
    await closed(deployed);
    const usedByDeploy = (await beads.view(deployed)).attempts.length - 1;

    say(`a repository with ${commits} commits`);
    const large = await makeLargeRepository(folder, commits);
    const first = await sling({ steps: 1, stepMs: 10, commits: 1 }, large);
    await closed(first);
    await cleared(first);
    const [warm, cold, warmRatios]: [number[], number[], number[]] = [[], [], []];
    for (let n = 0; n < 3; n += 1) {
      const begin = Date.now();
      const bead = await sling({ steps: 1, stepMs: 10, commits: 1 }, large);
      warm.push((await spawned(bead)).at - begin);
      await closed(bead);
      cold.push(await plainClone(large));
      await cleared(bead);
      warmRatios.push((warm.at(-1) ?? 0) / (cold.at(-1) ?? 1));
    }
    return [
      {
        name: 'warm_start_ratio',
        value: median(warm),
        unit: 'ms',
        against: { what: 'plain git clone', value: median(cold) },
        ratio: median(warmRatios),
        how:
          `a repository with ${commits} commits and half a gigabyte; its mirror is warm: from the start request ` +
          "to the agent's spawn; 3 times, in turn",
      },
      {
        name: 'attempts_used_by_a_deploy',
        value: usedByDeploy,
        unit: 'attempts',
        against: { what: 'an activity that holds the agent', value: 1 },
        how:
          'the worker is stopped and started while an agent works: the agent goes on, and the next worker knows ' +
          'it. Held by the worker, it would end with it',
        report: 'value',
      },
      {
        name: 'sling_to_spawn_alone',
        value: median(alone),
        unit: 'ms',
        how:
          `${slings} beads one by one on the same mirror, before any clone: from the start request to the agent's ` +
          'spawn, right after the one before is closed',
        report: 'value',
      },
      {
        name: 'sling_to_spawn',
        value: median(starts),
        unit: 'ms',
        against: { what: 'plain git clone', value: median(clones) },
        ratio: median(ratios),
        how:
          `${slings} beads one by one on a warm mirror of a repository with ${files} files, from the start ` +
          "request to the agent's spawn, right after the one before is closed; a clone of the same repository while " +
          'each agent works',
      },
      {
        name: 'death_to_respawn_s',
        value: median(deaths) / 1_000,
        unit: 's',
        against: { what: 'heartbeat time-out', value: defaultClocks.heartbeatTimeout / 1_000 },
        ratio: median(deaths) / defaultClocks.heartbeatTimeout,
        how:
          `SIGKILL to a working agent, ${kills} times, default clocks; to the spawn of the next attempt's agent: a ` +
          'first loss is tried again at once',
        report: 'value',
      },
      ...(memory.length > 0
        ? [
            {
              name: 'runner_rss_mb',
              value: median(memory),
              unit: 'MB',
              how: 'resident memory of a runner just after its agent was spawned',
            },
          ]
        : []),
    ];
  } finally {
    await worker.stop();
    await connection.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** @returns resident memory in MB where the kernel tells it. */
async function residentMb(pid: number): Promise<number | undefined> {
  const { stdout, exitCode } = await execa('ps', ['-o', 'rss=', '-p', String(pid)], { reject: false });
  return exitCode === 0 ? Number(stdout.trim()) / 1_024 : undefined;
}

async function makeOrigin(folder: string, files: number): Promise<string> {
  const origin = join(folder, 'origin.git');
  const lines = ['commit refs/heads/main', 'committer Bench <bench@localhost> 1700000000 +0000', 'data 5', 'begin'];
  for (let n = 0; n < files; n += 1) {
    const content = `file ${n}\n`.repeat(50 + (n % 200));
    lines.push(`M 100644 inline src/d${n % 50}/f${n}.txt`, `data ${content.length}`, content);
  }
  await execa('git', ['-c', 'init.defaultBranch=main', 'init', '--quiet', '--bare', origin]);
  await execa('git', ['-C', origin, 'fast-import', '--quiet'], { input: `${lines.join('\n')}\n` });
  return origin;
}
