import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import type { RecordedHistory } from '../../cli/replay/read-history.js';
import { parseHistory } from '../../cli/replay/read-history.js';
import { replayHistories } from '../../cli/replay/replay-history.js';
import { BeadClient, FleetClient } from '../../client/index.js';
import { beadWorkflowId, rigWorkflowId, taskQueues } from '../../contract/index.js';
import type { BeadInput, RigSettings } from '../../contract/index.js';
import { durationText } from '../../domain/words.js';
import { builtWorkflowBundle } from '../../worker/bundle.js';
import { ProcessWatch } from './agent-watch.js';
import { BeadWatch } from './bead-watch.js';
import { ChaosServer } from './chaos-server.js';
import { CommitWatch } from './commit-watch.js';
import { endProblems, inUse, leftTrees, lostCommit, lostWork, overlapProblems } from './checks.js';
import { Faults } from './faults.js';
import type { Fault } from './faults.js';
import { latenciesOf } from './latencies.js';
import type { Latencies } from './latencies.js';
import { Operator } from './operator.js';
import { ChaosOrigin } from './origins.js';
import { chaosClocks } from './plan.js';
import type { BeadPlan, ChaosPlan } from './plan.js';
import { settled } from './settled.js';
import { rest, seenWithin } from './until.js';
import { WorkerHost } from './worker-host.js';

export interface ChaosOptions {
  plan: ChaosPlan;
  /** Aborted: everything is ended at once. */
  stop: AbortSignal;
  say: (line: string) => void;
  /** Keep the folder whatever comes; it is kept in any case when something was wrong. */
  keep?: boolean;
  targetWithin?: number;
}

/** What became of a run. */
export interface ChaosReport {
  problems: string[];
  /** The run was broken off. */
  aborted: boolean;
  folder: string;
  kept: boolean;
  faults: Fault[];
  skipped: number;
  beads: number;
  closed: number;
  attempts: number;
  /** Attempts that went on under a new task token. */
  adoptions: number;
  /** Reported commits and snapshots that were looked for on the origins. */
  reported: number;
  /** Commits that were seen in the agents' own repositories and looked for at the end. */
  commits: number;
  /** Attempts that a remote refused, before or after they had finished. */
  refused: number;
  /** Histories that were replayed. */
  histories: number;
  overlaps: string[];
  mostAgents: number;
  looks: number;
  latencies: Latencies;
  tookMs: number;
}

/**
 * After everything is good again: processes end by themselves, and worktrees are removed, within so long. What a host
 * has looked at in vain it looks at again after half the time that this has taken, which counts from the last fault.
 */
const tidyWithin = 90_000;
/** How long an agent that slept with its host may go on beside its successor, until its runner has seen the clock. */
const wakeTolerance = 5_000;
const startWithin = 60_000;

/**
 * Plays a plan on a town of its own and holds what came of it against the promises. Whatever happens, everything that
 * it started is ended.
 */
