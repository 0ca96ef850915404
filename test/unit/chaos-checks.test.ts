import { execa } from 'execa';
import { expect, test } from 'vitest';
import type { AttemptRecord, BeadView } from '../../src/contract/index.js';
import type { ChaosBead } from '../../src/lab/chaos/bead-watch.js';
import { endProblems } from '../../src/lab/chaos/checks.js';
import { ChaosOrigin } from '../../src/lab/chaos/origins.js';
import { scratchFolder } from '../support/scratch.js';

test('a chaos run misses the offer of finished work, also where the next attempt went on from a save of it', async () => {
  const origin = await ChaosOrigin.make(scratchFolder('chaos-checks'), 'origin');
  const sha = (await origin.refs('refs/heads/main')).get('refs/heads/main') ?? '';
  const branch = 'heartbead/b1/2-bbbb';
  await execa('git', ['-C', origin.path, 'update-ref', `refs/heads/${branch}`, sha]);
  const ended = (...attempts: Partial<AttemptRecord>[]): ChaosBead => ({
    id: 'b1',
    repo: 0,
    steps: 0,
    view: { status: 'closed', branch, sha, attempts, used: { agentFailures: 0, reworkRounds: 0 } } as BeadView,
  });
  expect(await endProblems(ended({ id: '2-bbbb', outcome: 'done' }), origin)).toEqual([]);
  expect(
    await endProblems(ended({ id: '1-aaaa', outcome: 'push_refused' }, { id: '2-bbbb', outcome: 'done' }), origin),
  ).toEqual(['b1: what 1-aaaa had finished was refused by the remote, and never offered again']);
});
