/**
 * The runner's program: `node main.js <folder of the attempt>`, or `--spare`, which is told its folder later. Spawned
 * by `bootRunner` or a `SpareRunner`, detached; begins at the word on its standard input, tells on its fourth
 * descriptor whether it has passed the fence, and lives as long as its attempt.
 * @module
 */
import { fstatSync, writeSync, closeSync } from 'node:fs';
import { hostname } from 'node:os';
import { setImmediate as nextTurn } from 'node:timers/promises';
import pino from 'pino';
import type { Logger } from 'pino';
import { findAdapter } from '../agents/index.js';
import { acquireLock } from './attempt/attempt-lock.js';
import type { AttemptLock } from './attempt/attempt-lock.js';
import { AttemptDir } from './attempt/attempt-dir.js';
import { cappedLog } from './agent/agent-log.js';
import { openAgentSocket } from './sockets/agent-socket.js';
import { BeadLink } from './lease/bead-link.js';
import { complain, errorTrace } from './complain.js';
import { maySpawn } from './lease/fence.js';
import { lookEvery } from './lease/lease.js';
import { connectRunner, sameConnection } from './lease/connection.js';
import { openControlSocket } from './sockets/control-socket.js';
import { AttemptLogin } from './agent/agent-login.js';
import { FruitlessStarts } from './attempt/fruitless-starts.js';
import { readyToLaunch } from './agent/launch-agent.js';
import { processStartTime } from './processes/process.js';
import { LimitWatch } from './processes/limit-watch.js';
import { hostProcesses } from './processes/process-control.js';
import { FolderWatch } from './attempt/folder-watch.js';
import { WorkKeeper, workPlaceOf } from './end/work-keeper.js';
import { RecordKeeper } from './attempt/record-keeper.js';
import { SocketWatch } from './sockets/socket-watch.js';
import { chooseSockets, removeSockets } from './sockets/sockets.js';
import { beginWord, spareFlag } from './spawn-runner.js';
import type { RunnerErrand } from './spawn-runner.js';
import { Supervisor } from './supervisor.js';
import { openGate } from '../cell/index.js';
import type { CellPlan } from '../cell/index.js';
import { beadWorkflowId } from '../contract/index.js';
import type { StartAgentInput } from '../contract/index.js';
import { rootOf } from '../traces/span.js';
import { Tracer } from '../traces/tracer.js';
import { systemTime } from './time.js';
import type { RunnerConnection, SpawnOutcome } from './types.js';

/** Whoever spawned us waits at this descriptor. */
const answerFd = 3;
/** EX_SOFTWARE: the runner itself failed; what is left is reaped by the host. */
const crashed = 70;

