import { refNames } from '../../contract/index.js';
import type { StartAgentInput } from '../../contract/index.js';

const list = (lines: readonly string[]): string => lines.map((line) => `- ${line.replaceAll('\n', '\n  ')}`).join('\n');

/** What the prompt has to say about the program that gets it. */
export interface PromptFrame {
  /** It has Heartbead's MCP server. */
  mcp?: boolean;
  /** It goes on in a conversation of an earlier attempt. */
  resumed?: boolean;
}

const sameTools =
  'The same commands are tools of the MCP server `heartbead` (heartbeat, note, checkpoint, done, escalate, ' +
  'messages); use whichever works.\n\n';

/** @returns the whole prompt of an attempt: the task first, then how to work here and how to report. */
export function buildPrompt(input: StartAgentInput, { mcp = false, resumed = false }: PromptFrame = {}): string {
  const { bead, attempt, title, body, notes, messages, checkpoint } = input;
  const parts = [`# ${title}`];
  if (body.trim() !== '') parts.push(body.trim());
  parts.push(
    [
      '## How to work here',
      '',
      `You work on bead ${bead}, attempt ${attempt}, in a git worktree of your own; the branch is ` +
        `${refNames(input.workspace?.refPrefix).branch(bead, attempt)}. Commit your work on it. ` +
        'Do not push: that is done for you. ' +
        (input.workspace?.signoff === true ? 'Sign each commit off (`git commit --signoff`). ' : '') +
        'There is nobody to answer questions at a prompt.',
      '',
      'Commands for you (from the working directory):',
      '- `heartbead agent heartbeat "what you are doing"` from time to time during long steps',
      '- `heartbead agent note "…"` for what people, or an attempt after yours, should know',
      '- `heartbead agent messages` shows messages for you; `heartbead agent messages --ack ID` when you have taken ' +
        'one into account',
      '- `heartbead agent done "summary"` when everything is committed; when it is refused, it says what to mend',
      '- `heartbead agent escalate "…"` when a person must decide; then end',
      '',
      (mcp ? sameTools : '') + 'Ending without `done` or `escalate` counts as a failure, whatever the exit status.',
    ].join('\n'),
  );
  if (resumed) {
    parts.push(
      '## This conversation goes on\n\nYou have worked on this before, in this conversation, and were ' +
        'interrupted. The worktree is a new one: paths that you remember are no longer valid; work in the ' +
        'current directory only, and look at its state before you go on.',
    );
  }
  if (checkpoint !== undefined) {
    parts.push(
      '## Earlier work\n\nAn earlier attempt has worked on this. Its commits are on your ' +
        `branch${checkpoint.wip ? ', and what it had not committed is in the working tree' : ''}. Look at both ` +
        'before you begin, and go on from there.',
    );
  }
  if (notes.length > 0) parts.push(`## Notes of earlier attempts\n\n${list(notes)}`);
  if (messages.length > 0)
    parts.push(`## Messages for you\n\n${list(messages.map(({ id, from, text }) => `(${id}, from ${from}) ${text}`))}`);
  return `${parts.join('\n\n')}\n`;
}
