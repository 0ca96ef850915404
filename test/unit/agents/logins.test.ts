import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { accountEnvironment, accountsOf, Logins } from '../../../src/agents/index.js';
import { scratchFolder } from '../../support/scratch.js';

const minute = 60_000;
const day = Date.UTC(2026, 10, 29);

/** The logins of a host whose clock the test sets. */
function host() {
  const clock = { now: day };
  const home = scratchFolder('logins');
  return { clock, home, logins: new Logins(home, () => clock.now) };
}
const both = { agent: 'claude', accounts: ['work', 'spare'] };
const own = { agent: 'claude', accounts: [] };
const limit = { cause: 'rate_limited', reason: '5-hour limit reached' } as const;
const login = { cause: 'auth_failed', reason: '401' } as const;

describe('accounts in rotation', () => {
  test('the first that is not spent is used, and the first again from the instant at which its limit ends', () => {
    const { clock, logins } = host();
    expect(logins.choose(both)).toEqual({ account: 'work' });
    logins.refuse({ agent: 'claude', account: 'work', ...limit }, { retryAfterMs: 60 * minute, began: day });
    expect(logins.choose(both)).toEqual({ account: 'spare' });
    clock.now += 60 * minute - 1;
    expect(logins.choose(both)).toEqual({ account: 'spare' });
    clock.now += 1;
    expect(logins.choose(both)).toEqual({ account: 'work' });
  });

  test('with all of them spent nothing is started before the soonest instant; a rig does not change that', () => {
    const { clock, logins } = host();
    logins.refuse({ agent: 'claude', account: 'work', ...limit }, { retryAfterMs: 60 * minute, began: day });
    logins.refuse({ agent: 'claude', account: 'spare', ...limit }, { retryAfterMs: 20 * minute, began: day });
    clock.now += 5 * minute;
    for (const rig of [undefined, 'r'])
      expect(logins.choose({ ...both, rig })).toEqual({
        declined: expect.stringMatching(/account work of claude is spent.*account spare of claude is spent/) as string,
        retryAfterMs: 15 * minute,
      });
    // Another agent's accounts are its own.
    expect(logins.choose({ ...both, agent: 'codex' })).toEqual({ account: 'work' });
  });

  test('one without credit is left for the others, and tried again when they are spent', () => {
    const { clock, logins } = host();
    logins.refuse({ agent: 'claude', account: 'work', cause: 'out_of_credit', reason: 'no credit' }, { began: day });
    clock.now += 40 * minute;
    expect(logins.choose(both)).toEqual({ account: 'spare' });
    logins.refuse({ agent: 'claude', account: 'spare', ...limit }, { retryAfterMs: 60 * minute, began: clock.now });
    expect(logins.choose(both)).toEqual({ account: 'work' });
    expect(logins.choose(both)).toMatchObject({ retryAfterMs: 5 * minute });
  });
});

