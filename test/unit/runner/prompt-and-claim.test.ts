import { describe, expect, test } from 'vitest';
import type { BeadView, StartAgentInput } from '../../../src/contract/index.js';
import { claimProblem } from '../../../src/runner/lease/fence.js';
import { MessageBox } from '../../../src/runner/agent/message-box.js';
import { buildPrompt } from '../../../src/runner/agent/prompt.js';
import { detailsOf, phaseOf, stateOf } from '../../../src/runner/runner-view.js';

const input = {
  bead: 'fix-it',
  attempt: '2-abcd',
  number: 2,
  title: 'Fix it',
  body: 'In src.',
  notes: [],
  messages: [],
} as unknown as StartAgentInput;

describe('the prompt', () => {
  test('begins with the task and tells how to report; nothing is said of what is not there', () => {
    const prompt = buildPrompt(input);
    expect(prompt).toMatch(/^# Fix it\n\nIn src\.\n\n## How to work here\n/);
    expect(prompt).toContain('heartbead/fix-it/2-abcd');
    expect(prompt).not.toMatch(/Earlier work|Notes of|Messages for you/);
    expect(buildPrompt({ ...input, body: '  ' })).toMatch(/^# Fix it\n\n## How/);
  });
  test('tells of earlier work, notes and messages', () => {
    const prompt = buildPrompt({
      ...input,
      checkpoint: { sha: 'a'.repeat(40), ref: 'refs/x', wip: true },
      notes: ['two\nlines'],
      messages: [{ id: 'm1', from: 'heartbead', text: 'go on', at: 1 }],
    });
    expect(prompt).toContain('what it had not committed is in the working tree');
    expect(prompt).toContain('- two\n  lines');
    expect(prompt).toContain('- (m1, from heartbead) go on');
  });
});

describe('who may spawn, by the bead’s own word', () => {
  const view = (current: object | undefined, more: object = {}): BeadView =>
    ({ status: 'in_progress', paused: false, current: current, ...more }) as unknown as BeadView;
  const me = { attempt: '1-mine', host: 'here' };
  test('the host that the bead names, for the attempt that is current', () => {
    expect(claimProblem(view({ id: '1-mine', host: 'here' }), me)).toBeUndefined();
  });
  test.each([
    ['another attempt is current', view({ id: '2-other', host: 'here' })],
    ['none is', view(undefined)],
    ['another host has it', view({ id: '1-mine', host: 'there' })],
    ['no host has it', view({ id: '1-mine' })],
    ['it is being stopped', view({ id: '1-mine', host: 'here', stopping: { outcome: 'stopped', reason: 'x', at: 1 } })],
    ['the bead has ended', view({ id: '1-mine', host: 'here' }, { status: 'cancelled' })],
  ])('not when %s', (_what, bead) => {
    expect(claimProblem(bead, me)).toMatchObject({ fenced: false, because: 'bead' });
  });
  test('later, while it is paused', () => {
    expect(claimProblem(view({ id: '1-mine', host: 'here' }, { paused: true }), me)).toBe('wait');
    expect(claimProblem(view({ id: '1-mine', host: 'here', pausedByActivity: true }), me)).toBe('wait');
  });
});

describe('what a runner says of itself', () => {
  const facts = { spawned: true, ending: false, frozenBy: [] };
  test('its phase: the end before the lease, the lease before a pause', () => {
    expect(phaseOf({ ...facts, spawned: false })).toBe('spawning');
    expect(phaseOf(facts)).toBe('running');
    expect(phaseOf({ ...facts, frozenBy: ['operator'] })).toBe('paused');
    expect(phaseOf({ ...facts, frozenBy: ['activity', 'lease'] })).toBe('frozen');
    expect(phaseOf({ ...facts, frozenBy: ['lease'], ending: true })).toBe('stopping');
  });
  test('its state on disk: before the fence no agent, with a result the end', () => {
    expect(stateOf({ ...facts, spawned: false, recorded: false })).toBe('fencing');
    expect(stateOf({ ...facts, recorded: false })).toBe('running');
    expect(stateOf({ ...facts, ending: true, recorded: true })).toBe('ended');
  });
  test('its beats', () => {
    const watch = { lastProgressAt: 9_000, activity: 'edits' };
    const keeper = { checkpoint: { sha: 'a', ref: 'refs/x', wip: true }, pushProblem: undefined };
    expect(
      detailsOf(
        {
          ...facts,
          host: 'h',
          attempt: '1-abcd',
          cell: 'none',
          agentPid: 7,
          spawnedAt: 0,
          orphan: false,
          watch,
          keeper,
        },
        10_000,
      ),
    ).toEqual({
      host: 'h',
      attempt: '1-abcd',
      phase: 'running',
      pid: 7,
      checkpoint: keeper.checkpoint,
      cell: 'none',
      text: 'running for 10 s, last output 1 s ago (edits)',
    });
  });
});

describe('the message box', () => {
  const message = (id: string) => ({ id, text: id, from: 'operator' as const, at: 1 });
  test('keeps order, knows what it had, and does not overflow', () => {
    const box = new MessageBox([message('a'), message('b'), message('a')]);
    expect(box.acknowledge(['b', 'x', 'b'])).toEqual(['b']);
    expect(box.deliver(message('b'))).toBeUndefined();
    expect(box.unacknowledged().map(({ id }) => id)).toEqual(['a']);
    expect(box.acknowledged()).toEqual(['b']);
    for (let at = 0; at < 49; at++) expect(box.deliver(message(`m${at}`))).toBeUndefined();
    expect(box.deliver(message('one-more'))).toMatch(/50 messages/);
  });

  test('shows each message once, but not what the prompt has or what is acknowledged; what is shown is not acknowledged', () => {
    const box = new MessageBox([message('in-the-prompt')]);
    expect(box.show()).toEqual([]);
    for (const id of ['a', 'b', 'c']) box.deliver(message(id));
    box.acknowledge(['b']);
    expect(box.show().map(({ id }) => id)).toEqual(['a', 'c']);
    expect(box.show()).toEqual([]);
    expect(box.unacknowledged().map(({ id }) => id)).toEqual(['in-the-prompt', 'a', 'c']);
  });
});
