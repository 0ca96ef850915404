import { describe, expect, it } from 'vitest';
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
