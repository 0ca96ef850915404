import type { Message } from '../../contract/index.js';

/**
 * How often an agent that ends without a report is answered in one attempt. Whoever has not understood it by then does
 * not understand it the third time; each answer costs what a turn costs.
 */
export const mostAnswers = 2;

/** @returns what the agent is told in its conversation. */
export function answerText(given: number, messages: readonly Message[]): string {
  const parts = [
    `You have ended, but your work is not reported, and nobody reads what you say here (answer ${given} of ` +
      `${mostAnswers}). Look at the state of the working directory, then do one of these:`,
    [
      '- All is done: commit it, and run `heartbead agent done "summary"`.',
      '- You wait for something that runs in the background: it was ended with you. Run it in the foreground, and ' +
        'wait for it; then go on.',
      '- You have a question: decide it yourself where you can, and say how with `heartbead agent note "…"`. Only ' +
        'when a person must decide: `heartbead agent escalate "the question"`, then end.',
      '- Else: go on with the task.',
    ].join('\n'),
  ];
  if (messages.length > 0)
    parts.push(
      `Messages for you:\n${messages
        .map(({ id, from, text }) => `- (${id}, from ${from}) ${text.replaceAll('\n', '\n  ')}`)
        .join('\n')}`,
    );
  return `${parts.join('\n\n')}\n`;
}