export async function playChaos({ plan, stop, say, keep = false, targetWithin }: ChaosOptions): Promise<ChaosReport> {
  const began = performance.now();
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'hb-chaos-')));
  const run = folder
    .slice(-6)
    .toLowerCase()
    .replaceAll(/[^a-z0-9]/g, '0');
  const idOf = ({ bead }: Pick<BeadPlan, 'bead'>): string => `${run}-${bead}`;
  const rigOf = (repo: number): string | undefined => (repo < plan.rigs ? `${run}-rig${repo + 1}` : undefined);
  const taskQueue = `chaos-${run}`;
  const problems: string[] = [];
  const hosts: WorkerHost[] = [];
  let server: ChaosServer | undefined;
  let connection: Connection | undefined;
  let faults: Faults | undefined;
  const ids = new Set(plan.beads.map(idOf));
  const agents = new ProcessWatch((bead) => ids.has(bead));
  const looking = new AbortController();
  let watch: BeadWatch | undefined;
  let commits: CommitWatch | undefined;
  let operator: Operator | undefined;
  let histories = 0;
  let failed = true;
  try {
    server = await ChaosServer.start(join(folder, 'temporal.db'), say);
    const { address, namespace } = server;
    const origins: ChaosOrigin[] = [];
    for (let repo = 0; repo < plan.repos; repo++) origins.push(await ChaosOrigin.make(folder, `origin${repo + 1}`));
    for (let host = 0; host < plan.hosts; host++)
      hosts.push(
        new WorkerHost(`host${host + 1}`, {
          home: join(folder, `host${host + 1}`),
          address,
          namespace,
          taskQueue,
          maxAgents: plan.maxAgents,
        }),
      );
    for (const host of hosts) host.start();
    connection = await Connection.connect({ address });
    const client = new Client({ connection, namespace });
    const beads = new BeadClient({ client }, { deadline: 5_000 });
    const fleet = new FleetClient({ client }, 10_000);
    watch = new BeadWatch(beads, AbortSignal.any([stop, looking.signal]));
    if (
      (await seenWithin(startWithin, stop, () => (hosts.every((host) => host.polls()) ? true : undefined))) ===
        undefined &&
      !stop.aborted
    )
      throw new Error(`not all workers came up; their logs are in ${folder}`);
    for (const [repo, origin] of origins.entries()) {
      const rig = rigOf(repo);
      if (rig !== undefined) await fleet.addRig(rig, rigSettings(origin.path, plan), taskQueue);
    }
    say(`server ${server.pid} at ${address}; workers ${hosts.map(({ pid }) => pid).join(', ')}; all in ${folder}`);
    agents.start();
    watch.start();
    commits = new CommitWatch(hosts, AbortSignal.any([stop, looking.signal]));
    commits.start();
    operator = new Operator({
      beads,
      watch,
      resume: (repo) => {
        const rig = rigOf(repo);
        return rig === undefined ? Promise.resolve() : fleet.resumeRig(rig);
      },
      origins,
      stop: AbortSignal.any([stop, looking.signal]),
      say,
    });
    operator.start();

    const { beads: seen, refused } = watch;
    const met = (repo: number): number => [...refused.values()].filter((bead) => seen.get(bead)?.repo === repo).length;
    faults = new Faults({ server, hosts, origins, met, stop, say, targetWithin });
    const slings = sling(plan, watch, { idOf, rigOf, origins, taskQueue, stop });
    await Promise.all([slings, faults.play(plan.faults)]);
    for (const host of hosts) host.start();
    const over = performance.now();
    const slowestLook = over + (over - began) / 2;
    if (!stop.aborted)
      say(
        `the faults are over: ${watch.open.length} of ${plan.beads.length} beads are open and have ` +
          `${durationText(plan.settleWithin)} to end; hosts have ${durationText(tidyWithin)} from then to tidy, ` +
          `at least ${durationText(slowestLook + tidyWithin - over)} from now`,
      );
    await settled(() => watch?.open ?? [], plan.settleWithin, stop);
    if (!stop.aborted)
      for (const { id, view } of watch.open) say(`${id} is still ${view?.status ?? 'unheard'}: ${view?.reason ?? ''}`);
    const tidyUntil = Math.max(performance.now(), slowestLook) + tidyWithin;
    if (!stop.aborted) {
      for (const { id, repo, view } of watch.beads.values()) {
        const origin = origins[repo] as ChaosOrigin;
        const found = watch.beads.get(id) as Parameters<typeof endProblems>[0];
        problems.push(...(await endProblems(found, origin)));
        const result = view?.status === 'closed' ? (view.landing?.mergedSha ?? view.sha) : undefined;
        for (const reported of watch.reported.filter(({ bead }) => bead === id))
          problems.push(...(await lostWork(reported, origin, result)));
        for (const seen of commits.seen.filter(({ bead }) => bead === id))
          problems.push(
            ...(await lostCommit(seen, { origin, hosts, result, finished: watch.refused.has(seen.attempt) })),
          );
      }
      problems.push(...(await tidyProblems({ hosts, agents, watch, stop, within: tidyUntil - performance.now() })));
      looking.abort();
      agents.stop();
      problems.push(...overlapProblems(agents.overlaps, faults.done, wakeTolerance));
      const workflows = [
        ...[...ids].map(beadWorkflowId),
        ...origins.flatMap((_, repo) => rigOf(repo) ?? []).map(rigWorkflowId),
      ];
      const replayed = await replayProblems(client, workflows);
      histories = replayed.histories;
      problems.push(...replayed.problems);
    }
    failed = problems.length > 0;
  } finally {
    looking.abort();
    agents.stop();
    await watch?.end();
    await commits?.end();
    await operator?.end();
    faults?.thawAll();
    await connection?.close();
    // Runners first lose their worker, then end; the server last, so that nobody waits for it.
    for (const host of hosts) await host.end();
    await server?.kill();
    if (!(keep || failed) || stop.aborted)
      rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  }
  const all = [...watch.beads.values()];
  const attempts = all.flatMap(({ view }) => view?.attempts ?? []);
  return {
    problems,
    aborted: stop.aborted,
    folder,
    kept: (keep || failed) && !stop.aborted,
    faults: faults.done,
    skipped: faults.skipped,
    beads: plan.beads.length,
    closed: all.filter(({ view }) => view?.status === 'closed').length,
    attempts: attempts.length,
    adoptions: attempts.reduce((sum, { adoptions }) => sum + adoptions, 0),
    reported: watch.reported.length,
    commits: commits?.seen.length ?? 0,
    refused: watch.refused.size,
    histories,
    overlaps: agents.overlaps.map(
      ({ bead, attempts: [first, second], from, until }) => `${bead}: ${first} and ${second}, ${until - from} ms`,
    ),
    mostAgents: agents.most,
    looks: agents.looks,
    latencies: latenciesOf(all, faults.done),
    tookMs: Math.round(performance.now() - began),
  };
}

