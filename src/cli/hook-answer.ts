import type { Message } from '../contract/index.js';

/** A tool has run: what is said now reaches the model with its result. Names of Claude Code, and of Gemini CLI. */
const afterTool = new Set(['PostToolUse', 'AfterTool']);
/** The program is about to end: it goes on when it is told why. */
const atEnd = new Set(['Stop', 'AfterAgent']);

/**
 * Answers an event of an agent program's hooks.
 * @param event as it came on stdin, JSON with `hook_event_name`.
 * @param news tells the runner, and has the messages that the agent was not shown yet.
 * @returns what the program is to read, or undefined when there is nothing to say.
 */
export async function hookAnswer(event: string, news: () => Promise<Message[]>): Promise<object | undefined> {
  const name: unknown = (JSON.parse(event) as { hook_event_name?: unknown } | null)?.hook_event_name;
  if (typeof name !== 'string' || (!afterTool.has(name) && !atEnd.has(name))) return undefined;
  const messages = await news();
  if (messages.length === 0) return undefined;
  return atEnd.has(name)
    ? { decision: 'block', reason: textOf(messages) }
    : { hookSpecificOutput: { hookEventName: name, additionalContext: textOf(messages) } };
}

const textOf = (messages: Message[]): string => {
  const one = messages.length === 1;
  const listed = messages.map(({ id, from, text }) => `- (${id}, from ${from}) ${text.replaceAll('\n', '\n  ')}`);
  const ids = messages.map(({ id }) => id).join(' ');
  return [
    `${one ? 'A message has' : 'Messages have'} come for you while you work:`,
    listed.join('\n'),
    `Take ${one ? 'it' : 'them'} into account, and acknowledge what you have taken up: by the tool \`messages\` of ` +
      `the MCP server \`heartbead\`, or by \`heartbead agent messages --ack ${ids}\`. Then go on with your task, and ` +
      'report as before.',
  ].join('\n\n');
};
