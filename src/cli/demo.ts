/**
 * What `npm start` runs: a town of its own, a convoy of four beads with real agents on this checkout's history, and
 * what became of them. `--exit` ends it with status 0 when every promise was kept, 1 when not; else it stays up till
 * Ctrl-C.
 * @module
 */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { addressWithToken } from '../board/serve.js';
import { BeadClient } from '../client/beads.js';
import { FleetClient } from '../client/fleet.js';
import { ClientError } from '../client/errors.js';
import { demoDirectory, stateDirectory } from '../client/home.js';
import { packageRoot } from '../package/compiled.js';
import { printError } from './context.js';
import { takeDemoHome, releaseDemoHome } from './demo/demo-home.js';
import { endAttempts } from './demo/kill.js';
import { LiveTable } from './demo/live.js';
import { lookAtOrigin, makeOrigin } from './demo/origin.js';
import { nextSteps, report } from './demo/report.js';
import type { Ending } from './demo/report.js';
import { script } from './demo/scenes.js';
import type { Play } from './demo/scenes.js';
import { follow, isOver, statusOf } from './demo/stage.js';
import type { Actor } from './demo/stage.js';
import { broken, reworks } from './demo/verdict.js';
import { exitCodes, usageError } from './exit.js';
import type { ExitCode } from './exit.js';
import { untilInterrupted } from '../operator/interrupt.js';
import { processIo } from './io.js';
import type { Io } from './io.js';
import { bringDown } from './local/down.js';
import { bringUp } from './local/up.js';
import type { TownUp } from './local/up.js';

/** It takes less than a minute; a machine that is five times slower is still no failure. */
const playWithin = 150_000;
const lookEvery = 300;
/** Cancelled agents are stopped within `stopGrace` of the demo's clocks, a second. */
const cancelWithin = 15_000;

async function main(io: Io): Promise<ExitCode> {
  const { exit } = options();
  const stop = untilInterrupted();
  const home = demoDirectory(stateDirectory(io.env));
  const say = (line: string): void => io.out(io.colors.dim(line));
  await takeDemoHome(home);
  let up: TownUp | undefined;
  let beads: BeadClient | undefined;
  let fleet: FleetClient | undefined;
  let started: Play | undefined;
  const actors: Actor[] = [];
  try {
    const origin = await makeOrigin(packageRoot, join(home, 'origin.git'));
    say(`origin: a bare copy of this checkout (${origin.commits} commits) at ${origin.path}`);
    // On a shared server each demo has queues of its own: nobody else's worker has this origin.
    up = await bringUp({
      home,
      env: io.env,
      taskQueue: `heartbead-demo-${randomBytes(3).toString('hex')}`,
      worker: { maxAgents: 3 },
      board: true,
      log: say,
      signal: stop,
    });
    const { settings } = up.server;
    if (up.board !== undefined) io.out(`Board:  ${io.colors.cyan(addressWithToken(up.board.record))}`);
    say(
      `server: ${settings.address} ` +
        `(${up.server.state}${up.server.record === undefined ? '' : `, binary: ${up.server.record.source}`}); ` +
        `worker: pid ${up.worker?.record.pid ?? 0}`,
    );
    if (settings.uiAddress !== undefined) io.out(`Web UI: ${io.colors.cyan(settings.uiAddress)}`);
    beads = new BeadClient(up.town);
    fleet = new FleetClient(up.town);
    const plot = script(origin.path, origin.branch);
    await fleet.addRig(plot.rig, plot.settings, up.town.taskQueue);
    started = plot;
    await fleet.createConvoy(plot.convoy, up.town.taskQueue);
    for (const scene of plot.scenes) actors.push({ scene });
    io.out('');
    await play(actors, beads, home, io, stop);
    if (stop.aborted) return exitCodes.failed;
    const endings = await Promise.all(
      actors.map(async (actor): Promise<Ending> => {
        const sha = actor.view?.landing?.mergedSha;
        const onOrigin = sha === undefined ? undefined : await lookAtOrigin(origin, sha);
        return { actor, onOrigin, wrong: broken(actor, onOrigin) };
      }),
    );
    // Both in the middle write into one file: exactly one of them is merged second.
    const conflicts = actors.reduce((sum, actor) => sum + reworks(actor), 0);
    const kept = endings.every(({ wrong }) => wrong.length === 0) && conflicts === 1;
    io.out(`\n${report(endings, origin, io.colors)}\n`);
    if (conflicts !== 1) io.out(io.colors.red(`${conflicts} conflicts were reworked instead of 1.`));
    io.out(
      kept
        ? io.colors.green(`All four beads closed with evidence and merged; the convoy has landed on ${origin.branch}.`)
        : io.colors.red('Not all beads ended as promised.'),
    );
    if (exit) return kept ? exitCodes.fine : exitCodes.failed;
    const prefix =
      settings.source === 'configured' ? `HEARTBEAD_HOME=${home} HEARTBEAD_TASK_QUEUE=${up.town.taskQueue} ` : '';
    io.out(
      '\n' +
        `${nextSteps(settings.uiAddress, settings.namespace, endings, plot.convoy.convoy, prefix, io.colors)}\n` +
        '\nCtrl-C ends the demo.',
    );
    await untilAborted(stop);
    return kept ? exitCodes.fine : exitCodes.failed;
  } finally {
    if (stop.aborted) io.out('\nending the demo');
    if (beads !== undefined && fleet !== undefined && started !== undefined)
      await callOff(started, actors, beads, fleet);
    await up?.town.close();
    await bringDown(home);
    await endAttempts(home);
    await releaseDemoHome(home);
  }
}