function answer(outcome: SpawnOutcome): void {
  try {
    if (!fstatSync(answerFd).isFIFO() && !fstatSync(answerFd).isSocket()) return;
    writeSync(answerFd, JSON.stringify(outcome));
    closeSync(answerFd);
  } catch (error) {
    // Run by hand, or the worker died meanwhile: the attempt does not need either.
    if (!['EBADF', 'EPIPE'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  }
}

const refusal = (because: Extract<SpawnOutcome, { fenced: false }>['because'], refused: string): SpawnOutcome => ({
  fenced: false,
  because,
  refused,
});

/** Of the keys, for which there is a log only when it has begun. */
let onKeysTrouble = (error: Error): void => complain(`keys: ${error.message}`);

type DialledLine = ReturnType<typeof connectRunner>;

/** A connection that is made while the workspace is prepared: the first one of a process takes it a while. */
interface EarlyLine {
  line: DialledLine;
  /** Settles when the server has answered, or has not. */
  tried: Promise<unknown>;
}

const dial = (record: RunnerConnection): DialledLine =>
  connectRunner(record, `runner:${hostname()}:${process.pid}`, (error) => onKeysTrouble(error));

/** @returns a connection by this record: the early one, where it is by the same. */
function lineBy(record: RunnerConnection, early: EarlyLine | undefined): DialledLine {
  if (early === undefined) return dial(record);
  if (sameConnection(record, early.line.record)) return early.line;
  // Not before its call is over: the SDK's client would try that again on the closed channel, and fail outside of
  // everything.
  void early.tried.then(() => early.line.close());
  return dial(record);
}

/**
 * Nothing hangs on it: the fence tries for itself, and tells what is wrong.
 * @param before what was dialled by an earlier word; used where the record is the same.
 */
function dialEarly(record: RunnerConnection, before: EarlyLine | undefined): EarlyLine {
  const line = lineBy(record, before);
  return line === before?.line ? before : { line, tried: line.reach().catch(() => undefined) };
}

/** What a runner was told when its workspace is ready. */
interface Told {
  folder: string;
  early: EarlyLine | undefined;
}

/** @returns undefined when it is not wanted: whoever has booted it may give it up, or die, before. */
async function toldToBegin(): Promise<Told | undefined> {
  let said = '';
  let folder: string | undefined;
  let early: EarlyLine | undefined;
  for await (const chunk of process.stdin.setEncoding('utf8')) {
    said += chunk as string;
    for (let end = said.indexOf('\n'); folder === undefined && end !== -1; end = said.indexOf('\n')) {
      const errand = JSON.parse(said.slice(0, end)) as RunnerErrand;
      ({ folder } = errand);
      if (errand.connection !== undefined) early = dialEarly(errand.connection, early);
      said = said.slice(end + 1);
    }
  }
  // Cut off where the worker died: then the word is not there, or not whole.
  return said === beginWord && folder !== undefined ? { folder, early } : undefined;
}

async function run(dir: AttemptDir, early: EarlyLine | undefined): Promise<SpawnOutcome | undefined> {
  const leaseFor = (await dir.readInput())?.clocks.leaseFor;
  if (leaseFor === undefined) return refusal('failed', `the folder ${dir.path} is not ready: its input is missing`);
  const lock = await acquireLock(dir.lock, leaseFor);
  if ('heldBy' in lock) return refusal('held', `process ${lock.heldBy.pid} holds the attempt`);
  try {
    if ((await dir.readResult()) !== undefined) return refusal('ended', 'the attempt has ended');
    return await runLocked(dir, lock, early);
  } finally {
    await lock.release();
  }
}

/** By which others reach the runner, and by which its agent gets out. */
interface OpenDoors {
  watch: SocketWatch;
  servers: { close(): Promise<void> }[];
  /** The socket by which the agent gets out, where its cell has such. */
  gate: string | undefined;
}

async function runLocked(
  dir: AttemptDir,
  lock: AttemptLock,
  early: EarlyLine | undefined,
): Promise<SpawnOutcome | undefined> {
  const [input, setup, token, connection] = await Promise.all([
    dir.readInput(),
    dir.readSetup(),
    dir.readToken(),
    dir.readConnection(),
  ]);
  if (!input || !setup || !token || !connection)
    return refusal('failed', `the folder ${dir.path} is not ready: input, setup, token or connection is missing`);
  const adapter = findAdapter(input.agent.adapter, dir.home);
  if (adapter === undefined) return refusal('failed', `there is no agent ${input.agent.adapter}`);

  const logStream = cappedLog(dir.runnerLog);
  // A full disk costs lines of the log, not the attempt.
  logStream.on('error', (error) => complain(`runner.log: ${error.message}`));
  const log = pino({ base: { attempt: dir.attempt, bead: dir.bead, pid: process.pid } }, logStream);
  const trouble = (what: string, error: unknown): void => log.warn({ err: error }, what);

  const sockets = await chooseSockets(dir);
  const record = new RecordKeeper(dir, {
    pid: process.pid,
    startTime: processStartTime(process.pid) ?? '',
    startedAt: Date.now(),
    state: 'fencing',
    sockets,
  });
  onKeysTrouble = (error) => trouble('keys', error);
  const login = new AttemptLogin({ home: dir.home, input, setup, env: process.env });
  const link = new BeadLink(lineBy(connection, early), dir.bead, trouble, systemTime, dial);
  // An attempt that began before its host decided this goes on as it began.
  const cell = setup.cell ?? earlierPlan(input.agent.cell);
  const supervisor = new Supervisor({
    input,
    setup,
    adapter,
    cell,
    token,
    login,
    starts: new FruitlessStarts(dir.home),
    time: systemTime,
    link,
    processes: hostProcesses,
    files: dir,
    record,
    lock,
    work: (events) => new WorkKeeper(workPlaceOf(dir, input, setup), events),
    folder: (onGone) => new FolderWatch(dir.path, lookEvery(input.clocks), systemTime, onGone),
    limits: (onOver) =>
      new LimitWatch({
        limits: cell.limits ?? {},
        attempt: dir.attempt,
        folder: dir.path,
        sandbox: cell.launcher === 'sandbox',
        time: systemTime,
        onOver,
        trouble,
      }),
    log,
  });
  onSignals(supervisor);
  const crash = (error: unknown): void => {
    // Nothing may go on unsupervised, whether or not it can be said why.
    try {
      supervisor.freezeAll();
    } finally {
      complain(`the runner failed: ${errorTrace(error)}`);
      process.exit(crashed);
    }
  };
  process.on('uncaughtException', crash);
  process.on('unhandledRejection', crash);

  const open = async (): Promise<OpenDoors> => {
    const control = await openControlSocket(sockets.control, supervisor, trouble);
    const desk = await openAgentSocket(sockets.agent, supervisor.desk, trouble);
    const watch = new SocketWatch({
      sockets: [control, desk],
      log: (what, details) => log.warn(details, what),
      trouble,
    });
    watch.start(lookEvery(input.clocks));
    const gate = await openGate(cell, (destination) => supervisor.refusedOut(destination));
    return { watch, servers: [control, desk, ...(gate === undefined ? [] : [gate])], gate: gate?.socket };
  };
  let doors: Promise<OpenDoors> | undefined;
  try {
    // The fence's beat is on its way before all that an agent needs is made ready beside it.
    const ready = nextTurn().then(async () => {
      doors = open();
      const gate = doors.then((opened) => opened.gate);
      // Whoever waits for the launch hears of it.
      gate.catch(() => undefined);
      // Nobody waits for the disk here: the next update does, and fails where this one has failed.
      record.update({}).catch(() => undefined);
      return readyToLaunch({
        dir,
        input,
        resumed: setup.resume,
        identified: setup.identified,
        adapter,
        socket: sockets.agent,
        ports: setup.ports,
        cell,
        gate,
        env: login.env,
        loginVariables: login.variables,
        onLine: (line, stream) => supervisor.watch.line(line, stream),
        onTrouble: trouble,
      });
    });
    // The fence throws it where it comes so far.
    ready.catch(() => undefined);
    supervisor.watch.begin({ spec: input.agent, usedBefore: setup.resume?.usage });
    log.info({ adapter: adapter.name, resumed: setup.resume?.id }, 'runner begins');
    const fence = await supervisor.fence(ready);
    if (!('lease' in fence)) {
      log.info(fence, 'the fence was not passed: no agent is spawned');
      await Promise.allSettled([ready]);
      await record.update({ state: 'refused' });
      return fence;
    }
    const launch = await ready;
    // Written before the spawn: whoever finds a dead runner must know that there may be an agent.
    await record.update({ state: 'spawning' });
    // Its process, or the whole machine, may have stood still since the fence: its bead may have gone on without it.
    if (!maySpawn(fence.lease, systemTime.now(), input.clocks)) {
      await record.update({ state: 'refused' });
      return refusal('unreachable', 'it stood still behind its fence for longer than anybody waits for its agent');
    }
    const spawnedAt = Date.now();
    const supervised = supervisor.supervise(fence.lease, launch.start, launch.answer);
    answer({ fenced: true, pid: process.pid });
    await supervised.catch(crash);
    await traceAgent({ dir, namespace: connection.namespace, adapter: adapter.name, spawnedAt, log });
    await record.update({ state: 'ended' }).catch((error: unknown) => trouble('runner.json', error));
    return undefined;
  } finally {
    const opened = await doors;
    opened?.watch.stop();
    await Promise.all((opened?.servers ?? []).map((server) => server.close()));
    await removeSockets(dir, sockets);
    await new Promise<void>((resolve) => logStream.end(resolve));
    // Last, right before the end: the SDK's client would try a refused call again on the closed channel, and fail
    // outside of everything.
    await link.close();
  }
}

/** Its span, where an endpoint is set: from the spawn to what came of it. */
async function traceAgent({
  dir,
  namespace,
  adapter,
  spawnedAt,
  log,
}: {
  dir: AttemptDir;
  namespace: string;
  adapter: string;
  spawnedAt: number;
  log: Logger;
}): Promise<void> {
  const tracer = Tracer.from(process.env, 'heartbead-runner', (what) => log.warn(what));
  if (tracer === undefined) return;
  const outcome = (await dir.readResult())?.outcome;
  const attributes = { 'heartbead.bead': dir.bead, 'heartbead.attempt': dir.attempt, outcome };
  const bad = outcome === 'done' || outcome === 'no_changes' ? undefined : outcome;
  tracer.below(
    rootOf(namespace, beadWorkflowId(dir.bead)),
    `agent ${adapter}`,
    Date.now() - spawnedAt,
    attributes,
    bad,
  );
  await tracer.flush();
}

const earlierPlan = (asked: StartAgentInput['agent']['cell']): CellPlan => ({
  launcher: asked ?? 'none',
  network: 'all',
  read: [],
  write: [],
});

/** SIGHUP is ignored; SIGTERM and SIGINT mean that the host is shutting down. */
function onSignals(supervisor: Supervisor): void {
  process.on('SIGHUP', () => undefined);
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => supervisor.shutDown());
}

// A warning or a library's word that cannot be written must not end the runner: standard error is a file on a disk that
// may be full.
process.stderr.on('error', () => undefined);

try {
  if (process.argv[2] === undefined) throw new Error(`usage: node main.js <folder of the attempt> | ${spareFlag}`);
  const told = await toldToBegin();
  // A spare one has been elsewhere.
  if (told !== undefined) process.chdir(told.folder);
  const refused = told === undefined ? undefined : await run(new AttemptDir(told.folder), told.early);
  if (refused !== undefined) answer(refused);
  process.exit(0);
} catch (error) {
  complain(errorTrace(error));
  process.exit(crashed);
}