describe("the user's own login", () => {
  test('once refused is tried by one bead at a time, further and further apart; a rig finds out by itself', () => {
    const { clock, logins } = host();
    logins.refuse({ agent: 'claude', ...login }, { began: day });
    expect(logins.choose(own)).toMatchObject({ declined: expect.stringContaining('401') as string });
    expect(logins.choose({ ...own, rig: 'r' })).toEqual({ account: undefined });
    expect(logins.choose({ ...own, agent: 'codex' })).toEqual({ account: undefined });
    for (const apart of [1, 5, 30, 30]) {
      clock.now += apart * minute - 1;
      expect(logins.choose(own)).toHaveProperty('declined');
      clock.now += 1;
      expect(logins.choose(own)).toEqual({ account: undefined });
      expect(logins.choose(own)).toHaveProperty('declined');
      logins.refuse({ agent: 'claude', ...login }, { began: clock.now });
    }
  });

  test('is tried by one of those that an operator retries, and by all once its provider has served that one', () => {
    const { clock, logins } = host();
    logins.refuse({ agent: 'claude', ...login }, { began: day });
    clock.now += 10_000;
    const retried = { ...own, retriedAt: clock.now };
    clock.now += 10;
    const began = clock.now;
    expect(logins.choose(retried)).toEqual({ account: undefined });
    expect(logins.choose(retried)).toHaveProperty('declined');
    // One that began before it was refused proves nothing.
    logins.served({ agent: 'claude', account: undefined }, day - 1);
    expect(logins.choose(retried)).toHaveProperty('declined');
    logins.served({ agent: 'claude', account: undefined }, began);
    expect([logins.choose(own), logins.choose(own)]).toEqual([{ account: undefined }, { account: undefined }]);
  });

  test('is not held back by a limit, which may be one of the model; many that were refused together count as one', () => {
    const { clock, logins } = host();
    logins.refuse({ agent: 'claude', ...limit }, { retryAfterMs: 60 * minute, began: day });
    expect(logins.choose(own)).toEqual({ account: undefined });
    for (let n = 0; n < 30; n++) logins.refuse({ agent: 'claude', ...login }, { began: day - n - 1 });
    expect(logins.all()).toMatchObject([{ cause: 'auth_failed', tries: 0, until: clock.now + minute }]);
  });

  test('whose file is damaged holds nobody back', () => {
    const { home, logins } = host();
    mkdirSync(join(home, 'logins'), { recursive: true });
    writeFileSync(join(home, 'logins', 'claude..json'), '{"agent":');
    expect(logins.choose(own)).toEqual({ account: undefined });
    logins.refuse({ agent: 'claude', ...login }, { began: day });
    expect(readdirSync(join(home, 'logins'))).toEqual(['claude..json']);
    expect(JSON.parse(readFileSync(join(home, 'logins', 'claude..json'), 'utf8'))).toMatchObject(login);
  });
});

describe('the accounts of a settings file', () => {
  const settings = (text: string): string => {
    const home = scratchFolder('accounts');
    writeFileSync(join(home, 'agents.yaml'), text);
    return home;
  };

  test('are told by names of variables; what one of them has, the others do not see', () => {
    const home = settings(`
accounts:
  claude:
    - name: team
      set: { CLAUDE_CONFIG_DIR: ~/.claude-team }
    - name: key
      env: { ANTHROPIC_API_KEY: KEY_OF_THE_TEAM }
    - name: usual
`);
    const accounts = accountsOf('claude', home);
    const env = { HOME: '/home/u', PATH: '/bin', ANTHROPIC_API_KEY: 'of-the-shell', KEY_OF_THE_TEAM: 'secret' };
    const rest = { HOME: '/home/u', PATH: '/bin', KEY_OF_THE_TEAM: 'secret' };
    expect(accountEnvironment(env, accounts, 'team')).toEqual({ ...rest, CLAUDE_CONFIG_DIR: '/home/u/.claude-team' });
    expect(accountEnvironment(env, accounts, 'key')).toEqual({ ...rest, ANTHROPIC_API_KEY: 'secret' });
    expect(accountEnvironment(env, accounts, 'usual')).toEqual(rest);
    expect(accountEnvironment(env, accounts, undefined)).toEqual(env);
    expect(accountsOf('codex', home)).toEqual([]);
  });

  test.each([
    ['nobody: [{ name: a }]', /accounts.nobody: there is no agent nobody/],
    ['claude: [{ name: a }, { name: a }]', /two accounts are named a/],
    ['claude: []', /accounts.claude/],
    ['claude: [{ name: a, set: { TEMPORAL_ADDRESS: x } }]', /never sees TEMPORAL_ADDRESS/],
    ['claude: [{ name: a, env: { ANTHROPIC_API_KEY: sk-ant-secret } }]', /not the name of a variable/],
    ['claude: [{ name: ../a }]', /begins with a small letter/],
  ])('%s is refused with the place', (text, words) => {
    expect(() => accountsOf('claude', settings(`accounts: { ${text} }`))).toThrow(words);
  });
});
