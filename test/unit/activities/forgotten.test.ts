import { WorkflowNotFoundError } from '@temporalio/client';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { ActivityDeps } from '../../../src/activities/deps.js';
import { tidyEnded } from '../../../src/activities/sweep.js';
import { forgottenHere } from '../../../src/cli/operators/attempts-here.js';
import { AgentPlaces } from '../../../src/host/index.js';
import type { StartAgentInput } from '../../../src/contract/index.js';
import { defaultClocks } from '../../../src/domain/clocks.js';
import { AttemptDir } from '../../../src/runner/index.js';
import { scratchFolder } from '../../support/scratch.js';

const gone = (): Promise<never> => Promise.reject(new WorkflowNotFoundError('not found', 'bead-x', undefined));

/** A worker whose server answers so. */
const worker = (query: () => Promise<unknown>, describe: () => Promise<unknown>): ActivityDeps =>
  ({
    client: {
      withDeadline: (_deadline: Date, request: () => Promise<unknown>) => request(),
      workflow: { getHandle: () => ({ query, describe }) },
    },
    host: {
      logger: { info: () => undefined, warn: () => undefined },
      places: new AgentPlaces({ max: 1, living: () => 0 }),
    },
  }) as unknown as ActivityDeps;

/** An attempt on this host that has ended, with its worktree gone already. */
async function ended(home: string, bead: string, refPrefix?: string): Promise<AttemptDir> {
  const dir = AttemptDir.of(home, bead, '1-abcdabcd');
  await dir.create();
  const input = {
    bead,
    attempt: dir.attempt,
    repo: join(home, 'r.git'),
    clocks: defaultClocks,
    workspace: { refPrefix },
  };
  await dir.writeInput(input as StartAgentInput);
  return dir;
}

test('an attempt of a bead that the server does not know is remembered on its host', async () => {
  const home = scratchFolder('forgotten');
  await tidyEnded(worker(gone, gone), await ended(home, 'unknown', 'bots/hb'));
  // One that was terminated has a workflow still: somebody has wanted its end.
  const terminated = (): Promise<unknown> => Promise.resolve({ status: { name: 'TERMINATED' } });
  await tidyEnded(worker(gone, terminated), await ended(home, 'terminated'));
  expect(await forgottenHere(home)).toEqual([
    {
      bead: 'unknown',
      attempt: '1-abcdabcd',
      refs: ['refs/bots/hb/unknown/1-abcdabcd/wip', 'bots/hb/unknown/1-abcdabcd'],
      setAside: expect.stringContaining('attempts-damaged') as string,
    },
  ]);
});
