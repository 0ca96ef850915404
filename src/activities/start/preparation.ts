import { failureTypes, readAttemptRef, refNames } from '../../contract/index.js';
import type { BeatPhase, Checkpoint, FailureType, StartAgentInput } from '../../contract/index.js';
import { planCell } from '../../cell/index.js';
import { accountEnvironment, agentProvider, checkAgent, findAdapter } from '../../agents/index.js';
import {
  bothSettled,
  checkRefWritable,
  createWorktree,
  ensureCommit,
  isIdentified,
  GitError,
  lostBase,
  mergeBase,
  newerLocalSave,
  resolveBase,
} from '../../git/index.js';
import type { GitProgress } from '../../git/index.js';
import { takePorts } from '../../host/index.js';
import { AttemptDir, DamagedFileError, FruitlessStarts } from '../../runner/index.js';
import type { PortBlock } from '../../runner/index.js';
import type { ActivityDeps } from '../deps.js';
import { failure } from '../failures.js';
import { chosenLogin } from './chosen-login.js';
import { fetchedMirror } from './early-fetch.js';
import type { EarlyFetch } from './early-fetch.js';
import { earlierSession } from './earlier-session.js';
import { HostTroubles } from './host-troubles.js';
import type { HostTrouble } from './host-troubles.js';
import { endSetup, readyWorkspace } from './ready-workspace.js';

export interface Prepared {
  /** The saved work of an earlier attempt is nowhere any more, so this one begins at the base: why. */
  checkpointLost?: string;
}

/** How the waiting call hears how far it is. */
export type Progress = (phase: BeatPhase, text: string) => void;

interface PrepareOptions {
  signal: AbortSignal;
  progress: Progress;
  /** The fetch that has begun already. */
  early?: EarlyFetch | undefined;
}

/**
 * Makes everything ready for the runner: agent program, mirror, worktree, `setup.json`. Idempotent: what an interrupted
 * one has left is used where it is whole (the mirror) and made anew where it is not (the worktree).
 * @throws ApplicationFailure, GitError, or the signal's reason.
 */
export async function prepareWorkspace(
  deps: ActivityDeps,
  input: StartAgentInput,
  dir: AttemptDir,
  options: PrepareOptions,
): Promise<Prepared> {
  // The input makes the attempt known here after a power cut, too; the disk may take its time for that.
  const [prepared] = await bothSettled(prepare(deps, input, dir, options), dir.writeInput(input));
  return prepared;
}

