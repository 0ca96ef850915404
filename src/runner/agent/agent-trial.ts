/**
 * One run of an agent program as an attempt would run it, without a server and without a bead: in a repository made for
 * it, with the same command, environment, walls, socket and reading of its output. For whoever writes an entry of the
 * settings file.
 * @module
 */
import { randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { AgentAdapter, AgentEvent, FoundSession, ProviderRefusal } from '../../agents/types.js';
import { openGate } from '../../cell/index.js';
import type { CellPlan } from '../../cell/index.js';
import { attemptRefs, plainLine } from '../../contract/index.js';
import type { AgentSpec, Outcome, StartAgentInput, Usage } from '../../contract/index.js';
import { defaultClocks } from '../../domain/clocks.js';
import { durationText, shortSha } from '../../domain/words.js';
import { commitsAhead, createWorktree, resolveBase, updateMirror, worktreeStatus } from '../../git/index.js';
import { runGit } from '../../git/run-git.js';
import { AttemptDir } from '../attempt/attempt-dir.js';
import { judgeEnd } from '../end/judge-end.js';
import type { StopCause } from '../end/judge-end.js';
import { endProcesses } from '../processes/end-processes.js';
import { openAgentSocket } from '../sockets/agent-socket.js';
import { RequestRefused } from '../sockets/request-refused.js';
import { chooseSockets, removeSockets } from '../sockets/sockets.js';
import { systemTime } from '../time.js';
import type { AgentReport } from '../types.js';
import { AgentWatch } from './agent-watch.js';
import { readyToLaunch } from './launch-agent.js';
import { ProviderRefusalWatch } from './provider-refusal-watch.js';

const bead = 'agent-test';
/** The first lines of each kind tell enough. */
const samplesKept = 3;
const sampleChars = 160;

export interface TrialOptions {
  /** A folder that the caller has made, and removes. */
  scratch: string;
  adapter: AgentAdapter;
  spec: AgentSpec;
  title: string;
  body: string;
  /** How it is run. */
  cell: CellPlan;
  /** The agent is ended after so long. Milliseconds. */
  timeout: number;
  signal?: AbortSignal;
  /** What the agent's environment is made of; that of this process when absent. */
  env?: NodeJS.ProcessEnv;
  /** Variables by which it logs in. */
  loginVariables?: readonly string[];
}

/** What was read from the lines of one stream. */
export interface MatchedLines {
  lines: number;
  /** Events by kind; `nothing` counts lines without any. */
  events: Partial<Record<AgentEvent['kind'] | 'nothing', number>>;
  /** The first lines that said so, by kind. */
  samples: Partial<Record<AgentEvent['kind'] | 'nothing', string[]>>;
}

/** What one run of the program has shown. */
export interface TrialRun {
  outcome: Outcome;
  reason: string;
  /** Milliseconds. */
  took: number;
  exit?: { code?: number; signal?: string };
  stdout: MatchedLines;
  stderr: MatchedLines;
  session?: string;
  usage?: Usage;
  /** Provider's refusals, as they were understood. */
  refusals: ProviderRefusal[];
  /** Calls of `heartbead agent`, by verb. */
  calls: Record<string, number>;
  summary?: string;
  commits: number;
  /** Paths that it has left uncommitted: an attempt's saves would push them. */
  left: string[];
  /** Processes that were still there at its end, and were ended. */
  leftProcesses: number;
  /** Whether it was to go on in the conversation of the run before. */
  resumed: boolean;
}

const lineSheet = (): MatchedLines => ({ lines: 0, events: {}, samples: {} });

function note(sheet: MatchedLines, kind: AgentEvent['kind'] | 'nothing', line: string): void {
  sheet.events[kind] = (sheet.events[kind] ?? 0) + 1;
  const samples = (sheet.samples[kind] ??= []);
  if (samples.length < samplesKept) samples.push(plainLine(line).slice(0, sampleChars));
}

/** The tree of an attempt, made and looked at as those of beads are: the agent's own git steers nothing of ours. */
async function makeTree({ path, worktree }: AttemptDir, branch: string): Promise<string> {
  const source = join(path, 'source');
  const git = (...args: string[]): Promise<unknown> =>
    runGit({ worktree: source }, args, { doing: 'making a repository to try the agent in' });
  await mkdir(source);
  await git('init', '--quiet', '--initial-branch=main');
  await writeFile(join(source, 'README.md'), '# A repository to try an agent in\n');
  await git('add', 'README.md');
  await git('-c', 'user.name=heartbead', '-c', 'user.email=heartbead@localhost', 'commit', '--quiet', '-m', 'Begin');
  const { path: mirror } = await updateMirror({ root: join(path, 'mirrors'), repo: source });
  const { sha: at } = await resolveBase(mirror);
  await createWorktree({ mirror, path: worktree, branch, at });
  return at;
}

/**
 * Runs the program, and once more in the same conversation when it has one that can go on.
 * @returns what each run has shown.
 */
export async function tryAgent(options: TrialOptions): Promise<TrialRun[]> {
  const first = await runOnce(options, undefined);
  if (first.session === undefined || options.adapter.findSession === undefined) return [first];
  const session = { id: first.session, adapter: options.adapter.name, attempt: 'trial', host: 'here' };
  return [first, await runOnce(options, session)];
}

async function runOnce(
  { scratch, adapter, spec, title, body, cell, timeout, signal, env = process.env, loginVariables = [] }: TrialOptions,
  session: { id: string; adapter: string; attempt: string; host: string } | undefined,
): Promise<TrialRun> {
  const attempt = `${session === undefined ? 1 : 2}-${randomBytes(4).toString('hex')}`;
  const dir = AttemptDir.of(scratch, bead, attempt);
  await dir.create();
  const branch = attemptRefs.branch(bead, attempt);
  const base = await makeTree(dir, branch);
  const lookAtTree = async (): Promise<{ sha: string; commits: number; left: string[] }> => {
    const { head, entries } = await worktreeStatus(dir.worktree);
    const commits = head === '' ? 0 : await commitsAhead(dir.worktree, head, base);
    return { sha: head, commits, left: entries.map(({ path }) => path) };
  };

  const sheets = { stdout: lineSheet(), stderr: lineSheet() };
  const refusals: ProviderRefusal[] = [];
  const calls: Record<string, number> = {};
  const called = (name: string): void => void (calls[name] = (calls[name] ?? 0) + 1);
  let report: AgentReport | undefined;
  let stop: StopCause | undefined;
  let over = (): void => undefined;
  const ended = new Promise<void>((resolve) => (over = resolve));
  const endBy = (cause: StopCause): void => {
    stop ??= cause;
    over();
  };
  const refused = new ProviderRefusalWatch(timeout, endBy, systemTime);
  const watch = new AgentWatch(adapter, {
    onProgress: () => undefined,
    onTrouble: (what, error) => note(sheets.stderr, 'nothing', `${what}: ${String(error)}`),
    onRefused: (refusal) => {
      if (refusal !== undefined) refusals.push(refusal);
      refused.heard(refusal);
    },
  });
  // A parser of its own, since a watch does not tell what it made of a line.
  const parse = adapter.parser();
  const sockets = await chooseSockets(dir);
  const server = await openAgentSocket(
    sockets.agent,
    {
      heartbeat: () => called('heartbeat'),
      note: () => called('note'),
      checkpoint: () => {
        called('checkpoint');
        throw new RequestRefused(409, 'a trial has no remote to save to');
      },
      done: async (summary) => {
        called('done');
        const { sha, commits, left } = await lookAtTree();
        if (left.length > 0)
          throw new RequestRefused(409, `there is uncommitted work: commit it, or remove it (${left[0] ?? ''})`);
        report =
          commits === 0
            ? { kind: 'no_changes', sha, summary, at: Date.now() }
            : { kind: 'done', branch, sha, summary, at: Date.now() };
        return commits === 0 ? { outcome: 'no_changes', sha } : { outcome: 'done', branch, sha };
      },
      escalate: (text) => {
        called('escalate');
        report = { kind: 'escalated', text, at: Date.now() };
        return Promise.resolve();
      },
      messages: () => (called('messages'), { messages: [] }),
      acknowledge: () => (called('acknowledge'), { acknowledged: 0 }),
      hook: () => (called('hook'), { messages: [] }),
    },
    (what, error) => note(sheets.stderr, 'nothing', `${what}: ${String(error)}`),
  );
  const gate = await openGate(cell, (destination) => note(sheets.stderr, 'nothing', `no way out to ${destination}`));
  const started = Date.now();
  const timer = setTimeout(
    () => endBy({ outcome: 'timed_out', reason: `it ran for longer than ${durationText(timeout)}` }),
    timeout,
  );
  const interrupted = (): void => endBy({ outcome: 'stopped', reason: 'interrupted' });
  signal?.addEventListener('abort', interrupted, { once: true });
  try {
    const resumed = session && (await found(adapter, session, { spec, dir, scratch, given: env }));
    const input: StartAgentInput = {
      bead,
      attempt,
      number: 1,
      mode: 'start',
      title,
      body,
      repo: join(dir.path, 'source'),
      agent: spec,
      clocks: defaultClocks,
      notes: [],
      messages: [],
    };
    watch.begin({ spec });
    const launch = await readyToLaunch({
      dir,
      input,
      resumed,
      adapter,
      socket: sockets.agent,
      cell,
      gate: Promise.resolve(gate?.socket),
      env,
      loginVariables,
      onLine: (line, stream) => {
        const sheet = sheets[stream];
        sheet.lines += 1;
        const events = [parse(line, stream) ?? []].flat();
        if (events.length === 0) note(sheet, 'nothing', line);
        for (const { kind } of events) if (kind !== 'said') note(sheet, kind, line);
        watch.line(line, stream);
      },
      onTrouble: (what, error) => note(sheets.stderr, 'nothing', `${what}: ${error.message}`),
    });
    const agent = launch.start();
    await Promise.race([agent.exit, ended]);
    const { ended: leftProcesses } = await endProcesses({ attempt, group: agent.group, graceMs: 5_000 });
    const exit = await agent.exit;
    await agent.close();
    const result = judgeEnd({
      attempt,
      host: 'here',
      report,
      stop,
      exit,
      verdict: adapter.classify?.(exit, watch.events),
    });
    return {
      outcome: result.outcome,
      // Nothing is pushed anywhere.
      reason: report?.kind === 'done' ? `the agent reported done at ${shortSha(report.sha)}` : result.reason,
      took: Date.now() - started,
      exit: { code: exit.code, signal: exit.signal },
      ...sheets,
      ...watch.facts,
      refusals,
      calls,
      summary: report?.kind === 'escalated' ? undefined : report?.summary,
      ...(await lookAtTree().then(({ commits, left }) => ({ commits, left }))),
      leftProcesses: stop === undefined ? leftProcesses : 0,
      resumed: resumed !== undefined,
    };
  } finally {
    clearTimeout(timer);
    refused.ending();
    signal?.removeEventListener('abort', interrupted);
    await gate?.close();
    await server.close();
    await removeSockets(dir, sockets);
  }
}

/** Whether the conversation of the first run can go on, as an attempt would find out. */
function found(
  adapter: AgentAdapter,
  session: { id: string; adapter: string; attempt: string; host: string },
  { spec, dir, scratch, given }: { spec: AgentSpec; dir: AttemptDir; scratch: string; given: NodeJS.ProcessEnv },
): Promise<FoundSession | undefined> {
  const env = Object.fromEntries(
    Object.entries(given).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );
  return (
    adapter.findSession?.(session, { spec, env, folder: scratch, scratch: dir.path, worktree: dir.worktree }) ??
    Promise.resolve(undefined)
  );
}
