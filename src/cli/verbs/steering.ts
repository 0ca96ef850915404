import { z } from 'zod';
import { limits } from '../../contract/index.js';
import type { BeadChange } from '../../contract/index.js';
import { beadArgument, parseArgs } from '../args.js';
import { exitCodes, usageError } from '../exit.js';
import type { Context } from '../context.js';
import { inForce } from '../../domain/rig/stops.js';
import { selection } from '../select-beads.js';
import type { Selection } from '../select-beads.js';
import { cancelledOrThrow, steer } from '../steer.js';
import type { Steering } from '../steer.js';
import { argument, flag, option, verb } from '../verb.js';
import { agentOptions } from '../shared-options.js';
import { agentSpecIfNamed } from '../../operator/agent-spec.js';
import type { GivenAgent } from '../../operator/agent-spec.js';

/** The bead, or the beads, or none when a filter chooses them. */
const beads = argument(
  '[bead...]',
  'ids of beads; or choose them by the options below',
  z.array(beadArgument).default([]),
);
const chosen = { ...selection, yes: flag('--yes', 'do it without asking') };

const pausing: Steering = {
  name: 'pause',
  applies: (view) => !view.paused,
  ask: (client, bead) => client.pause(bead),
};
export const pause = verb({
  name: 'pause',
  description: "freeze a bead's agent and its clocks; a bead without an agent starts none",
  arguments: [beads],
  options: chosen,
  run: (context, [named], given) => steer(context, pausing, { named, chosen: given }),
});

const resuming: Steering = {
  name: 'resume',
  applies: (view) => view.paused,
  ask: (client, bead) => client.resume(bead),
};
export const resume = verb({
  name: 'resume',
  description: 'let a paused bead go on',
  arguments: [beads],
  options: chosen,
  run: (context, [named], given) => steer(context, resuming, { named, chosen: given }),
});

/** A rig that is stopped may have no blocked bead, only some that wait: it goes on with the others. */
async function letStoppedRigsTry(context: Context, { rig, cause }: Selection): Promise<void> {
  const fleet = await context.fleet();
  const town = await context.town();
  const names =
    rig === undefined
      ? (await fleet.list('rig', { all: false, limit: 500, taskQueue: town.taskQueue })).map(({ id }) => id)
      : [rig];
  for (const name of names) {
    const { stops = [] } = await fleet.rig(name);
    const meant = stops.some(
      (stop) => inForce(stop) && (cause === undefined || cause.some((outcome) => outcome === stop.cause)),
    );
    if (meant) context.note(`rig ${name}: ${await fleet.resumeRig(name)}`);
  }
}

/** @throws CliError (usage) when something is said of an agent that is not named. */
const changeOf = ({ base, ...given }: GivenAgent & { base?: string | undefined }): BeadChange => ({
  base,
  agent:
    given.agent === 'rig'
      ? // The one of the rig, again, as its rig says.
        (agentSpecIfNamed({ ...given, agent: undefined }, 'retry') ?? { adapter: 'rig' })
      : agentSpecIfNamed(given, 'retry'),
});

export const retry = verb({
  name: 'retry',
  description: 'start a blocked bead again, or end its back-off',
  arguments: [beads],
  options: {
    now: flag(
      '--now',
      'do not wait for a host that is out of reach. Only when you know that the host is dead: if it lives on, ' +
        'two agents may work on the bead',
    ),
    allBlocked: flag('--all-blocked', 'all blocked beads'),
    base: option('--base <branch>', 'from another base than until now', z.string().min(1).optional()),
    ...agentOptions(' from now on'),
    ...chosen,
  },
  run: async (context, [named], { now, allBlocked, ...given }) => {
    const change = changeOf(given);
    // One bead after the other is what a person has looked at; a filter would hit a host that lives.
    if (now && named.length === 0)
      throw usageError('--now is for beads that are named, one by one', 'see `heartbead retry --help`');
    if (allBlocked && given.status !== undefined && given.status !== 'blocked')
      throw usageError(`--all-blocked and --status ${given.status} exclude each other`);
    const retrying: Steering = {
      name: 'retry',
      applies: (view) => view.status === 'blocked' || view.wait?.for === 'backoff',
      ask: (client, bead) => client.retry(bead, { now, ...change }),
    };
    const code = await steer(context, retrying, {
      named,
      chosen: allBlocked ? { ...given, status: 'blocked' } : given,
    });
    if (code === exitCodes.fine && named.length === 0 && given.convoy === undefined && given.host === undefined)
      await letStoppedRigsTry(context, given);
    return code;
  },
});

export const cancel = verb({
  name: 'cancel',
  description: "end a bead: its agent is stopped, the agent's work saved and pushed, then the bead is cancelled",
  arguments: [beads],
  options: {
    wait: flag('--wait', 'return only when the bead has ended and no process of its agent is left'),
    ...chosen,
  },
  run: async (context, [named], { wait, ...given }) => {
    const [only] = named;
    if (only !== undefined && named.length === 1) {
      const client = await context.beads();
      await client.cancel(only);
      if (!wait) {
        context.print(
          { bead: only, requested: true },
          `cancellation of ${only} was asked for; \`heartbead show ${only}\` tells when its agent is gone`,
        );
        return exitCodes.fine;
      }
      const { WaitProgress, waitForBead } = await import('../wait.js');
      const progress = new WaitProgress(only, context.io);
      const end = await waitForBead(client, only, { onLook: progress.show, untilBlocked: false }).finally(() =>
        progress.done(),
      );
      const text = cancelledOrThrow(only, end);
      context.print({ bead: only, requested: true, status: end.status, reason: end.reason }, text);
      return exitCodes.fine;
    }
    const { waitForBead } = await import('../wait.js');
    const cancelling: Steering = {
      name: 'cancel',
      applies: () => true,
      ask: async (client, bead) => {
        await client.cancel(bead);
        return wait
          ? cancelledOrThrow(bead, await waitForBead(client, bead, { untilBlocked: false }))
          : 'its cancellation was asked for';
      },
    };
    return steer(context, cancelling, { named, chosen: given });
  },
});

const nudgeText = z
  .string()
  .trim()
  .min(1, 'a nudge needs a text')
  .max(
    limits.textChars,
    `a nudge has at most ${limits.textChars} characters; put long material into the repository and name the file`,
  )
  .refine((given) => !given.includes('\0'), 'a nudge cannot hold a NUL character');

export const nudge = verb({
  name: 'nudge',
  description: "give a bead's agent a message; one that has no agent now gives it to the next",
  arguments: [
    argument('<words...>', 'ids of beads, and last what to say; with a filter only what to say', z.array(z.string())),
  ],
  options: chosen,
  run: (context, [words], given) => {
    const text = parseArgs(nudgeText, words.at(-1), 'nudge');
    const named = words.slice(0, -1).map((word) => parseArgs(beadArgument, word, 'nudge'));
    const nudging: Steering = {
      name: 'nudge',
      applies: () => true,
      ask: (client, bead) => client.nudge(bead, text),
    };
    return steer(context, nudging, { named, chosen: given });
  },
});
