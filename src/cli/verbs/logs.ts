import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { colouredLine, isFinal } from '../../contract/index.js';
import type { BeadView } from '../../contract/index.js';
import { AttemptDir } from '../../runner/attempt/attempt-dir.js';
import { beadAccount, homes, known, newestHere, placeOf } from '../attempt-place.js';
import type { Elsewhere } from '../attempt-place.js';
import type { Context } from '../context.js';
import { exitCodes, failure, usageError } from '../exit.js';
import { FileFollower, fileExists } from '../follow-file.js';
import { untilInterrupted } from '../../operator/interrupt.js';
import { attempt as attemptOption, oneBead } from '../shared-options.js';
import { flag, option, verb } from '../verb.js';

/** How often a followed log is looked at, and every how many looks the bead is asked for a next attempt. */
const lookEvery = 300;
const askEvery = 7;

export const logs = verb({
  name: 'logs',
  description: "the output of a bead's agent, from any machine that reaches the server",
  arguments: [oneBead],
  options: {
    follow: flag(
      '-f, --follow',
      'go on as the agent writes, over its attempts, until the bead has ended or waits for a person',
    ),
    attempt: attemptOption('of this attempt (default: the newest)'),
    check: option(
      '--check [name]',
      'instead: what this check, or all of them, printed when its work was merged',
      z.union([z.literal(true), z.string().min(1).max(200)]).optional(),
    ),
    raw: flag('--raw', 'on a terminal too: everything that the agent wrote, orders to the terminal included'),
  },
  json: 'print one JSON object per line',
  run: async (context, [bead], { attempt, check, follow, raw: asked }) => {
    // A pipe gets the bytes; what an agent wrote must not steer the terminal of who reads it.
    const raw = asked || !context.io.terminal;
    const account = await beadAccount(context, bead);
    if (check !== undefined) {
      if (attempt !== undefined)
        throw usageError('--check and --attempt: the output of checks is one for all attempts of a bead');
      if (account.view === undefined) throw account.problem;
      const name = check === true ? undefined : check;
      await checks(context, account.view, { name, follow, raw, stop: untilInterrupted() });
      return exitCodes.fine;
    }
    const place = await placeOf(context, bead, attempt, account, 'log');
    if (!(place instanceof AttemptDir)) {
      await remote(context, bead, place, { follow, raw, only: attempt !== undefined, stop: untilInterrupted() });
      return exitCodes.fine;
    }
    const current = account.view?.current?.id ?? place.attempt;
    // An agent that is not up yet has a log that begins empty.
    if (current !== place.attempt && !(await fileExists(place.agentLog)))
      throw failure(
        `attempt ${place.attempt} of bead ${bead} has no log: its agent was never started`,
        `see why with \`heartbead show ${bead}\``,
      );
    let dir = place;
    let follower = new FileFollower(dir.agentLog);
    const print = (lines: string[]): void => {
      for (const line of lines)
        if (context.json) context.printJsonLine({ attempt: dir.attempt, line });
        else context.io.out(raw ? line : colouredLine(line));
    };
    print(await follower.newLines());
    const stop = untilInterrupted();
    for (let look = 1; follow && !stop.aborted; look += 1) {
      await sleep(lookEvery, undefined, { signal: stop }).catch((error: unknown) => {
        if (!stop.aborted) throw error;
      });
      // Looked up before the read: what was written before the end is then read in any case.
      const ended = (await dir.readResult()) !== undefined;
      print(await follower.newLines());
      if (!ended && look % askEvery !== 0) continue;
      if (attempt !== undefined && ended) break;
      if (attempt !== undefined) continue;
      const next = await newestHere(homes(context), bead);
      if (next !== undefined && next.attempt !== dir.attempt) {
        print(follower.leftover());
        context.note(`attempt ${dir.attempt} has ended; now attempt ${next.attempt}`);
        dir = next;
        follower = new FileFollower(dir.agentLog);
        continue;
      }
      if (!ended) continue;
      const now = await beadAccount(context, bead);
      // Without an answer nobody knows of a next attempt: the log is complete as far as it goes here.
      if (now.view === undefined || isFinal(now.view.status) || now.view.status === 'blocked') break;
      const current = now.view.current;
      if (
        current !== undefined &&
        current.id !== dir.attempt &&
        current.spawnedAt !== undefined &&
        !(await known(homes(context), bead, current.id))
      ) {
        if (current.host === undefined) continue;
        print(follower.leftover());
        context.note(`the next attempt (${current.id}) runs on host ${current.host}`);
        await remote(context, bead, { id: current.id, host: current.host }, { follow, raw, only: false, stop });
        return exitCodes.fine;
      }
    }
    print(follower.leftover());
    return exitCodes.fine;
  },
});

/** Reads from the hosts that the bead names, attempt after attempt, until it has ended or waits for a person. */
async function remote(
  context: Context,
  bead: string,
  first: Elsewhere,
  { follow, raw, only, stop }: { follow: boolean; raw: boolean; only: boolean; stop: AbortSignal },
): Promise<void> {
  const { printRemoteLog } = await import('../remote-log.js');
  for (let { id: attempt, host } = first; ;) {
    const print = (lines: string[]): void => {
      for (const line of lines)
        if (context.json) context.printJsonLine({ attempt, line });
        else context.io.out(raw ? line : colouredLine(line));
    };
    await printRemoteLog({ context, source: { bead, attempt, host, part: 'agent-log' }, follow, stop, print });
    if (!follow || only) return;
    for (;;) {
      if (stop.aborted) return;
      const { view } = await beadAccount(context, bead);
      if (view === undefined || isFinal(view.status) || view.status === 'blocked') return;
      const next = view.current;
      if (next !== undefined && next.id !== attempt && next.spawnedAt !== undefined && next.host !== undefined) {
        context.note(`attempt ${attempt} has ended; now attempt ${next.id} on host ${next.host}`);
        attempt = next.id;
        host = next.host;
        break;
      }
      await sleep(lookEvery * askEvery, undefined, { signal: stop }).catch((error: unknown) => {
        if (!stop.aborted) throw error;
      });
    }
  }
}

/** Prints the output of a bead's checks from the host that ran them last. With `follow` until Ctrl-C. */
async function checks(
  context: Context,
  view: BeadView,
  { name, follow, raw, stop }: { name: string | undefined; follow: boolean; raw: boolean; stop: AbortSignal },
): Promise<void> {
  const { checkOutput, OneCheck } = await import('../../client/check-log.js');
  const { printRemoteLog } = await import('../remote-log.js');
  const { source } = await checkOutput(await context.town(), view);
  const one = name === undefined ? undefined : new OneCheck(name);
  let printed = 0;
  const print = (lines: string[]): void => {
    for (const line of one?.of(lines) ?? lines) {
      printed += 1;
      if (context.json) context.printJsonLine({ host: source.host, line });
      else context.io.out(raw ? line : colouredLine(line));
    }
  };
  await printRemoteLog({ context, source, follow, stop, print });
  if (printed === 0 && !follow)
    throw failure(
      `the checks of bead ${view.bead} on host ${source.host} tell of none named ${name ?? ''}`,
      `see all of it with \`heartbead logs ${view.bead} --check\``,
    );
}