function options(): { exit: boolean } {
  try {
    return { exit: parseArgs({ options: { exit: { type: 'boolean', default: false } } }).values.exit };
  } catch (error) {
    throw usageError((error as Error).message, 'npm start takes one option: npm start -- --exit');
  }
}

async function play(actors: Actor[], beads: BeadClient, home: string, io: Io, stop: AbortSignal): Promise<void> {
  const live = new LiveTable(io);
  const until = performance.now() + playWithin;
  try {
    while (!stop.aborted && performance.now() < until) {
      live.show(actors, await follow(actors, beads, home));
      if (actors.every(isOver)) return;
      await pause(lookEvery, stop);
    }
  } finally {
    live.done();
  }
}

/**
 * Nothing of a demo stays behind on a server that is not its own: beads are cancelled, the convoy with them, and the
 * rig is removed.
 */
async function callOff({ convoy, rig }: Play, actors: Actor[], beads: BeadClient, fleet: FleetClient): Promise<void> {
  if (!actors.every((actor) => isOver(actor) && statusOf(actor) !== 'blocked')) {
    // A convoy cancels its beads itself. What cannot be cancelled in time (no server, no worker) is ended by its pid
    // right after.
    await unlessGone(fleet.cancelConvoy(convoy.convoy));
    const open = actors.filter(({ view }) => view !== undefined).map(({ scene }) => scene.bead);
    const until = performance.now() + cancelWithin;
    while (open.length > 0 && performance.now() < until) {
      const states = await Promise.allSettled(open.map((bead) => beads.describe(bead)));
      if (states.every((state) => state.status === 'rejected' || state.value.execution !== 'RUNNING')) break;
      await sleep(lookEvery);
    }
  }
  await unlessGone(fleet.removeRig(rig, { force: true }));
}

async function unlessGone(asked: Promise<unknown>): Promise<void> {
  try {
    await asked;
  } catch (error) {
    if (!(error instanceof ClientError)) throw error;
  }
}

async function pause(ms: number, stop: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal: stop }).catch((error: unknown) => {
    if (!stop.aborted) throw error;
  });
}

async function untilAborted(stop: AbortSignal): Promise<void> {
  // A timer keeps the process alive; an abort listener does not.
  while (!stop.aborted) await pause(60_000, stop);
}

const io = processIo();
try {
  process.exitCode = await main(io);
} catch (error) {
  process.exitCode = printError(error, false, io);
}
