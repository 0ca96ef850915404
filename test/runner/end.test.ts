import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { attemptRefs } from '../../src/contract/index.js';
import type { AttemptResult } from '../../src/contract/index.js';
import { processesOf } from './support/processes.js';
import { git, startTown } from './support/town.js';
import type { Attempt, AttemptOptions, Town } from './support/town.js';
import { until } from '../support/until.js';

let town: Town;
beforeAll(async () => {
  town = await startTown();
});
afterAll(() => town.stop());

const spawned = async (options: AttemptOptions): Promise<Attempt> => {
  const attempt = await town.attempt(options);
  expect(await attempt.spawn()).toMatchObject({ fenced: true });
  return attempt;
};
const run = async (options: AttemptOptions): Promise<{ attempt: Attempt; result: AttemptResult | undefined }> => {
  const attempt = await spawned(options);
  const { result } = await attempt.ended();
  expect(processesOf(attempt)).toEqual([]);
  expect(await attempt.dir.readResult()).toEqual(result);
  return { attempt, result };
};
const shell = (command: string): AttemptOptions => ({ agent: { adapter: 'shell', command } });
const demo = (options: object): AttemptOptions => ({
  agent: { adapter: 'demo', options: { steps: 3, stepMs: 30, commits: 1, ...options } },
});
const wipOf = ({ bead, dir }: Attempt): string => attemptRefs.wip(bead, dir.attempt);
const works = (attempt: Attempt): Promise<unknown> =>
  until('some work', async () => (await attempt.status()).lastProgressAt !== undefined);

describe('how an agent ends by itself', () => {
  test('status 0 without a report: unreported, and what it left is saved', async () => {
    const { attempt, result } = await run(demo({ dirtyExit: true }));
    expect(result).toMatchObject({ outcome: 'unreported', exitCode: 0, checkpoint: { wip: true } });
    expect(await attempt.remote(wipOf(attempt))).toBe(result?.checkpoint?.sha);
    expect(await git(attempt.origin, 'ls-tree', '-r', '--name-only', wipOf(attempt))).toContain('forgotten.md');
  });

  test('another status: its number and its last words are the reason', async () => {
    const { result } = await run(shell('echo one; echo "cannot go on" >&2; exit 5'));
    expect(result).toMatchObject({
      outcome: 'agent_failed',
      exitCode: 5,
      reason: expect.stringContaining('cannot go on') as string,
    });
  });

  test.each([
    ['a command with a NUL', 'echo a\0b'],
    ['a command that is longer than an argument may be', `: ${'x'.repeat(200_000)}`],
  ])('%s: it could not be started, and trying again cannot help', async (_, command) => {
    const { result } = await run(shell(command));
    expect(result).toMatchObject({
      outcome: 'setup_failed',
      reason: expect.stringContaining('could not be started') as string,
    });
  });

  test('a command that is not there', async () => {
    const { result } = await run(shell('no-such-agent-program --now'));
    expect(result).toMatchObject({
      outcome: 'not_installed',
      reason: expect.stringContaining('no-such-agent-program') as string,
    });
  });

  test('killed by the host: infrastructure, not its failure', async () => {
    const attempt = await spawned(shell('echo x > work; echo works; exec sleep 600'));
    await works(attempt);
    process.kill((await attempt.status()).agent?.pid ?? 0, 'SIGKILL');
    expect((await attempt.ended()).result).toMatchObject({
      outcome: 'lost',
      signal: 'SIGKILL',
      checkpoint: { wip: true },
    });
  });

  test('its provider refuses for now, or does not know it', async () => {
    expect((await run(demo({ rateLimitAtStep: 2, retryAfterMs: 7_000 }))).result).toMatchObject({
      outcome: 'rate_limited',
      retryAfterMs: 7_000,
    });
    expect((await run(demo({ authFails: true }))).result).toMatchObject({ outcome: 'auth_failed' });
  });

  test('it asks for a person', async () => {
    const { result, attempt } = await run(demo({ askForHelpAtStep: 2 }));
    expect(result).toMatchObject({ outcome: 'escalated', reason: expect.stringContaining('step 2') as string });
    expect(await attempt.notes()).toEqual([expect.objectContaining({ kind: 'escalation' })]);
  });

  test('it reports done and has changed nothing', async () => {
    const { attempt, result } = await run(demo({ commits: 0 }));
    expect(result).toMatchObject({ outcome: 'no_changes', baseSha: attempt.baseSha });
    expect(await attempt.remote(attemptRefs.branchRef(attempt.bead, attempt.dir.attempt))).toBeUndefined();
  });

  test('done with uncommitted work is refused by name, and accepted when it is committed', async () => {
    const { attempt, result } = await run(demo({ dirtyDone: true }));
    expect(result).toMatchObject({ outcome: 'done', summary: expect.stringContaining('3 steps') as string });
    expect(await readFile(attempt.dir.agentLog, 'utf8')).toMatch(/refused: there is uncommitted work: .*forgotten\.md/);
    expect(await git(attempt.origin, 'ls-tree', '-r', '--name-only', result?.sha ?? '')).toContain('forgotten.md');
  });

  test('it reports done and does not end: it is stopped after a while, and done all the same', async () => {
    const { result } = await run({ ...demo({ lingerMs: 3_600_000 }), clocks: { stopGrace: 1_000 } });
    expect(result).toMatchObject({ outcome: 'done', signal: 'SIGTERM' });
  });

  test('what it reported counts, not how it ended', async () => {
    const { result } = await run(
      shell('echo x > f; git add f; git commit -qm f; heartbead agent done "all done" && exit 9'),
    );
    expect(result).toMatchObject({ outcome: 'done', exitCode: 9, summary: 'all done' });
  });

  test('a daemon that it leaves in a session of its own is ended', async () => {
    const attempt = await spawned(demo({ leaveDaemon: true, steps: 10, stepMs: 100 }));
    await until('agent and daemon', () => processesOf(attempt).length >= 2);
    const { result } = await attempt.ended();
    expect(result?.outcome).toBe('done');
    expect(processesOf(attempt)).toEqual([]);
  });
});

