import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import { z } from 'zod';
import { demoDirectory, hostIdOf, stateDirectory } from '../../client/home.js';
import { colouredLine, isFinal } from '../../contract/index.js';
import type { BeadView } from '../../contract/index.js';
import { AttemptDir } from '../../runner/attempt/attempt-dir.js';
import { attemptArgument, beadArgument, parseArgs } from '../args.js';
import { action } from '../context.js';
import type { Context } from '../context.js';
import { CliError, exitCodes, failure } from '../exit.js';
import { FileFollower, fileExists } from '../follow-file.js';
import { untilInterrupted } from '../../operator/interrupt.js';

const options = z.object({
  attempt: attemptArgument.optional(),
  follow: z.boolean().default(false),
  raw: z.boolean().default(false),
});

/** How often a followed log is looked at, and every how many looks the bead is asked for a next attempt. */
const lookEvery = 300;
const askEvery = 7;

export function logs(program: Command): void {
  program
    .command('logs')
    .description("the output of a bead's agent, from any machine that reaches the server")
    .argument('<bead>', 'id of the bead')
    .option(
      '-f, --follow',
      'go on as the agent writes, over its attempts, until the bead has ended or waits for a person',
    )
    .option('--attempt <id>', 'of this attempt (default: the newest)')
    .option('--raw', 'on a terminal too: everything that the agent wrote, orders to the terminal included')
    .option('--json', 'print one JSON object per line')
    .action(
      action(async (context, givenBead: string, given: unknown) => {
        const bead = parseArgs(beadArgument, givenBead, 'logs');
        const { attempt, follow, raw: asked } = parseArgs(options, given, 'logs');
        // A pipe gets the bytes; what an agent wrote must not steer the terminal of who reads it.
        const raw = asked || !context.io.terminal;
        const account = await ask(context, bead);
        const place = await chosen(context, bead, attempt, account);
        if (!(place instanceof AttemptDir)) {
          await remote(context, bead, place, { follow, raw, only: attempt !== undefined, stop: untilInterrupted() });
          return exitCodes.fine;
        }
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
          const now = await ask(context, bead);
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
      }),
    );
}

interface Elsewhere {
  id: string;
  host: string;
}

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
      const { view } = await ask(context, bead);
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

/** The bead's own account; its failure is kept, since the log may be here all the same. */
async function ask(context: Context, bead: string): Promise<{ view?: BeadView; problem?: unknown }> {
  try {
    const beads = await context.beads();
    return { view: await beads.view(bead, Math.min(context.deadline, 3_000)) };
  } catch (problem) {
    return { problem };
  }
}

const homes = ({ io }: Context): string[] => [stateDirectory(io.env), demoDirectory(stateDirectory(io.env))];

async function chosen(
  context: Context,
  bead: string,
  attempt: string | undefined,
  account: { view?: BeadView; problem?: unknown },
): Promise<AttemptDir | Elsewhere> {
  const places = homes(context);
  const { view } = account;
  const wanted = attempt ?? view?.current?.id ?? view?.attempts.at(-1)?.id;
  const here = wanted === undefined ? await newestHere(places, bead) : await known(places, bead, wanted);
  if (here !== undefined) {
    if (await fileExists(here.agentLog)) return here;
    // the agent is not up yet: its log begins empty
    if (wanted === undefined || view?.current?.id === wanted) return here;
    throw failure(
      `attempt ${here.attempt} of bead ${bead} has no log: its agent was never started`,
      `see why with \`heartbead show ${bead}\``,
    );
  }
  if (view === undefined) {
    if (account.problem instanceof Error && account.problem.name === 'BeadNotFoundError') throw account.problem;
    throw failure(
      `there is no log of bead ${bead}${attempt === undefined ? '' : `, attempt ${attempt},`} in ${join(places[0] as string, 'attempts')}`,
      'run this on the host where the agent ran',
      account.problem,
    );
  }
  const record = [...view.attempts, ...(view.current === undefined ? [] : [view.current])].find(
    ({ id }) => id === wanted,
  );
  if (record === undefined && attempt !== undefined) {
    throw new CliError({
      code: exitCodes.notFound,
      message: `bead ${bead} has no attempt ${attempt}`,
      next: `its attempts: ${[...view.attempts.map(({ id }) => id), ...(view.current === undefined ? [] : [view.current.id])].join(', ') || 'none yet'}`,
    });
  }
  if (record === undefined)
    throw failure(
      `bead ${bead} has had no attempt yet: ${view.reason}`,
      `see what it waits for with \`heartbead explain ${bead}\``,
    );
  if (record.host === undefined)
    throw failure(
      `attempt ${record.id} of bead ${bead} has not been taken by a host yet`,
      `see what it waits for with \`heartbead explain ${bead}\``,
    );
  if ((await Promise.all(places.map((home) => hostIdOf(home)))).includes(record.host)) {
    throw failure(
      `attempt ${record.id} of bead ${bead} has no log here any more: its folder was cleaned up after its work was safe, or it ended before an agent was started`,
      `see how it ended with \`heartbead show ${bead}\``,
    );
  }
  return { id: record.id, host: record.host };
}

async function known(places: string[], bead: string, attempt: string): Promise<AttemptDir | undefined> {
  for (const home of places) {
    const dir = AttemptDir.of(home, bead, attempt);
    if (await dir.exists()) return dir;
  }
  return undefined;
}

async function newestHere(places: string[], bead: string): Promise<AttemptDir | undefined> {
  const number = (dir: AttemptDir): number => Number(dir.attempt.split('-')[0]);
  const found = (await Promise.all(places.map((home) => AttemptDir.list(home))))
    .flat()
    .filter((dir) => dir.bead === bead);
  return found.sort((a, b) => number(a) - number(b)).at(-1);
}
