import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Logins } from '../../../src/agents/index.js';
import type { AttemptResult } from '../../../src/contract/index.js';
import { AttemptLogin } from '../../../src/runner/agent/agent-login.js';
import { scratchFolder } from '../../support/scratch.js';

const minute = 60_000;
const accounts = 'accounts: { claude: [{ name: work }, { name: spare }, { name: keyed, env: { A: NOT_THERE } }] }';
const result = (outcome: AttemptResult['outcome'], more: Partial<AttemptResult> = {}): AttemptResult => ({
  attempt: '1-abcd',
  outcome,
  reason: 'the words',
  host: 'h1',
  ...more,
});

function host() {
  const home = scratchFolder('agent-login');
  writeFileSync(join(home, 'agents.yaml'), accounts);
  const clock = { now: Date.UTC(2026, 10, 29) };
  const now = (): number => clock.now;
  const login = (account: string | undefined, env?: string[]): AttemptLogin =>
    new AttemptLogin({ home, input: { agent: { adapter: 'claude', env } }, setup: { account }, env: {}, now });
  return { clock, login, logins: new Logins(home, now) };
}

describe('an attempt whose provider refuses', () => {
  test.each(['rate_limited', 'out_of_credit', 'auth_failed'] as const)(
    'hands over to the next account (%s), never to one whose secret its host lacks',
    (outcome) => {
      const { login, logins } = host();
      expect(login('work').ended(result(outcome, { retryAfterMs: 60 * minute }), false)).toMatchObject({
        outcome: 'rate_limited',
        reason: 'account work: the words; the next attempt uses account spare',
        retryAfterMs: 1_000,
      });
      expect(logins.all()).toMatchObject([{ agent: 'claude', account: 'work', cause: outcome, reason: 'the words' }]);
    },
  );

  test('waits for the account that is free first when all are spent', () => {
    const { clock, login } = host();
    login('spare').ended(result('rate_limited', { retryAfterMs: 10 * minute }), false);
    clock.now += minute;
    expect(login('work').ended(result('rate_limited', { retryAfterMs: 60 * minute }), false)).toMatchObject({
      outcome: 'rate_limited',
      reason: 'account work: the words',
      retryAfterMs: 9 * minute,
    });
    expect(login('work').ended(result('out_of_credit'), false)).toMatchObject({ outcome: 'rate_limited' });
  });

  test("by the user's own login ends as it is, and is known to the others of its host", () => {
    const { login, logins } = host();
    const refused = result('auth_failed');
    expect(login(undefined).ended(refused, false)).toEqual(refused);
    expect(logins.all()).toMatchObject([{ cause: 'auth_failed', agent: 'claude' }]);
    expect(logins.all()[0]).not.toHaveProperty('account');
  });

  test('with variables of its own says nothing of the login of others', () => {
    const { login, logins } = host();
    login(undefined, ['MY_KEY']).ended(result('auth_failed'), false);
    expect(logins.all()).toEqual([]);
  });
});

test('an attempt that gets on, by a tool or to its end, shows that its login is good again', () => {
  const { clock, login, logins } = host();
  for (const prove of [
    (of: AttemptLogin) => of.works(),
    (of: AttemptLogin) => void of.ended(result('unreported'), true),
  ]) {
    login(undefined).ended(result('auth_failed'), false);
    clock.now += minute;
    const next = login(undefined);
    next.begins();
    next.ended(result('agent_failed'), false);
    expect(logins.all()).toHaveLength(1);
    prove(next);
    expect(logins.all()).toEqual([]);
  }
});
