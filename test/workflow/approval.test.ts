import { afterAll, describe, expect, it } from 'vitest';
import { approversText, beadApprovalText } from '../../src/domain/index.js';
import { ApproverKeys } from '../support/approver-keys.js';
import { useWorld } from './support/use-world.js';

const world = useWorld();

/** A bead whose work is verified, and waits for a person. */
async function waiting() {
  const town = await world.town({ agent: { works: '2m' }, beatStep: '30s' });
  await town.rig('careful', { approval: true });
  const bead = await town.sling({ rig: 'careful' });
  await bead.until('waits for approval', ({ wait }) => wait?.for === 'approval', '2h');
  return { town, bead };
}

describe('from a form in the Web UI, where anything may be typed', () => {
  it.each([
    [null, 'an operator'],
    [undefined, 'an operator'],
    [{ by: 7 }, 'an operator'],
    [{ by: ' ' }, 'an operator'],
    [{ by: 'Ada' }, 'Ada'],
  ])('approve %j approves, and says by whom', async (given, by) => {
    const { bead } = await waiting();
    expect(await bead.update('approve', given)).toContain('in the merge queue');
    const closed = await bead.untilEnded('1h');
    expect([closed.status, closed.story.some(({ text }) => text === `approved by ${by}`)]).toEqual(['closed', true]);
  });

  it('request-changes without a feedback is refused with the way to say it, and one with it goes round again', async () => {
    const { bead } = await waiting();
    for (const given of [null, undefined, {}, { feedback: 5 }, { feedback: '  ' }, 'make it red']) {
      await expect(bead.update('requestChanges', given)).rejects.toMatchObject({
        cause: { message: expect.stringContaining('{"feedback": "…"}') as string },
      });
    }
    await bead.update('requestChanges', { feedback: 'make it red' });
    const again = await bead.until(
      'waits for approval again',
      ({ wait, attemptCount }) => wait?.for === 'approval' && attemptCount === 2,
      '2h',
    );
    expect(again.used.reworkRounds).toBe(1);
  });
});

describe('a rig with approvers', () => {
  const keys = new ApproverKeys();
  afterAll(() => keys.remove());
  const refusal = (words: RegExp): object => ({ cause: { message: expect.stringMatching(words) as string } });

  it('merges what one of them has signed, and nothing that others approve or put into its queue', async () => {
    const town = await world.town({ agent: { works: '2m' }, beatStep: '30s' });
    const approvers = [keys.public('ada')];
    const rig = await town.rig('signed', { approval: true, approvers });
    const bead = await town.sling({ rig: 'signed' });
    const view = await bead.until('waits for approval', ({ wait }) => wait?.for === 'approval', '2h');
    await expect(bead.update('approve', { by: 'an agent' })).rejects.toMatchObject(refusal(/by key only/));
    await expect(rig.update('configure', { approvers: null, approval: false })).rejects.toMatchObject(
      refusal(/changed by one of them/),
    );

    // Whoever reaches the server speaks to the rig as the bead does.
    await town.signalWorkflow('rig-signed', 'enqueueMerge', {
      item: bead.id,
      workflowId: bead.workflowId,
      branch: view.branch,
      sha: view.sha,
      target: 'main',
    });
    await town.settle();
    expect((await rig.state()).notMerged).toMatchObject([
      { outcome: 'error', reason: expect.stringMatching(/there is no signature/) as string },
    ]);

    // A key that is none of the rig's own: the bead asks again.
    const text = beadApprovalText(view, 'default');
    await bead.update('approve', { by: 'Mallory', signature: await keys.sign('mallory', text) });
    const again = await bead.until('is refused', ({ reason }) => reason.includes('its key is SHA256:'), '1h');
    expect([again.wait?.for, again.landing?.signed]).toEqual(['approval', undefined]);
    expect(town.refinery.merges).toEqual([]);

    await bead.update('approve', { by: 'Ada', signature: await keys.sign('ada', text) });
    const closed = await bead.untilEnded('1h');
    expect([closed.status, town.refinery.merges.length]).toEqual(['closed', 1]);

    const { version } = await rig.state();
    const wanted = [keys.public('grace')];
    const signature = await keys.sign('ada', approversText({ namespace: 'default', rig: 'signed' }, version, wanted));
    await rig.update('configure', { approvers: wanted, signature });
    expect((await rig.state()).settings).toMatchObject({ approvers: wanted, approval: true });
  });
});
