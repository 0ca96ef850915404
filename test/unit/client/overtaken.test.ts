import { expect, it } from 'vitest';
import { ServiceError } from '@temporalio/client';
import { noWorkerAnswered, asClientError, unlessOvertaken } from '../../../src/client/as-client-error.js';

/** As the SDK throws it; the words are those of server 1.32. */
const refused = (details: string): ServiceError => {
  const cause = Object.assign(new Error(`9 FAILED_PRECONDITION: ${details}`), { code: 9, details, metadata: {} });
  return new ServiceError('Workflow Update failed', { cause });
};
const overtaken = 'Unable to perform workflow execution update due to unexpected workflow task failure.';
const nobody = 'no poller seen for task queue recently, worker may be down';

function failing(times: number, details: string): { asked: () => number; ask: () => Promise<string> } {
  let asked = 0;
  return {
    asked: () => asked,
    ask: async () => {
      asked += 1;
      if (asked <= times) throw refused(details);
      return 'approved';
    },
  };
}

it('an update that a signal overtook is asked again', async () => {
  const update = failing(2, overtaken);
  expect(await unlessOvertaken(update.ask)).toBe('approved');
  expect(update.asked()).toBe(3);
});

it('one that is overtaken each time ends with the refusal of the server', async () => {
  const update = failing(Infinity, overtaken);
  const error: unknown = await unlessOvertaken(update.ask).catch((thrown: unknown) => thrown);
  expect(noWorkerAnswered(error)).toBe(false);
  expect(asClientError(error)).toMatchObject({ message: expect.stringContaining('workflow task failure') as string });
});

it('one that no worker answered is not asked again', async () => {
  const update = failing(Infinity, nobody);
  const error: unknown = await unlessOvertaken(update.ask).catch((thrown: unknown) => thrown);
  expect(noWorkerAnswered(error)).toBe(true);
  expect(update.asked()).toBe(1);
});