const rigSettings = (repo: string, plan: ChaosPlan): RigSettings => ({
  repo,
  base: 'main',
  agent: { adapter: 'demo' },
  maxAgents: plan.hosts * plan.maxAgents,
  checks: [{ name: 'true', command: 'true', timeout: 60_000 }],
  strategy: 'merge',
  approval: false,
});

interface Slinging {
  idOf(bead: BeadPlan): string;
  rigOf(repo: number): string | undefined;
  origins: ChaosOrigin[];
  taskQueue: string;
  stop: AbortSignal;
}

async function sling(
  plan: ChaosPlan,
  watch: BeadWatch,
  { idOf, rigOf, origins, taskQueue, stop }: Slinging,
): Promise<void> {
  const begin = performance.now();
  for (const bead of [...plan.beads].sort((a, b) => a.slingAt - b.slingAt)) {
    await rest(begin + bead.slingAt - performance.now(), stop);
    const id = idOf(bead);
    const rig = rigOf(bead.repo);
    const { steps, stepMs, commits, seed, ignoreSigterm, repo } = bead;
    const input: BeadInput = {
      bead: id,
      title: `Bead ${bead.bead}`,
      repo: (origins[repo] as ChaosOrigin).path,
      base: 'main',
      clocks: chaosClocks,
      rig,
      agent: { adapter: 'demo', options: { seed, steps, stepMs, commits, ignoreSigterm, misbehaveAttempts: 100 } },
    };
    await watch.sling({ id, repo, steps, rig }, input, taskQueues.main(taskQueue));
  }
}

interface Tidied {
  hosts: WorkerHost[];
  agents: ProcessWatch;
  watch: BeadWatch;
  stop: AbortSignal;
  /** Milliseconds. */
  within: number;
}

/** What has ended has left nothing; a bead that has not is a problem of its own. */
async function tidyProblems({ hosts, agents, watch, stop, within }: Tidied): Promise<string[]> {
  let left: string[] = [];
  await seenWithin(
    within,
    stop,
    async () => {
      const used = inUse(watch.beads.values());
      const unused = ({ attempt }: { attempt: string }): boolean => !used.has(attempt);
      left = [
        ...agents
          .marked()
          .filter(unused)
          .map(({ pid, bead, attempt }) => `process ${pid} of ${bead} ${attempt} is left`),
        ...(await Promise.all(hosts.map((host) => host.unended())))
          .flat()
          .filter(unused)
          .map(({ bead, attempt }) => `the runner of ${bead} ${attempt} is left`),
        ...(await Promise.all(hosts.map((host) => leftTrees(host, used)))).flat(),
      ];
      return left.length === 0 ? true : undefined;
    },
    1_000,
  );
  return left;
}

/** What the workflows did under all that must be what they would do again. */
async function replayProblems(
  client: Client,
  workflowIds: string[],
): Promise<{ histories: number; problems: string[] }> {
  const histories: RecordedHistory[] = [];
  for (const workflowId of workflowIds) {
    const history = parseHistory(historyToJSON(await client.workflow.getHandle(workflowId).fetchHistory()));
    histories.push({ workflowId, ...history });
  }
  const verdicts = await replayHistories(histories, { workflowBundle: builtWorkflowBundle() });
  return {
    histories: histories.length,
    problems: verdicts.flatMap((verdict, index) =>
      verdict.replays
        ? []
        : [
            `the history of ${histories[index]?.workflowId} does not replay, event ${verdict.event?.id}: ` +
              verdict.problem,
          ],
    ),
  };
}
