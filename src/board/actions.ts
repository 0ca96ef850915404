import { Client } from '@temporalio/client';
import { z } from 'zod';
import { agentSpec } from '../operator/agent-spec.js';
import { beadIdOf, silentBeadId } from '../operator/bead-id.js';
import { readConvoyFile } from '../operator/convoy-file.js';
import { CliError } from '../operator/cli-error.js';
import { repoOf } from '../operator/repo.js';
import { BeadClient } from '../client/beads.js';
import type { TownConnection } from '../client/connect.js';
import { ClientError } from '../client/errors.js';
import { FleetClient } from '../client/fleet.js';
import { defaultPriority, limits } from '../contract/index.js';
import type { BeadInput } from '../contract/index.js';
import { beadInputProblem } from '../domain/bead/input.js';
import { quoteChange } from './line-comments.js';
import type { LineComment } from './line-comments.js';

/** What was sent is not what an action takes. */
export class BadRequestError extends ClientError {
  constructor(message: string, next = 'docs/board.md names what each request takes') {
    super(message, next);
  }
}

const text = z.string().trim().min(1).max(limits.textChars);
const lineComment: z.ZodType<LineComment> = z.object({
  path: z.string().min(1).max(1_000),
  line: z.int().min(1),
  side: z.enum(['old', 'new']),
  code: z.string().max(500),
  text,
});
const comments = z.object({ text: text.optional(), comments: z.array(lineComment).max(50).default([]) });
const nothing = z.object({});
const slung = z.object({
  title: z.string(),
  body: z.string().optional(),
  id: z.string().optional(),
  rig: z.string().optional(),
  repo: z.string().optional(),
  base: z.string().optional(),
  agent: z.string().optional(),
  command: z.string().optional(),
  priority: z.int().min(1).max(5).default(defaultPriority),
});
const drafted = z.object({ file: z.string().max(4 * 1024 * 1024), staged: z.boolean().optional() });

function read<T>(schema: z.ZodType<T>, given: unknown): T {
  const parsed = schema.safeParse(given ?? {});
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new BadRequestError(
    [issue?.path.join('.'), issue?.message].filter(Boolean).join(': ') || 'the body cannot be read',
  );
}

/** Carries out what a button asks for, by the same requests as the command line's. */
export class Actions {
  readonly #town: TownConnection;
  readonly #beads: BeadClient;
  readonly #fleet: FleetClient;
  readonly #by: string;

  /** @param by who acts: the server notes it with each request, and stories tell it. */
  constructor(town: TownConnection, deadline: number, by: string) {
    const asThem = { ...town, client: new Client({ ...town.client.options, identity: by }) };
    this.#town = town;
    this.#by = by;
    this.#beads = new BeadClient(asThem, { deadline });
    this.#fleet = new FleetClient(asThem, deadline);
  }

  /** @returns the bead's sentence, or undefined for an unknown action. */
  async onBead(bead: string, action: string, body: unknown): Promise<string | undefined> {
    switch (action) {
      case 'nudge':
        return this.#beads.nudge(bead, wholeComment(read(comments, body)));
      case 'pause':
        read(nothing, body);
        return this.#beads.pause(bead);
      case 'resume':
        read(nothing, body);
        return this.#beads.resume(bead);
      case 'retry':
        read(nothing, body);
        return this.#beads.retry(bead);
      case 'approve':
        read(nothing, body);
        return this.#beads.approve(bead, this.#by);
      case 'request-changes':
        return this.#beads.requestChanges(bead, wholeComment(read(comments, body)), this.#by);
      case 'cancel':
        read(nothing, body);
        await this.#beads.cancel(bead);
        return `the cancellation of ${bead} was asked for: its agent is stopped, its work saved`;
      default:
        return undefined;
    }
  }

  async onRig(rig: string, action: string): Promise<string | undefined> {
    if (action === 'pause') return this.#fleet.pauseRig(rig);
    if (action === 'resume') return this.#fleet.resumeRig(rig);
    return undefined;
  }

  async onConvoy(convoy: string, action: string, body: unknown): Promise<string | undefined> {
    switch (action) {
      case 'start':
        return this.#fleet.startConvoy(convoy);
      case 'pause':
        return this.#fleet.pauseConvoy(convoy);
      case 'resume':
        return this.#fleet.resumeConvoy(convoy);
      case 'retry':
        return this.#fleet.retryBead(convoy, read(z.object({ id: z.string().min(1) }), body).id);
      case 'cancel':
        await this.#fleet.cancelConvoy(convoy);
        return `${convoy} is being cancelled: its beads end first`;
      default:
        return undefined;
    }
  }

  /** @returns the id of the bead. */
  async sling(body: unknown): Promise<string> {
    const { rig, repo, agent, command, id, title, ...rest } = read(slung, body);
    if ((rig === undefined) === (repo === undefined))
      throw new BadRequestError(
        'a bead works for a rig, or on a repository of its own',
        'give one of `rig` and `repo`',
      );
    const input: BeadInput = {
      ...rest,
      bead: id ?? (this.#town.privateNames ? silentBeadId() : beadIdOf(title)),
      title,
      rig,
      repo:
        rig === undefined
          ? orBadRequest(() => repoOf(repo ?? '', process.cwd()))
          : (await this.#fleet.rig(rig)).settings.repo,
      agent:
        rig !== undefined && agent === undefined && command === undefined
          ? { adapter: 'rig' }
          : orBadRequest(() => agentSpec({ agent, command, option: {}, env: [] }, 'sling')),
    };
    const problem = beadInputProblem(input, (words) => Buffer.byteLength(words));
    if (problem !== undefined) throw new BadRequestError(problem, 'correct it, and send it again: nothing was started');
    await this.#beads.start(input, this.#town.taskQueue);
    return input.bead;
  }

  /** @returns the id of the convoy. */
  async draft(body: unknown): Promise<string> {
    const { file, staged } = read(drafted, body);
    const found = orBadRequest(() => readConvoyFile(file, 'line'));
    const spec = { ...found, staged: staged ?? found.staged };
    await this.#fleet.needsRig(spec.rig);
    await this.#fleet.createConvoy(spec, this.#town.taskQueue);
    return spec.convoy;
  }
}

function wholeComment({ text: words, comments: onLines }: z.infer<typeof comments>): string {
  if (words === undefined && onLines.length === 0)
    throw new BadRequestError('there is no word in it', 'send `text`, or `comments` on lines of the diff');
  const whole = [...(words === undefined ? [] : [words]), ...onLines.map(quoteChange)].join('\n\n');
  if (whole.length > limits.textChars)
    throw new BadRequestError(
      `all comments together have ${whole.length} characters, and a bead takes ${limits.textChars}`,
      'send fewer of them, or shorter ones',
    );
  return whole;
}

function orBadRequest<T>(make: () => T): T {
  try {
    return make();
  } catch (error) {
    if (error instanceof CliError)
      throw new BadRequestError(error.message, error.next ?? 'correct it, and send it again');
    throw error;
  }
}