/** A program with conversations, in which `again` runs after its first end. */
const talker = (first: string, again: string): AttemptOptions => ({
  agent: { adapter: 'talker' },
  home: async (path) => {
    const script = 'if [ "$1" = --again ]; then ANSWER=$(cat); ' + again + '\nelse ' + first + '\nfi';
    const entry = {
      command: ['sh', '-c', script, 'talker'],
      prompt: 'stdin',
      output: { format: 'json-lines', usage: 'total', fields: { session: 'id', text: 'says', outputTokens: 'tokens' } },
      resume: ['--again', '{session}'],
    };
    await writeFile(join(path, 'agents.yaml'), JSON.stringify({ agents: { talker: entry } }));
    return () => Promise.resolve();
  },
});

describe('an agent that ends and has not reported', () => {
  test('is answered in its conversation, and goes on: what it left in the background is gone, what it used counts', async () => {
    const { attempt, result } = await run(
      talker(
        'cat > /dev/null; echo kept > note; sleep 600 & echo \'{"id":"c1","says":"The build runs.","tokens":7}\'',
        'echo "$2" > talk; echo "$ANSWER" > answer; git add --all; git commit -qm work; ' +
          'echo \'{"id":"c1","says":"Reported.","tokens":5}\'; heartbead agent done "after an answer"',
      ),
    );
    expect(result).toMatchObject({
      outcome: 'done',
      summary: 'after an answer',
      session: 'c1',
      usage: { outputTokens: 12 },
    });
    const show = (file: string): Promise<string> => git(attempt.origin, 'show', `${result?.sha ?? ''}:${file}`);
    expect([await show('talk'), await show('note')]).toEqual(['c1', 'kept']);
    expect(await show('answer')).toMatch(/not reported[\s\S]*background: it was ended with you[\s\S]*agent escalate/);
    expect(await attempt.notes()).toMatchObject([
      { kind: 'note', text: expect.stringMatching(/asked for one .*1 of 2.*The build runs/) as string },
    ]);
  });

  test("is answered twice and no more; a question that stays is a person's", async () => {
    const { attempt, result } = await run(
      talker(
        'cat > /dev/null; echo \'{"id":"c2","says":"I have begun."}\'',
        'echo x >> rounds; printf "%s\\n" \'{"says":"Both are there.\\n\\nTabs, or spaces?"}\'',
      ),
    );
    expect(result).toMatchObject({
      outcome: 'escalated',
      reason: 'the agent asks for a person: Tabs, or spaces?',
      checkpoint: { wip: true },
    });
    expect(await git(attempt.origin, 'show', `${wipOf(attempt)}:rounds`)).toBe('x\nx');
  });

  test('is not answered when it has reported, failed, or cannot go on in a conversation', async () => {
    const done =
      'echo \'{"id":"c3","says":"Shall I go on?"}\'; git commit -q --allow-empty -m e; heartbead agent escalate why';
    const [reported, failed, mute] = await Promise.all([
      run(talker(done, 'touch again')),
      run(talker('echo \'{"id":"c4","says":"Cannot."}\'; exit 3', 'touch again')),
      run(talker('echo \'{"says":"No id."}\'', 'touch again')),
    ]);
    expect(reported.result).toMatchObject({ outcome: 'escalated', reason: expect.stringContaining('why') as string });
    expect(failed.result).toMatchObject({ outcome: 'agent_failed', exitCode: 3 });
    expect(mute.result).toMatchObject({ outcome: 'unreported' });
    for (const { attempt } of [reported, failed, mute])
      expect((await attempt.notes()).filter(({ kind }) => kind === 'note')).toEqual([]);
  });
});

