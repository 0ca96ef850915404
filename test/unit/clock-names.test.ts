import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { readInput } from '../../src/activities/input.js';
import { clockOptions } from '../../src/cli/args.js';
import { BeadClient } from '../../src/client/beads.js';
import { formerClocks, readClocks } from '../../src/contract/index.js';
import type { BeadInput, BeadState, Clocks, CurrentAttempt, RigSettings, RigState } from '../../src/contract/index.js';
import {
  beadInputProblem,
  carriedBead,
  carriedRig,
  changeSettings,
  defaultClocks,
  grantedBy,
  initialBead,
  initialRig,
  nextBeadInput,
  nextRigInput,
  rigInputProblem,
  rigSettingsProblem,
  startInput,
  stepBead,
} from '../../src/domain/index.js';
import { AttemptDir } from '../../src/runner/attempt/attempt-dir.js';
import { scratchFolder } from '../support/scratch.js';
import { settings } from './support/rig-story.js';

/** As a build of before the names changed would say it. */
const given = { lostAfter: 2_400_000, orphanGrace: 700_000, suspectGrace: 800_000 } as Partial<Clocks>;
const read = { stopSilentAfter: 2_400_000, leaseFor: 700_000, giveUpAfter: 800_000 };
const formerNames = Object.keys(given);
const oldBuildKnows = [
  ...Object.keys(defaultClocks).filter((name) => !Object.keys(read).includes(name)),
  ...formerNames,
];

const input: BeadInput = { bead: 'b', title: 'A bead', repo: '/r', agent: { adapter: 'demo' }, clocks: given };
const attempt = { id: '1-aaaaaaaa', number: 1 } as CurrentAttempt;
/** Through JSON, as it comes to another process. */
const sent = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T;
const byFormerNames = (state: BeadState): BeadState =>
  ({ ...state, clocks: formerClocks(state.clocks), ownClocks: given }) as BeadState;

it('former names of clocks are read, a new name beside one counts, and what nobody knows stays', () => {
  expect(readClocks(given)).toEqual(read);
  expect(readClocks({ ...given, leaseFor: 5 })).toEqual({ ...read, leaseFor: 5 });
  expect(readClocks({ whatever: 5 } as never)).toEqual({ whatever: 5 });
  expect(Object.keys(formerClocks({ beatEvery: 5 }))).toEqual(['beatEvery']);
});

it('the input of a bead may have them', () => {
  expect(beadInputProblem(input, (text) => text.length)).toBeUndefined();
  const state = initialBead(input, 0);
  expect(state.clocks).toEqual({ ...defaultClocks, ...read });
  expect(state.ownClocks).toEqual(read);
});

it('the state that a bead carries may have them, and what it hands on is read by builds of before and after', () => {
  const state = initialBead(input, 0);
  expect(carriedBead(sent(byFormerNames(state)))).toEqual(sent(state));
  const next = sent(nextBeadInput(input, state));
  expect(next.carried && carriedBead(next.carried)).toEqual(sent(state));
  expect(next.carried?.clocks).toMatchObject({ ...given, ...read });
  // An earlier build refuses names there that it does not know.
  expect(next.clocks).toBeUndefined();
});

it('a grant and a place are handed on by the name that earlier builds know, and read by either', () => {
  const asked = stepBead(initialBead({ ...input, rig: 'r' }, 0), { type: 'askedGrant' }, 0);
  const waits = { ...asked, wait: { for: 'place', since: 0, text: 'waits' } } satisfies BeadState;
  const { carried } = sent(nextBeadInput(input, waits));
  expect(carried).toMatchObject({ landing: { slot: 'asked' }, wait: { for: 'slot' } });
  expect(carried?.landing).not.toHaveProperty('grant');
  expect(carried && sent(carriedBead(carried))).toEqual(sent(waits));
  expect(sent(carriedBead(sent(waits)))).toEqual(sent(waits));
});

