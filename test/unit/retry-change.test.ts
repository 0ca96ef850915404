import { describe, expect, test } from 'vitest';
import type { BeadInput, BeadState } from '../../src/contract/index.js';
import { changeProblem, initialBead, grantRequest, stepBead } from '../../src/domain/index.js';
import type { BeadEvent } from '../../src/domain/index.js';

const input: BeadInput = { bead: 'b', title: 'A bead', repo: '/r', agent: { adapter: 'claude' }, base: 'mian' };
const blocked = (more: Partial<BeadInput> = {}): BeadState => ({
  ...initialBead({ ...input, ...more }, 1),
  status: 'blocked',
  wait: { for: 'person', since: 1, text: 'no such branch', fix: 'mend it' },
});
const retry = (state: BeadState, change: object): BeadState =>
  stepBead(state, { type: 'retry', now: false, ...change } as BeadEvent, 2);

describe('a retry', () => {
  test('changes the agent and the base of the attempts that follow, and nothing when it says nothing', () => {
    const changed = retry(blocked(), { agent: { adapter: 'shell', command: 'true' }, base: 'main' });
    expect(changed).toMatchObject({ agentSpec: { adapter: 'shell', command: 'true' }, base: 'main', status: 'open' });
    expect(changed.story.map(({ text }) => text)).toEqual(
      expect.arrayContaining(['its agent is shell from now on', 'its base is main from now on']),
    );
    expect(retry(blocked(), {})).toMatchObject({ agentSpec: { adapter: 'claude' }, base: 'mian' });
  });

  test('gives a bead of a rig an agent of its own, or the one of its rig again', () => {
    const settings = { repo: '/r2', agent: { adapter: 'demo' }, maxAgents: 1, checks: [] };
    const grant = { bead: 'b', version: 1, settings: { ...settings, strategy: 'merge', approval: false } } as const;
    const granted = (state: BeadState): BeadState =>
      [{ type: 'askedGrant' } as const, { type: 'granted', grant } as unknown as BeadEvent].reduce(
        (s, event) => stepBead(s, event, 3),
        state,
      );
    const ofRig = granted({ ...blocked({ rig: 'r', agent: { adapter: 'rig' } }), wait: undefined, status: 'open' });
    expect([ofRig.agentSpec.adapter, grantRequest(ofRig, 'w').agent]).toEqual(['demo', 'rig']);
    const wait = blocked().wait;
    const waits: BeadState = {
      ...ofRig,
      status: 'blocked',
      wait,
      landing: { ...ofRig.landing, grant: 'none' } as never,
    };
    const own = granted(retry(waits, { agent: { adapter: 'codex' } }));
    expect([own.agentSpec.adapter, grantRequest(own, 'w').agent]).toEqual(['codex', expect.stringMatching(/^codex#/)]);
    const again = granted(
      retry({ ...own, status: 'blocked', wait, landing: waits.landing }, { agent: { adapter: 'rig' } }),
    );
    expect([again.agentSpec.adapter, grantRequest(again, 'w').agent]).toEqual(['demo', 'rig']);
  });

  test.each<[string, BeadState, { agent?: unknown; base?: unknown }, RegExp]>([
    ['a base that is an option', blocked(), { base: '--upload-pack=x' }, /dash/],
    ['a base that is no text', blocked(), { base: 7 }, /branch/],
    ['the base of a rig', blocked({ rig: 'r' }), { base: 'main' }, /rig set r --base/],
    ['an agent without a name', blocked(), { agent: {} }, /adapter/],
    ['an agent that is no object', blocked(), { agent: 'claude' }, /adapter/],
    ['a command with NUL', blocked(), { agent: { adapter: 'shell', command: 'a\0b' } }, /NUL/],
    ['the agent of a rig that it does not have', blocked(), { agent: { adapter: 'rig' } }, /has no rig/],
  ])('refuses %s', (_name, state, change, problem) => {
    expect(changeProblem(state, change)).toMatch(problem);
  });

  test('takes what makes sense', () => {
    expect(changeProblem(blocked(), { agent: { adapter: 'codex' }, base: 'release/2' })).toBeUndefined();
    expect(changeProblem(blocked({ rig: 'r' }), { agent: { adapter: 'rig' } })).toBeUndefined();
    expect(changeProblem(blocked(), {})).toBeUndefined();
  });
});