describe('how an attempt is ended from outside', () => {
  test('cancelled: no process is left, the work is pushed, and the bead gets the confirmation with the result', async () => {
    const attempt = await spawned(shell('echo begun > work; setsid sleep 600 & echo works; sleep 600'));
    await works(attempt);
    await attempt.order('cancel');
    const { cancelledWith } = await attempt.ended();
    expect(cancelledWith).toMatchObject({ outcome: 'stopped', checkpoint: { wip: true } });
    expect(processesOf(attempt)).toEqual([]);
    expect(await git(attempt.origin, 'show', `${wipOf(attempt)}:work`)).toBe('begun');
  });

  test('an agent that ignores SIGTERM is killed after the grace; its beats do not pause meanwhile', async () => {
    const attempt = await spawned({
      ...demo({ ignoreSigterm: true, steps: 1_000, stepMs: 100 }),
      clocks: { stopGrace: 1_500, heartbeatTimeout: 5_000 },
    });
    await works(attempt);
    await attempt.order('cancel');
    const { cancelledWith } = await attempt.ended();
    expect(cancelledWith).toMatchObject({ outcome: 'stopped', signal: 'SIGKILL' });
    expect(await readFile(attempt.dir.agentLog, 'utf8')).toContain('SIGTERM is ignored');
    expect(processesOf(attempt)).toEqual([]);
  });

  test('stopped by its host: the outcome is the one that was asked for, and every caller gets the same result', async () => {
    const attempt = await spawned(shell('echo works; sleep 600'));
    await works(attempt);
    const request = { outcome: 'stalled', reason: 'no progress for a test' } as const;
    const results = await Promise.all([
      attempt.control.stop(request),
      attempt.control.stop({ outcome: 'stopped', reason: 'too late' }),
    ]);
    expect(results[0]).toMatchObject(request);
    expect(results[1]).toEqual(results[0]);
    expect((await attempt.ended()).result).toEqual(results[0]);
  });

  test('the host shuts down: the work is saved, and the attempt is lost with that reason', async () => {
    const attempt = await spawned(shell('echo begun > work; echo works; sleep 600'));
    await works(attempt);
    process.kill(await attempt.runnerPid(), 'SIGHUP');
    process.kill(await attempt.runnerPid(), 'SIGTERM');
    expect((await attempt.ended()).result).toMatchObject({
      outcome: 'lost',
      reason: 'the host shuts down',
      checkpoint: { wip: true },
    });
    expect(processesOf(attempt)).toEqual([]);
  });

  test('a bead that is gone: told by the answer to a signal', async () => {
    const attempt = await spawned(shell('while :; do echo works; sleep 0.1; done'));
    await works(attempt);
    await attempt.order('end');
    const result = await until('the end', () => attempt.dir.readResult());
    expect(result).toMatchObject({ outcome: 'stopped', reason: 'the bead has ended' });
    expect(processesOf(attempt)).toEqual([]);
    await until('the end of the runner', async () =>
      attempt.status().then(
        () => false,
        () => true,
      ),
    );
  });
});
