import { clip } from '../../contract/index.js';
import type { AttemptResult } from '../../contract/index.js';
import type { AttemptDir } from '../attempt/attempt-dir.js';
import { FruitlessStarts } from '../attempt/fruitless-starts.js';
import { acquireLock, lookAtLock } from '../attempt/attempt-lock.js';
import { endProcesses } from '../processes/end-processes.js';
import { judgeEnd } from './judge-end.js';
import { saveLast } from './save-last.js';
import { removeSockets } from '../sockets/sockets.js';
import { systemTime } from '../time.js';
import { WorkKeeper, workPlaceOf } from './work-keeper.js';

/**
 * An agent whose runner is dead stands still (`AgentTether`), and its bead may have another one by now: it is killed as
 * it stands, since a moment to end by itself would be one in which two agents run.
 */
const reapGraceMs = 0;
/** A reaper whose machine is gone had the longest push behind it after so long. */
const reapLeaseMs = 5 * 60_000;
const lastWordsChars = 400;

/**
 * Ends what a dead runner has left: all processes of the attempt are ended, its work is saved and pushed, and the
 * result is recorded as `lost`, or as what the agent had reported before (`done` with its branch pushed, for one). A
 * recorded result is returned as it is.
 * @param reason one sentence: what happened to the runner.
 * @param onTrouble hears of what failed without keeping the result from being recorded, such as a push.
 * @throws Error when a living process holds the attempt, when it has never had a runner, or when its processes cannot
 * be ended.
 */
export async function reapAttempt(
  dir: AttemptDir,
  reason: string,
  onTrouble: (what: string, error: unknown) => void = () => undefined,
): Promise<AttemptResult> {
  const recorded = await dir.readResult();
  if (recorded !== undefined) return recorded;
  const lock = await acquireLock(dir.lock, reapLeaseMs).catch(async (error: unknown) => {
    // A disk that takes no lock takes no result either. What the dead runner has left must not wait for room: it is
    // ended now, and recorded by a later call.
    await endLeftovers(dir);
    throw error;
  });
  if ('heldBy' in lock)
    throw new Error(
      `attempt ${dir.attempt} of bead ${dir.bead} is held by the living process ${lock.heldBy.pid}: it cannot ` +
        'be reaped',
    );
  try {
    return await reap(dir, reason, onTrouble);
  } finally {
    await lock.release();
  }
}

/**
 * Ends the processes of an attempt in whose lock no living process is, without a word on disk. What can be read of it
 * helps to find them; their mark in the environment does without (Linux).
 * @returns how many processes were ended.
 * @throws Error when the lock is held, or cannot be looked at, or when processes do not end.
 */
export async function endLeftovers(dir: AttemptDir): Promise<number> {
  const lock = await lookAtLock(dir.lock);
  if (lock.state !== 'free')
    throw new Error(
      `attempt ${dir.attempt} of bead ${dir.bead} is held by process ${lock.by.pid}: its processes are let alone`,
    );
  const record = await dir.readRunner().catch(() => undefined);
  const { ended } = await endProcesses({ attempt: dir.attempt, graceMs: reapGraceMs, group: record?.agent });
  return ended;
}

/** A runner that crashed has said why where nobody looks: its standard error. */
async function withLastWords(dir: AttemptDir, reason: string): Promise<string> {
  const said = await dir.lastWords();
  return said === undefined ? reason : `${reason}; its last words: ${clip(said, lastWordsChars)}`;
}

async function reap(
  dir: AttemptDir,
  reason: string,
  onTrouble: (what: string, error: unknown) => void,
): Promise<AttemptResult> {
  const [recorded, input, setup, record, report] = await Promise.all([
    dir.readResult(),
    dir.readInput(),
    dir.readSetup(),
    dir.readRunner(),
    dir.readReport(),
  ]);
  if (recorded !== undefined) return recorded;
  if (!input || !setup || !record)
    throw new Error(`attempt ${dir.attempt} of bead ${dir.bead} never had a runner: there is nothing to reap`);
  const { attempt } = input;
  await endProcesses({ attempt, graceMs: reapGraceMs, group: record.agent });

  const keeper = new WorkKeeper(workPlaceOf(dir, input, setup), {
    record: (fresh) => dir.writeReport(fresh),
    changed: () => undefined,
    kept: () => Promise.resolve(),
    trouble: onTrouble,
  });
  keeper.checkpoint = record.checkpoint;
  keeper.report = report;
  keeper.kept = record.kept;
  await saveLast(keeper, systemTime);

  const result = judgeEnd({
    attempt,
    host: setup.host,
    baseSha: setup.baseSha,
    stop: { outcome: 'lost', reason: await withLastWords(dir, reason) },
    checkpoint: keeper.checkpoint,
    report: keeper.report,
    kept: keeper.kept,
    session: record.session,
    usage: record.usage,
  });
  // Counted first: whoever reads the result may ask at once whether the host has had enough.
  try {
    // An agent may kill its runner before that has written down which process it is.
    if (record.agent !== undefined || record.state === 'spawning') new FruitlessStarts(dir.home).ended(input, result);
  } catch (error) {
    onTrouble('fruitless starts', error);
  }
  await dir.writeResult(result);
  const { sockets, ...rest } = record;
  await dir.writeRunner({ ...rest, state: 'ended' });
  if (sockets !== undefined) await removeSockets(dir, sockets);
  return result;
}
