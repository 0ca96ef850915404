import { afterAll, describe, expect, it, test } from 'vitest';
import type { BeadState, MergeRequest, RigChange, RigSettings, RigState } from '../../src/contract/index.js';
import {
  approveProblem,
  approversText,
  beadApprovalText,
  configureProblem,
  initialBead,
  initialRig,
  rigSettingsProblem,
  stepBead,
  unapproved,
} from '../../src/domain/index.js';
import { ApproverKeys } from '../support/approver-keys.js';

const keys = new ApproverKeys();
afterAll(() => keys.remove());

const place = { namespace: 'default', rig: 'web' };
const sha = (digit: string): string => digit.repeat(40);
const settings = (more: Partial<RigSettings> = {}): RigSettings => ({
  repo: '/r',
  base: 'main',
  agent: { adapter: 'demo' },
  maxAgents: 1,
  checks: [],
  strategy: 'merge',
  approval: true,
  approvers: [keys.public('ada'), keys.public('grace')],
  ...more,
});

/** A bead of such a rig, whose work waits for approval. */
function waiting(more: Partial<BeadState> = {}): BeadState {
  const input = { bead: 'b', title: 'B', repo: '/r', agent: { adapter: 'rig' }, rig: 'web', target: 'main' };
  return {
    ...initialBead(input, 0),
    sha: sha('a'),
    branch: 'heartbead/b/1',
    wait: { for: 'approval', since: 0, text: 'waits' },
    landing: { target: 'main', grant: 'none', approval: true, approvers: settings().approvers },
    ...more,
  };
}
const request = (signature: string | undefined, more: Partial<MergeRequest> = {}): MergeRequest => ({
  item: 'b',
  workflowId: 'bead-b',
  branch: 'heartbead/b/1',
  sha: sha('a'),
  target: 'main',
  priority: 3,
  since: 0,
  title: 'B',
  approval: signature === undefined ? undefined : { signature },
  ...more,
});
const problemOf = (given: MergeRequest, where = place): string | undefined => {
  const outcome = unapproved(settings().approvers ?? [], 'an approver of rig web', where, given);
  return outcome?.outcome === 'error' ? outcome.reason : undefined;
};

describe('a merge', () => {
  it('needs the signature of an approver, whichever', async () => {
    expect(problemOf(request(undefined))).toMatch(/not approved by an approver of rig web: there is no signature/);
    for (const name of ['ada', 'grace'])
      expect(problemOf(request(await keys.sign(name, beadApprovalText(waiting(), 'default'))))).toBeUndefined();
    const other = request(await keys.sign('mallory', beadApprovalText(waiting(), 'default')));
    expect(problemOf(other)).toMatch(/its key is SHA256:/);
    expect(unapproved([], 'nobody', place, request(undefined))).toBeUndefined();
  });

  it('takes one signature for one commit of one bead on one branch of one rig of one town', async () => {
    const signature = await keys.sign('ada', beadApprovalText(waiting(), 'default'));
    for (const other of [
      { sha: sha('b') },
      { item: 'c' },
      { target: 'release' },
      { approval: { signature, found: sha('c') } },
    ])
      expect(problemOf(request(signature, other)), JSON.stringify(other)).toMatch(/it signs something else/);
    expect(problemOf(request(signature), { ...place, rig: 'api' })).toMatch(/it signs something else/);
    expect(problemOf(request(signature), { ...place, namespace: 'other' })).toMatch(/it signs something else/);
  });
});

describe('a bead', () => {
  it('whose rig has approvers takes no approval without a signature, and says how to make one', async () => {
    expect(approveProblem(waiting(), undefined, 'default')).toMatch(
      /rig web takes approvals by key only: heartbead approve b --key FILE/,
    );
    expect(approveProblem(waiting(), 'no signature', 'default')).toMatch(/does not approve aaaaaaaaaaaa of b/);
    const signature = await keys.sign('ada', beadApprovalText(waiting(), 'default'));
    expect(approveProblem(waiting(), signature, 'default')).toBeUndefined();
    expect(approveProblem(waiting({ sha: sha('b') }), signature, 'default')).toMatch(/it signs something else/);
  });

  it('forgets the approval with the work that it was for, and asks again when its rig does not take it', async () => {
    const signature = await keys.sign('ada', beadApprovalText(waiting(), 'default'));
    const queued = stepBead(
      stepBead(waiting(), { type: 'approve', by: 'Ada', signature }, 1),
      { type: 'enqueued', sha: sha('a') },
      2,
    );
    expect([queued.wait?.for, queued.landing?.signed]).toEqual(['merge', { signature, found: undefined }]);
    const ended = (result: object): BeadState =>
      stepBead(queued, { type: 'mergeEnded', ended: { item: 'b', sha: sha('a'), result: result as never } }, 3);
    const conflict = ended({ outcome: 'conflict', paths: ['a'], target: 'main', targetSha: sha('d') });
    expect([conflict.landing?.signed, conflict.landing?.approvedSha]).toEqual([undefined, undefined]);
    const refused = ended({ outcome: 'error', reason: 'not approved', approvers: [keys.public('grace')] });
    expect(refused).toMatchObject({ wait: { for: 'approval' }, attention: 'approval', reason: 'not approved' });
    expect([refused.landing?.signed, refused.landing?.approvedSha]).toEqual([undefined, undefined]);
    expect(refused.landing?.approvers).toEqual([keys.public('grace')]);
  });
});

describe('the approvers of a rig', () => {
  const rig = (more: Partial<RigSettings> = {}): RigState => initialRig({ rig: 'web', settings: settings(more) }, 0);
  const problem = (change: RigChange & { signature?: string }, state = rig()): string | undefined =>
    configureProblem(state, change, 'default');
  const text = (approvers: string[] | undefined, version = rig().version): string =>
    approversText(place, version, approvers);

  it('are changed by one of them, once', async () => {
    const wanted = [keys.public('grace')];
    expect(problem({ approvers: wanted })).toMatch(/changed by one of them: give `heartbead rig set web` the key/);
    expect(problem({ approvers: null, approval: false })).toMatch(/changed by one of them/);
    expect(problem({ approvers: wanted, signature: await keys.sign('mallory', text(wanted)) })).toMatch(
      /is no approver of rig web/,
    );
    const signature = await keys.sign('ada', text(wanted));
    expect(problem({ approvers: wanted, signature })).toBeUndefined();
    expect(problem({ approvers: [keys.public('mallory')], signature })).toMatch(/does not hold for this change/);
    expect(problem({ approvers: wanted, signature }, { ...rig(), version: rig().version + 1 })).toMatch(
      /does not hold/,
    );
    expect(problem({ approvers: null, signature: await keys.sign('ada', text(undefined)) })).toBeUndefined();
  });

  it('stand in the way of nothing else, and the first ones are given by whoever adds them', () => {
    expect(problem({ maxAgents: 3 })).toBeUndefined();
    expect(problem({ approvers: settings().approvers })).toBeUndefined();
    expect(problem({ approvers: [keys.public('ada')] }, rig({ approvers: undefined }))).toBeUndefined();
  });

  test.each([
    [{ approval: false }, /take its keys away first/],
    [{ approvers: [] }, /a list of 1 to 20 public keys/],
    [{ approvers: ['ssh-rsa AAAA'] }, /ed25519 public key in one line/],
  ])('%j is refused', (more, words) => expect(rigSettingsProblem(settings(more))).toMatch(words));
});
