import { z } from 'zod';
import { privateNames } from '../../client/connect.js';
import { adapters } from '../../agents/index.js';
import { defaultPriority, limits } from '../../contract/index.js';
import type { BeadInput } from '../../contract/index.js';
import { beadInputProblem } from '../../domain/bead/input.js';
import { shortSha } from '../../domain/words.js';
import { agentSpec, agentSpecIfNamed } from '../../operator/agent-spec.js';
import { beadArgument, titleArgument } from '../args.js';
import { beadIdOf, silentBeadId } from '../../operator/bead-id.js';
import type { Context } from '../context.js';
import { exitCodes, failure, usageError } from '../exit.js';
import { readText } from '../read-text.js';
import { elsewhereNotes, workingCopyNote } from '../../operator/local-repository.js';
import { requireBase } from '../../operator/remote-repository.js';
import { namedRepository } from '../../operator/repo.js';
import { oneLine } from '../render/format.js';
import { agentOptions, budget, clock, priority, rigName, taskQueue } from '../shared-options.js';
import { argument, flag, option, verb } from '../verb.js';
import type { Given } from '../verb.js';

const options = {
  repo: option(
    '--repo <url>',
    'the repository to work on: a URL, or the path of a local one (with --rig: that of the rig)',
    z.string().optional(),
  ),
  base: option(
    '--base <branch>',
    "the branch to start from (default: the remote's default branch)",
    z.string().optional(),
  ),
  id: option('--id <id>', 'id of the bead (default: made of the title)', beadArgument.optional()),
  body: option('--body <text>', 'the whole task, at most 64 KiB', z.string().optional()),
  bodyFile: option('--body-file <file>', 'read the task from a file, or from stdin with -', z.string().optional()),
  ...agentOptions(`: ${Object.keys(adapters).join(', ')}, or one of your own in agents.yaml`),
  priority: priority(`from 1 (first) to 5 (last) (default: ${defaultPriority})`),
  rig: option(
    '--rig <name>',
    'the rig that grants its attempts and merges its work; its agent is taken when none is named',
    rigName.optional(),
  ),
  target: option(
    '--target <branch>',
    "the branch to land on, with --rig (default: the rig's base)",
    z.string().optional(),
  ),
  clock,
  budget,
};

export const sling = verb({
  name: 'sling',
  description: 'start a bead: one piece of work for one agent',
  arguments: [argument('<title>', 'what is to be done, in a line', titleArgument)],
  options: {
    ...options,
    taskQueue,
    wait: flag('--wait', 'return only when the bead has closed (status 0) or cannot go on by itself (status 1)'),
  },
  example:
    'heartbead sling "Fix the typo" --repo . --command "./fix.sh && git commit -am fixed && heartbead agent done"',
  run: async (context, [title], { wait, taskQueue: queue, ...rest }) => {
    const input = await beadInput(context, title, rest);
    const beads = await context.beads();
    const town = await context.town();
    const { runId } = await beads.start(input, queue ?? town.taskQueue);
    const started = {
      bead: input.bead,
      title: input.title,
      repo: input.repo,
      workflowId: `bead-${input.bead}`,
      runId,
    };
    if (wait) return waitAndReport(context, input.bead, started);
    context.print(started, `slung ${input.bead}`);
    if (!context.json) context.note(`watch it with \`heartbead watch\`, or ask \`heartbead explain ${input.bead}\``);
    return exitCodes.fine;
  },
});

/** Everything is checked before the server hears of it: a refused sling has started nothing. */
async function beadInput(context: Context, title: string, given: Given<typeof options>): Promise<BeadInput> {
  if (given.body !== undefined && given.bodyFile !== undefined)
    throw usageError('--body and --body-file exclude each other');
  const body = given.bodyFile === undefined ? given.body : await readText(given.bodyFile, limits.bodyBytes, 'a body');
  const agent =
    given.rig === undefined ? agentSpec(given, 'sling') : (agentSpecIfNamed(given, 'sling') ?? { adapter: 'rig' });
  const input: BeadInput = {
    bead: given.id ?? (privateNames(context.io.env) ? silentBeadId() : beadIdOf(title)),
    title,
    repo: await repoFor(context, given),
    agent,
    priority: given.priority ?? defaultPriority,
    body,
    base: given.base,
    rig: given.rig,
    target: given.target,
    clocks: given.clock,
    budgets: given.budget,
  };
  const problem = beadInputProblem(input, (text) => Buffer.byteLength(text));
  if (problem !== undefined) throw usageError(problem, 'see `heartbead sling --help`');
  return input;
}

/** A rig that does not exist is said before anything starts. */
async function repoFor(context: Context, { repo, rig, target, base }: Given<typeof options>): Promise<string> {
  if (target !== undefined && rig === undefined)
    throw usageError('--target goes with --rig: without one nothing is merged', 'see `heartbead sling --help`');
  if (rig === undefined) {
    if (repo === undefined) throw usageError('which repository is to be worked on?', 'give --repo URL, or --rig NAME');
    const named = await namedRepository(repo, process.cwd());
    // Of a URL a host finds out, before an agent is paid: it may be out of reach from here.
    if (named.local !== undefined && base !== undefined) await requireBase(named.repo, base);
    if (named.local !== undefined && !context.json)
      for (const note of [workingCopyNote(named.local), ...elsewhereNotes(named.local)])
        if (note !== undefined) context.note(note);
    return named.repo;
  }
  if (repo !== undefined)
    throw usageError('--repo and --rig exclude each other: the rig names the repository', 'leave --repo away');
  return (await (await context.fleet()).rig(rig)).settings.repo;
}

async function waitAndReport(context: Context, bead: string, started: object): Promise<0> {
  const { WaitProgress, waitForBead } = await import('../wait.js');
  if (!context.json) context.note(`slung ${bead}; waiting until it closes (Ctrl-C stops the waiting, not the bead)`);
  const progress = new WaitProgress(bead, context.io);
  const end = await waitForBead(await context.beads(), bead, { onLook: progress.show }).finally(() => progress.done());
  const { view } = end;
  const result = {
    ...started,
    status: end.status,
    reason: end.reason,
    fix: end.fix,
    attempts: view?.attemptCount,
    branch: view?.branch,
    sha: view?.sha,
  };
  if (end.status === 'closed') {
    context.print(
      result,
      `${bead} is ` +
        'closed' +
        (view?.branch === undefined
          ? ''
          : `: ${view.branch}${view.sha === undefined ? '' : ` at ${shortSha(view.sha)}`}`),
    );
    return exitCodes.fine;
  }
  // A script that waits wants the result also of a bead that did not close.
  if (context.json) context.print(result, '');
  const reason = oneLine(end.reason, 1_000);
  if (end.status === 'blocked')
    throw failure(
      `bead ${bead} is blocked: ${reason}`,
      `${end.fix ?? 'see what it waits for'}; it stays open, \`heartbead explain ${bead}\` tells more`,
    );
  throw failure(`bead ${bead} did not close, it is ${end.status}: ${reason}`, `see \`heartbead explain ${bead}\``);
}