async function prepare(
  deps: ActivityDeps,
  input: StartAgentInput,
  dir: AttemptDir,
  { signal, progress, early }: PrepareOptions,
): Promise<Prepared> {
  const { host } = deps;
  const space = await host.noRoom();
  if (space !== undefined)
    throw failure(failureTypes.setupUnreachable, `the host ${host.hostId} takes no new attempt: ${space}`);

  checkSpent(deps, input);

  progress('accepted', `looks for the agent program (${input.agent.adapter})`);
  await checkedAgent(deps, input);
  const login = chosenLogin(deps, input);
  const env = accountEnvironment(deps.env ?? process.env, login.accounts, login.account);

  const onProgress =
    (phase: BeatPhase) =>
    ({ phase: doing, percent }: GitProgress): void =>
      progress(phase, percent === undefined ? doing : `${doing} ${percent} %`);
  // Decided once, and kept with the attempt: whatever becomes of the host's settings, it goes on as it began.
  const cell = planCell('agents', {
    home: host.home,
    rig: input.rig,
    asked: input.agent.cell,
    network: input.agent.network,
    provider: agentProvider(input.agent, env, host.home),
    env: deps.env ?? process.env,
  });
  if ('refused' in cell)
    throw lacking(deps, input, 'walls', `the agent cannot be run as it has to be: ${cell.refused}`);
  new HostTroubles(host.home).gone('walls', input.agent.adapter);
  progress('cloning', 'cloning');
  const hears = onProgress('cloning');
  if (early !== undefined) early.onProgress = hears;
  const { bead, attempt, repo } = input;
  const { path: mirror, known } =
    (await early?.mirror) ?? (await fetchedMirror(host.mirrors, input, { signal, onProgress: hears }));
  const base = await resolveBase(mirror, input.base, known);
  const here = await newerLocalSave(mirror, input, { signal, known });
  // A bead of a convoy begins at the merge of what it needs, also where that is on another branch than the rig's base.
  const begin =
    input.baseSha === undefined
      ? base.sha
      : (
          await ensureCommit(
            mirror,
            input.repo,
            { sha: input.baseSha, ref: `refs/heads/${base.branch}`, wip: false },
            { signal, onProgress: hears },
          )
        ).sha;
  const began = here === undefined ? input.began : await beganWith(host.home, bead, here, input.began);
  const from = await startingPoint(mirror, { ...input, began }, { begin, here }, { signal, onProgress: hears });

  progress('worktree', 'worktree');
  await endSetup(input);
  const refPrefix = input.workspace?.refPrefix;
  const spare = deps.spareTrees?.take(mirror);
  const made = await createWorktree({
    mirror,
    path: dir.worktree,
    branch: refNames(refPrefix).branch(bead, attempt),
    at: from.checkpoint?.sha ?? begin,
    wip: from.checkpoint?.wip,
    unfinished: from.checkpoint?.ref.endsWith('/wip'),
    repo,
    known,
    spare,
    allowPush: input.workspace?.allowPush,
    beside: () => checkRefWritable(mirror, { repo, bead, attempt, sha: begin, refPrefix, known }, signal),
    signal,
    onProgress: onProgress('worktree'),
  }).finally(() => deps.spareTrees?.dropSoon(spare));
  // Before a set-up step may write what git would read there.
  const hasSteps = (input.workspace?.setup?.length ?? 0) > 0;
  const identified = made.identified ?? (hasSteps ? await isIdentified(dir.worktree, signal) : undefined);
  const ports = await portsFor(deps, input);
  await readyWorkspace({
    input,
    dir,
    ports,
    env: deps.env ?? process.env,
    signal,
    say: (text) => progress('worktree', text),
    warn: (text, error) => host.logger.warn({ err: error, attempt: input.attempt }, text),
  });
  const adapter = findAdapter(input.agent.adapter, host.home);
  if (adapter?.prepare) {
    progress('worktree', `prepares the agent program (${adapter.name})`);
    await adapter.prepare(input.agent, {
      signal,
      progress: ({ text, percent }) => progress('worktree', percent === undefined ? text : `${text} ${percent} %`),
    });
    signal.throwIfAborted();
  }
  if (input.session !== undefined) progress('worktree', 'looks for the conversation of an earlier attempt');
  const resume = adapter && (await earlierSession({ host, env }, input, dir, adapter, signal));
  signal.throwIfAborted();
  await dir.writeSetup({
    host: host.hostId,
    baseSha: begin,
    rootSha: from.root,
    goesOnFrom: from.checkpoint?.sha,
    mirror,
    identified,
    resume,
    ports,
    cell,
    account: login.account,
  });
  progress('worktree', 'worktree ready');
  deps.spareTrees?.stockSoon(mirror, base.sha);
  return from.lost === undefined ? {} : { checkpointLost: from.lost };
}

/** The block that the attempt keeps to its end. */
async function portsFor({ host }: ActivityDeps, input: StartAgentInput): Promise<PortBlock | undefined> {
  const { bead, attempt, workspace } = input;
  if (workspace?.ports === undefined) return undefined;
  try {
    return await takePorts(host.home, workspace.ports, { bead, attempt });
  } catch (error) {
    throw failure(failureTypes.setupUnreachable, `on host ${host.hostId}: ${(error as Error).message}`);
  }
}

/** Where the attempt goes on, and the commit that its work has to descend from. */
interface StartingPoint {
  checkpoint?: Checkpoint;
  root: string;
  /** Why earlier work is not gone on from. */
  lost?: string;
}

