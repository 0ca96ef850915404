import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js';
import { z } from 'zod';
import { limits } from '../contract/index.js';
import { shortSha } from '../domain/words.js';
import { AgentSocketError } from '../runner/sockets/agent-socket-client.js';
import type { AgentSocketClient } from '../runner/sockets/agent-socket-client.js';

const text = (what: string): z.ZodString =>
  z
    .string()
    .min(1)
    .max(limits.textChars)
    .refine((given) => !given.includes('\0'), 'it cannot hold a NUL character')
    .describe(what);

/** What the tools need of the runner; the real one is `AgentSocketClient`. */
export type Reporter = Pick<
  AgentSocketClient,
  'heartbeat' | 'note' | 'checkpoint' | 'done' | 'escalate' | 'messages' | 'acknowledge'
>;

/**
 * The six verbs of `heartbead agent` as MCP tools. Descriptions are written for a model: when to call, what happens,
 * what to do on a refusal.
 * @param runner the attempt's runner, over its socket.
 */
export function createMcpServer(runner: Reporter, version: string): McpServer {
  const server = new McpServer(
    { name: 'heartbead', version },
    {
      instructions:
        'Report on your piece of work (your bead): heartbeat while you work, note what later readers should ' +
        'know, and end with exactly one of done or escalate.',
    },
  );

  server.registerTool(
    'heartbeat',
    {
      title: 'I am getting on',
      description:
        'Say that you are making progress, before and during anything that takes minutes without output. ' +
        'Harmless at any time.',
      inputSchema: { activity: z.string().max(200).optional().describe('What you are doing, in a few words.') },
    },
    ({ activity }) =>
      answer(async () => {
        await runner.heartbeat(activity);
        return 'Noted. Go on.';
      }),
  );
  server.registerTool(
    'note',
    {
      title: 'Leave a note',
      description:
        'Keep a fact for people and for whoever continues this work if you are interrupted: a decision, a ' +
        'dead end, where you are. Not for reporting the end.',
      inputSchema: { text: text('The note, one to three sentences.') },
    },
    ({ text }) =>
      answer(async () => {
        await runner.note(text);
        return 'The note is kept.';
      }),
  );
  server.registerTool(
    'checkpoint',
    {
      title: 'Save my work',
      description:
        'Save and push everything in the working tree as it is now, committed or not, without touching your ' +
        'branch, index or files. Call it before anything risky.',
      inputSchema: { text: z.string().max(limits.textChars).optional().describe('What the state of the work is.') },
    },
    ({ text }) =>
      answer(async () => {
        const { checkpoint, pushed } = await runner.checkpoint(text);
        return pushed
          ? `Saved and pushed as ${shortSha(checkpoint.sha)}.`
          : `Saved here as ${shortSha(checkpoint.sha)}; the push failed and is tried again by itself. Go on.`;
      }),
  );
  server.registerTool(
    'done',
    {
      title: 'The work is done',
      description:
        'Report the work as finished. Commit everything first: with uncommitted changes this is refused, and ' +
        'you commit (or remove) them and call it again. Your branch is pushed. Afterwards end your session.',
      inputSchema: { summary: text('What you did and how you checked it, for the reviewer.').optional() },
    },
    ({ summary }) =>
      answer(async () => {
        const result = await runner.done(summary);
        return result.outcome === 'done'
          ? `Done: ${result.branch} is pushed at ${shortSha(result.sha)}. End your session now.`
          : 'Reported, but your branch has no commit ahead of its base. If you meant to deliver changes, commit ' +
              'them and call done again; else end your session.';
      }),
  );
  server.registerTool(
    'escalate',
    {
      title: 'I need a person',
      description:
        'Ask a person for a decision or for something you cannot do yourself. The work is saved and waits. ' +
        'Afterwards end your session; the answer reaches whoever continues.',
      inputSchema: { text: text('What you need, from whom, and what you would do by default.') },
    },
    ({ text }) =>
      answer(async () => {
        await runner.escalate(text);
        return 'A person is asked. End your session now.';
      }),
  );
  server.registerTool(
    'messages',
    {
      title: 'Read my messages',
      description:
        'Messages from operators that you have not acknowledged, oldest first. Read them at the start and ' +
        'between steps. Acknowledge by id what you have taken up: what is not acknowledged goes to whoever ' +
        'continues the work.',
      inputSchema: {
        acknowledge: z
          .array(z.string().min(1).max(200))
          .max(100)
          .optional()
          .describe('Ids of messages that you have taken up.'),
      },
    },
    ({ acknowledge }) =>
      answer(async () => {
        if (acknowledge?.length) await runner.acknowledge(acknowledge);
        const messages = await runner.messages();
        return messages.length === 0
          ? 'No messages.'
          : messages.map((message) => `[${message.id}] from ${message.from}: ${message.text}`).join('\n');
      }),
  );
  return server;
}

/** A refusal is an answer that the model can act on, not a protocol error. */
async function answer(run: () => Promise<string>): Promise<CallToolResult> {
  try {
    return { content: [{ type: 'text', text: await run() }] };
  } catch (error) {
    if (!(error instanceof AgentSocketError)) throw error;
    const advice = error.kind === 'gone' ? ' The attempt has ended: commit your work and end your session.' : '';
    return { isError: true, content: [{ type: 'text', text: `${error.message}${advice}` }] };
  }
}
