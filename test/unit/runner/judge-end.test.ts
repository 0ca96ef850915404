import { describe, expect, test } from 'vitest';
import type { AgentExit } from '../../../src/agents/types.js';
import { judgeEnd, questionIn } from '../../../src/runner/end/judge-end.js';
import type { EndFacts } from '../../../src/runner/end/judge-end.js';
import type { AgentReport } from '../../../src/runner/types.js';

const sha = 'a'.repeat(40);
const done: AgentReport = { kind: 'done', branch: 'heartbead/b/1-abcd', sha, summary: 'all of it', at: 1 };
const exit = (more: Partial<AgentExit>): AgentExit => ({ lastLines: [], ...more });
const judge = (more: Partial<EndFacts>) => judgeEnd({ attempt: '1-abcd', host: 'h', ...more });

describe('the outcome of an attempt', () => {
  test.each<[string, Partial<EndFacts>, string]>([
    ['status 0 and no report', { exit: exit({ code: 0 }) }, 'unreported'],
    ['status 0 and done', { exit: exit({ code: 0 }), report: done }, 'done'],
    ['status 7 and done: the work is pushed all the same', { exit: exit({ code: 7 }), report: done }, 'done'],
    ['done, and no commit', { exit: exit({ code: 0 }), report: { kind: 'no_changes', sha, at: 1 } }, 'no_changes'],
    [
      'done by its exit, and no commit, for its provider refused it',
      {
        exit: exit({ code: 0 }),
        report: { kind: 'no_changes', sha, at: 1 },
        verdict: { outcome: 'auth_failed', reason: '401' },
      },
      'auth_failed',
    ],
    [
      'done, although the provider refused it last',
      { exit: exit({ code: 0 }), report: done, verdict: { outcome: 'auth_failed', reason: '401' } },
      'done',
    ],
    [
      'asked for a person',
      { exit: exit({ code: 0 }), report: { kind: 'escalated', text: 'help', at: 1 } },
      'escalated',
    ],
    ['status 7', { exit: exit({ code: 7 }) }, 'agent_failed'],
    ['a crash of its own', { exit: exit({ signal: 'SIGSEGV' }) }, 'agent_failed'],
    ['killed by the host', { exit: exit({ signal: 'SIGKILL' }) }, 'lost'],
    ['terminated by the host', { exit: exit({ signal: 'SIGTERM' }) }, 'lost'],
    ['its child was killed by the host, and its shell says so', { exit: exit({ code: 137 }) }, 'lost'],
    ['no program', { exit: exit({ spawnError: 'ENOENT' }) }, 'not_installed'],
    ['a program that may not be run', { exit: exit({ spawnError: 'EACCES' }) }, 'setup_failed'],
    ['a command that the kernel does not take', { exit: exit({ spawnError: 'E2BIG' }) }, 'setup_failed'],
    [
      'the adapter knows better',
      { exit: exit({ code: 1 }), verdict: { outcome: 'rate_limited', reason: '429', retryAfterMs: 5 } },
      'rate_limited',
    ],
    ['stalled', { exit: exit({ signal: 'SIGTERM' }), stop: { outcome: 'stalled', reason: 'no progress' } }, 'stalled'],
    [
      'stopped for stalling after it had reported done',
      { exit: exit({ signal: 'SIGTERM' }), stop: { outcome: 'stalled', reason: 'no progress' }, report: done },
      'done',
    ],
    [
      'cancelled after it had reported done',
      { exit: exit({ signal: 'SIGTERM' }), stop: { outcome: 'stopped', reason: 'cancelled' }, report: done },
      'stopped',
    ],
    ['nobody saw its end', { stop: { outcome: 'lost', reason: 'its runner died' } }, 'lost'],
    [
      'nobody saw its end, but it had reported',
      { stop: { outcome: 'lost', reason: 'its runner died' }, report: done },
      'done',
    ],
  ])('%s', (_what, facts, outcome) => {
    const result = judge(facts);
    expect(result.outcome).toBe(outcome);
    expect(result.reason).not.toBe('');
  });

  test.each([
    ['Shall I go on?', 'Shall I go on?'],
    ['I have done it.\n\nShall I **also** push?**', 'Shall I **also** push?'],
    ['Tabs or spaces？', 'Tabs or spaces？'],
    ['Why? Because. Done.', undefined],
    ['', undefined],
    [undefined, undefined],
  ])('the question of %j is %j', (said, question) => expect(questionIn(said)).toBe(question));

  test('an end with a question is no failure; one without a report, after answers, says so', () => {
    expect(judge({ exit: exit({ code: 0 }), said: 'Tabs, or spaces?', answers: 2 })).toMatchObject({
      outcome: 'escalated',
      reason: 'the agent asks for a person: Tabs, or spaces?',
    });
    expect(judge({ exit: exit({ code: 3 }), said: 'Tabs, or spaces?' }).outcome).toBe('agent_failed');
    expect(judge({ exit: exit({ code: 0 }), said: 'Ready.', answers: 2 }).reason).toMatch(/asked for one 2 times/);
  });

  test('a stopped attempt still names the branch that it had pushed', () => {
    expect(judge({ stop: { outcome: 'stopped', reason: 'cancelled' }, report: done })).toMatchObject({
      branch: done.branch,
      sha,
    });
  });

  test('the reason of a failure has its last lines, and is not longer than history may hold', () => {
    const { reason, exitCode } = judge({
      exit: exit({ code: 3, lastLines: ['one', 'two', 'three', 'x'.repeat(9_000)] }),
    });
    expect(reason).toMatch(/status 3; last output: two \| three \| x/);
    expect(reason.length).toBeLessThanOrEqual(2_000);
    expect(exitCode).toBe(3);
  });
});