async function startingPoint(
  mirror: string,
  { repo, checkpoint: known, base, began }: StartAgentInput,
  { begin, here }: { begin: string; here: Checkpoint | undefined },
  options: NonNullable<Parameters<typeof ensureCommit>[3]>,
): Promise<StartingPoint> {
  const found = here ?? (known && (await findCheckpoint(mirror, repo, known, options)));
  if (typeof found !== 'object') return { root: begin, lost: found };
  const root = await mergeBase({ mirror }, begin, found.sha, options.signal);
  const gone = await lostBase({ mirror }, { began, tip: found.sha, now: begin }, options.signal);
  if (root !== undefined && gone !== undefined)
    return {
      root: begin,
      lost:
        `the saved work ${found.sha} builds on ${gone}, which ${base ?? 'the base'} has no more (it was rewritten); ` +
        `take your own commits from it by \`git cherry-pick ${gone}..${found.sha}\`, or files by \`git checkout ` +
        `${found.sha} -- PATH\`, and nothing of what was before them`,
    };
  if (root !== undefined) return { checkpoint: found, root };
  // Work on top of it could never be merged; what is in it can still be looked at here.
  return {
    root: begin,
    lost:
      `the saved work ${found.sha} has no commit in common with its base; take from it what is needed by \`git ` +
      `checkout ${found.sha} -- PATH\``,
  };
}

/**
 * An attempt between may have begun anew, and have left nothing: what the bead knows is then its beginning.
 * @returns the commit of the base that the attempt of a save on this host began with.
 */
async function beganWith(
  home: string,
  bead: string,
  { ref }: Checkpoint,
  known: string | undefined,
): Promise<string | undefined> {
  const attempt = readAttemptRef(ref)?.attempt;
  if (attempt === undefined) return known;
  const setup = await AttemptDir.of(home, bead, attempt)
    .readSetup()
    .catch((error: unknown) => {
      // It is told by itself, and must not keep the bead from going on.
      if (error instanceof DamagedFileError) return undefined;
      throw error;
    });
  return setup?.baseSha ?? known;
}

/**
 * @returns the checkpoint to go on from, or why there is none any more: to begin again at the base is better than to
 * block for ever.
 */
async function findCheckpoint(
  mirror: string,
  repo: string,
  checkpoint: Checkpoint,
  options: Parameters<typeof ensureCommit>[3],
): Promise<Checkpoint | string> {
  try {
    return await ensureCommit(mirror, repo, checkpoint, options);
  } catch (error) {
    if (error instanceof GitError && error.kind === 'no_such_ref') return error.message;
    throw error;
  }
}

/** A rig stops its own beads when they cost too much for too little; for all others their host does. */
function checkSpent({ host }: ActivityDeps, { rig, retriedAt }: StartAgentInput): void {
  if (rig !== undefined) return;
  if (new FruitlessStarts(host.home).enough(host.startLimit, retriedAt) === undefined) return;
  throw failure(
    failureTypes.hostDeclines,
    `host ${host.hostId} starts nothing without a rig for now: ${host.startLimit} paid starts within an hour have ` +
      'led to no finished work',
  );
}

/** What cannot start is found out before anything is cloned. */
async function checkedAgent(deps: ActivityDeps, input: StartAgentInput): Promise<void> {
  const { host, env = process.env } = deps;
  const found = await checkAgent(input.agent, env, host.home);
  switch (found?.kind) {
    case undefined:
      return new HostTroubles(host.home).gone('program', input.agent.adapter);
    case 'not_installed':
      throw lacking(deps, input, 'program', found.problem);
    case 'not_here':
      throw failure(failureTypes.hostDeclines, `host ${host.hostId} cannot run it: ${found.problem}`);
    case 'bad_options':
      throw failure(failureTypes.badAgentOptions, found.problem);
  }
}

const lackFailures: Record<HostTrouble['lack'], FailureType> = {
  program: failureTypes.agentNotInstalled,
  walls: failureTypes.setupFailed,
};

/** @returns what becomes of a bead whose host lacks something: the first asks a person, the next go to another host. */
function lacking(
  { host }: ActivityDeps,
  { agent, bead, retriedAt }: StartAgentInput,
  lack: HostTrouble['lack'],
  reason: string,
): Error {
  const asks = new HostTroubles(host.home).met({ lack, agent: agent.adapter, bead, reason }, retriedAt) === 'asks';
  return asks
    ? failure(lackFailures[lack], `on host ${host.hostId}: ${reason}`)
    : failure(failureTypes.hostDeclines, `host ${host.hostId} cannot run it: ${reason}`);
}
