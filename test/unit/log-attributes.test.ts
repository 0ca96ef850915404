import { expect, test } from 'vitest';
import { beadInLogs } from '../../src/worker/watched/log-attributes.js';

/** @returns what a line of an activity that was given this says besides what the SDK adds. */
async function attributesOf(given: unknown): Promise<unknown> {
  const { inbound, outbound } = beadInLogs({} as never);
  const line = (): unknown => outbound?.getLogAttributes?.({ activityType: 'x' }, (input) => input);
  expect(line()).toEqual({ activityType: 'x' });
  await inbound?.execute?.({ args: [given], headers: {} }, () => Promise.resolve(undefined));
  return line();
}

test('a line of an activity names the bead and the attempt that it was asked about, a merge its item', async () => {
  const activityType = 'x';
  expect(await attributesOf({ bead: 'b-1', attempt: '1-abc', title: 'T' })).toEqual({
    activityType,
    bead: 'b-1',
    attempt: '1-abc',
  });
  expect(await attributesOf({ rig: 'app', request: { item: 'b-2' } })).toEqual({ activityType, bead: 'b-2' });
  for (const odd of [undefined, {}, { bead: 7, attempt: '' }])
    expect(await attributesOf(odd)).toEqual({ activityType });
});
