import { describe, expect, test } from 'vitest';
import { hookAnswer } from '../../../src/cli/hook-answer.js';
import type { Message } from '../../../src/contract/index.js';

const news: Message[] = [
  { id: 'm1', text: 'use port 8080\nnot 9090', from: 'operator', at: 0 },
  { id: 'm2', text: 'hurry', from: 'operator', at: 1 },
];
const answer = (event: object, messages = news): Promise<object | undefined> =>
  hookAnswer(JSON.stringify(event), () => Promise.resolve(messages));

describe('an event of an agent program', () => {
  test('after a tool: the messages, with their ids and how to acknowledge them, beside its result', async () => {
    const found = await answer({ hook_event_name: 'PostToolUse', tool_name: 'Bash', tool_response: 'x' });
    expect(found).toEqual({
      hookSpecificOutput: {
        hookEventName: 'PostToolUse',
        additionalContext: expect.stringMatching(
          /\(m1, from operator\) use port 8080\n {2}not 9090\n- \(m2, from operator\) hurry\n[^]*messages --ack m1 m2/,
        ) as string,
      },
    });
  });
  test('at the end: a reason to go on', async () => {
    expect(await answer({ hook_event_name: 'Stop', stop_hook_active: false })).toEqual({
      decision: 'block',
      reason: expect.stringContaining('hurry') as string,
    });
  });
  test('without news, or another event: nothing', async () => {
    expect(await answer({ hook_event_name: 'Stop' }, [])).toBeUndefined();
    expect(await answer({ hook_event_name: 'SessionEnd' })).toBeUndefined();
    expect(await answer({})).toBeUndefined();
    expect(await hookAnswer('null', () => Promise.resolve(news))).toBeUndefined();
  });
});
