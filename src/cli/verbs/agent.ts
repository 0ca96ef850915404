import { agentEnvironment, limits } from '../../contract/index.js';
import { shortSha } from '../../domain/words.js';
import { AgentSocketClient, AgentSocketError } from '../../runner/sockets/agent-socket-client.js';
import { strangerProblem } from '../../runner/attempt-of-path.js';
import type { Context } from '../context.js';
import { CliError, exitCodes, failure, usageError } from '../exit.js';
import { hookAnswer } from '../hook-answer.js';
import { readText } from '../read-text.js';
import { plainVerb, verbGroup } from '../record.js';
import { oneLine, timeOfDay } from '../render/format.js';

/** An event holds what a tool was given and what it answered. */
const hookBytes = 64 * 1024 * 1024;

const heartbeat = plainVerb({
  name: 'heartbeat',
  description: 'say that the agent is getting on',
  arguments: [{ name: '[activity]', says: 'what it is doing, in a few words' }],
  run: async (context, [activity]) => {
    await ask(context, (runner) => runner.heartbeat(activity));
    taken(context);
    return exitCodes.fine;
  },
});

const note = plainVerb({
  name: 'note',
  description: 'leave a note for people and for later attempts',
  arguments: [{ name: '<text>', says: 'the note; - reads it from stdin' }],
  run: async (context, [given]) => {
    const text = await textOf(given, 'a note');
    await ask(context, (runner) => runner.note(text));
    taken(context);
    return exitCodes.fine;
  },
});

const checkpoint = plainVerb({
  name: 'checkpoint',
  description: 'save and push the work in progress now; the working tree, index and branch stay as they are',
  arguments: [{ name: '[text]', says: 'what the state of the work is' }],
  run: async (context, [text]) => {
    const answer = await ask(context, (runner) => runner.checkpoint(text));
    if (context.json || !answer.pushed)
      context.print(answer, `saved ${shortSha(answer.checkpoint.sha)} here; the push will be tried again`);
    return exitCodes.fine;
  },
});

const done = plainVerb({
  name: 'done',
  description: 'report the work as done: everything must be committed; the branch is pushed; then end',
  arguments: [{ name: '[summary]', says: 'what was done; - reads it from stdin' }],
  run: async (context, [given]) => {
    const summary = given === undefined ? undefined : await textOf(given, 'a summary');
    const answer = await ask(context, (runner) => runner.done(summary));
    context.print(
      answer,
      answer.outcome === 'done'
        ? `done: ${answer.branch} is pushed at ${shortSha(answer.sha)}; you may end now`
        : 'reported as done without changes: there is no commit ahead of the base; you may end now',
    );
    return exitCodes.fine;
  },
});

const escalate = plainVerb({
  name: 'escalate',
  description: 'ask for a person; the bead waits for an answer; then end',
  arguments: [{ name: '<text>', says: 'what a person must decide or do; - reads it from stdin' }],
  run: async (context, [given]) => {
    const text = await textOf(given, 'an escalation');
    await ask(context, (runner) => runner.escalate(text));
    context.print({ ok: true }, 'a person is asked; you may end now');
    return exitCodes.fine;
  },
});

const hook = plainVerb({
  name: 'hook',
  description:
    "for the hooks of an agent's program, which hands over an event on stdin: a sign of progress; new messages go to " +
    'the model',
  json: false,
  run: async ({ io }) => {
    const socket = io.env[agentEnvironment.socket];
    // A hook that fails would trouble its agent for nothing: an event that cannot be told is only that.
    const answer =
      socket === undefined || strangerProblem(io.env, process.cwd()) !== undefined
        ? undefined
        : await hookAnswer(await readText('-', hookBytes, 'an event'), () =>
            new AgentSocketClient(socket).hook(),
          ).catch(() => undefined);
    if (answer !== undefined) io.out(JSON.stringify(answer));
    return exitCodes.fine;
  },
});

const messages = plainVerb({
  name: 'messages',
  description: 'print the messages that were not acknowledged yet, oldest first',
  options: {
    ack: { flags: '--ack [ids...]', says: 'acknowledge these messages; without ids, those that are printed' },
  },
  run: async (context, _, { ack }) => {
    const { messages, acknowledged } = await ask(context, async (runner) => {
      const messages = Array.isArray(ack) ? [] : await runner.messages();
      const ids = ack === true ? messages.map((message) => message.id) : (ack ?? []);
      return { messages, acknowledged: ids.length === 0 ? 0 : await runner.acknowledge(ids) };
    });
    const text = Array.isArray(ack)
      ? `${acknowledged} acknowledged`
      : messages
          .map(
            (message) =>
              `${message.id}  ${timeOfDay(message.at)}  ${message.from}: ${oneLine(message.text, limits.textChars)}`,
          )
          .join('\n') || 'no messages';
    context.print({ messages, acknowledged }, text);
    return exitCodes.fine;
  },
});

/**
 * What an agent tells its runner from inside an attempt. Whatever it prints may be its agent's output, and so what
 * people read as its activity: what the exit status says already is not printed. Loads neither a Temporal client nor
 * schemas: these are called often and must answer fast.
 */
export const agent = verbGroup(
  'agent',
  `for agents inside an attempt: report to the runner over ${agentEnvironment.socket}`,
  [heartbeat, note, checkpoint, done, escalate, hook, messages],
);

const taken = (context: Context): void => {
  if (context.json) context.print({ ok: true }, '');
};

const textOf = async (given: string, what: string): Promise<string> => {
  const text = given === '-' ? await readText('-', limits.bodyBytes, what) : given;
  if (text.trim() === '') throw usageError(`${what} needs a text`);
  return text;
};

async function ask<R>({ io }: Context, question: (runner: AgentSocketClient) => Promise<R>): Promise<R> {
  const socket = io.env[agentEnvironment.socket];
  if (socket === undefined || socket === '') {
    throw usageError(
      `this command is for agents inside an attempt: ${agentEnvironment.socket} is not set`,
      'operators talk to a bead with `heartbead nudge`, `show` and `explain`',
    );
  }
  const stranger = strangerProblem(io.env, process.cwd());
  if (stranger !== undefined) throw new CliError({ code: exitCodes.refused, message: stranger });
  try {
    return await question(new AgentSocketClient(socket));
  } catch (error) {
    if (!(error instanceof AgentSocketError)) throw error;
    if (error.kind === 'gone')
      throw failure(error.message, 'the attempt has ended or its host was restarted; commit your work and end', error);
    throw new CliError({
      code: error.status === 400 || error.status === 413 ? exitCodes.usage : exitCodes.refused,
      message: error.message,
      cause: error,
    });
  }
}