it('the settings of a rig may have them: its input, what it carries, a change of them, and what it grants', () => {
  const rig = { rig: 'r', settings: settings({ clocks: given }) };
  expect(rigInputProblem(rig)).toBeUndefined();
  const state = initialRig(rig, 0);
  expect(state.settings.clocks).toEqual(read);
  const left = { ...state, settings: rig.settings } as RigState;
  expect(carriedRig(sent(left))).toEqual(sent(state));
  const changed = changeSettings(settings(), { clocks: given });
  expect([rigSettingsProblem(changed), changed.clocks]).toEqual([undefined, read]);
  const slung = initialBead({ ...input, clocks: { lostAfter: 3_000_000 } as Partial<Clocks>, rig: 'r' }, 0);
  const bead = stepBead(slung, { type: 'askedGrant' }, 0);
  const grant = (clocks: RigSettings['clocks']): BeadState =>
    stepBead(bead, { type: 'granted', grant: { bead: 'b', version: 1, settings: settings({ clocks }) } }, 1);
  // What the bead's own sling said counts more, by whichever name.
  const mixed = { ...defaultClocks, ...read, stopSilentAfter: 3_000_000 };
  expect([grant(given).clocks, grant(read).clocks]).toEqual([mixed, mixed]);
});

it('a rig hands its settings on, and to beads, by names that an earlier build knows, since that refuses all others', () => {
  const state = initialRig({ rig: 'r', settings: settings({ clocks: { ...read, beatEvery: 9_000 } }) }, 0);
  const next = sent(nextRigInput({ rig: 'r', settings: state.settings }, state));
  for (const { clocks = {} } of [next.settings, next.carried?.settings ?? settings()])
    expect(Object.keys(clocks).filter((name) => !oldBuildKnows.includes(name))).toEqual([]);
  expect(next.settings.clocks).toEqual({ ...given, beatEvery: 9_000 });
  expect(grantedBy(state, { bead: 'b', probe: false }).settings).toEqual(next.settings);
  expect(next.carried && carriedRig(next.carried)).toEqual(sent(state));
});

it('a host takes the input of an attempt by either, and gets it by both', () => {
  const start = sent(startInput(initialBead(input, 0), attempt, 'start', ''));
  expect(start.clocks).toMatchObject({ ...given, ...read });
  const clocks = { ...defaultClocks, ...read };
  expect(readInput('startAgent', start).clocks).toEqual(clocks);
  expect(readInput('startAgent', { ...start, clocks: formerClocks(clocks) }).clocks).toEqual(clocks);
  const { leaseFor: _, ...without } = clocks;
  expect(() => readInput('startAgent', { ...start, clocks: without })).toThrow(/leaseFor/);
});

it('the files of an attempt whose runner is of an earlier build are read', async () => {
  const dir = AttemptDir.of(scratchFolder('clock-names'), 'b', '1-aaaaaaaa');
  await dir.create();
  const start = startInput(initialBead(input, 0), attempt, 'start', '');
  const clocks = formerClocks(readClocks(start.clocks));
  await writeFile(join(dir.path, 'input.json'), JSON.stringify({ ...start, clocks }));
  expect((await dir.readInput())?.clocks).toEqual({ ...defaultClocks, ...read });
});

it('what a worker of an earlier build says of a bead is read', async () => {
  const state = initialBead(input, 0);
  const client = {
    withDeadline: (_: Date, ask: () => Promise<unknown>) => ask(),
    workflow: { getHandle: () => ({ query: () => Promise.resolve(sent(byFormerNames(state))) }) },
  };
  const view = await new BeadClient({ client } as never).view('b');
  expect(view.clocks).toEqual({ ...defaultClocks, ...read });
});

it('the command line takes them, and tells of the new ones only', () => {
  expect(clockOptions.parse(['lostAfter=40m', 'giveUpAfter=20m'])).toEqual({
    stopSilentAfter: 2_400_000,
    giveUpAfter: 1_200_000,
  });
  const told = JSON.stringify(clockOptions.safeParse(['nothing=1m']).error?.issues);
  expect(told).toContain('leaseFor');
  for (const name of formerNames) expect(told).not.toContain(name);
});
