import { execa } from 'execa';
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { lookAtTown } from '../../src/operator/town-facts.js';
import { connect } from '../../src/client/index.js';
import { problemsOf } from '../../src/domain/telling/problems.js';
import { RigStory } from './support/rig-story.js';
import { Town, generous, processState, told, until } from './support/town.js';

/**
 * The stories do not touch each other: each has a rig, a repository and a convoy of its own, and all have one worker,
 * which merges two at a time.
 */
let town: Town;
const ends: (() => void | Promise<void>)[] = [];
beforeAll(async () => {
  town = await Town.open(inject('devServer'), (end) => void ends.push(end));
  await town.host(inject('devServer').address, { maxAgents: 6 });
});
afterAll(async () => {
  for (const end of ends.reverse()) await end();
});

const begin = (name: string): Promise<RigStory> => RigStory.begin(town, name);
const commit =
  'git add -A && git -c user.name=A -c user.email=a@localhost commit -qm "$HEARTBEAD_BEAD, attempt ' +
  '$HEARTBEAD_ATTEMPT"';
const done = 'heartbead agent done "it is done"';
/** An agent's work: each attempt leaves a file of its own. */
const works = `echo work > "$HEARTBEAD_ATTEMPT.txt" && ${commit} && ${done}`;
/** What a person or another program does to a repository in the meantime. */
const others = (story: RigStory): string => `git -c user.name=O -c user.email=o@localhost --git-dir '${story.origin}'`;

describe.concurrent('a convoy over real repositories', { timeout: 5 * generous }, () => {
  it('a check that fails at first: its last words are in the next prompt, the same line of work goes on, and all lands', async () => {
    const story = await begin('fails-once');
    // More than a prompt may carry, and the cause at its very end.
    const chatter = 'i=0; while [ $i -lt 400 ]; do i=$((i+1)); echo "line $i of much that nobody needs to read"; done';
    await story.go(['first', 'second'], {
      agent: `if grep -q "cause: there is no fence" "$HEARTBEAD_PROMPT_FILE"; then touch fence.txt; fi; ${works}`,
      check: `${chatter}; [ -e fence.txt ] || { echo "cause: there is no fence"; exit 3; }`,
    });
    await story.landed();
    const [first, second] = await Promise.all(['first', 'second'].map((id) => story.town.view(story.bead(id))));
    expect(
      first?.attempts.map(({ outcome }) => outcome),
      first && told(first),
    ).toEqual(['done', 'done']);
    expect(first?.used.reworkRounds).toBe(1);
    const prompt = first === undefined ? '' : await story.prompt(first, 2);
    expect(prompt).toMatch(/line 400 of much[^]*cause: there is no fence\n[^]*ended with exit code 3/);
    // The second round builds on the first one's commit; what needs them begins with both.
    await story.git('merge-base', '--is-ancestor', first?.attempts[0]?.sha ?? '', first?.attempts[1]?.sha ?? '');
    expect([await story.mergesOf('first'), await story.mergesOf('second'), second?.attempts.length]).toEqual([1, 1, 1]);
    expect(await story.git('ls-tree', '--name-only', second?.sha ?? '')).toContain('fence.txt');
  });

  it('checks that always fail: after three rounds a person is asked, with the reason, and nothing has touched the target', async () => {
    const story = await begin('fails-always');
    const before = await story.git('rev-parse', 'main');
    await story.go(['hopeless', 'after'], { agent: works, check: 'echo "42 broken"; exit 1' });
    const bead = await story.seen('hopeless', 'is blocked', ({ status }) => status === 'blocked');
    expect(
      bead.attempts.map(({ outcome, countedAs }) => [outcome, countedAs]),
      told(bead),
    ).toEqual(Array.from({ length: 4 }, () => ['done', 'nothing']));
    expect(bead.reason).toMatch(/3 rounds of rework did not help.*check test failed/);
    expect([await story.git('rev-parse', 'main'), await story.mergesOf('hopeless')]).toEqual([before, 0]);
    await story.convoyIs('waits for a person', ({ attention }) => attention === 'blocked');
    const { address, namespace } = inject('devServer');
    const client = await connect({
      env: { TEMPORAL_ADDRESS: address, TEMPORAL_NAMESPACE: namespace, HEARTBEAD_TASK_QUEUE: town.queue },
      home: town.folder,
    });
    try {
      const problems = await until('it is a problem', async () => {
        const found = problemsOf((await lookAtTown(client, { deadline: 30_000 })).facts).filter(
          ({ about }) => about === story.bead('hopeless') || about === story.name,
        );
        return found.length === 2 && found;
      });
      expect(problems).toEqual(
        expect.arrayContaining([
          expect.objectContaining({
            kind: 'bead-blocked',
            severity: 'stuck',
            why: expect.stringContaining('3 rounds'),
            fix: `heartbead retry ${story.bead('hopeless')}`,
          }),
          expect.objectContaining({
            kind: 'convoy-blocked',
            severity: 'stuck',
            why: expect.stringContaining('hopeless is blocked'),
            fix: `heartbead explain ${story.bead('hopeless')}`,
          }),
        ]),
      );
    } finally {
      await client.close();
    }
  });

  it('a check that hangs: ended in time with all its processes, and told as such', async () => {
    const story = await begin('hangs');
    const pids = story.path('pids');
    const child = (how: string): string => `${how}sh -c 'echo $$ >> ${pids}; exec sleep 600' &`;
    await story.go(['endless'], {
      timeout: 3_000,
      agent: `if grep -q "did not end in time" "$HEARTBEAD_PROMPT_FILE"; then touch quick.txt; fi; ${works}`,
      // A child, and one in a session of its own.
      check: `[ -e quick.txt ] && exit 0; ${child('')} ${child('setsid ')} echo waiting; wait`,
    });
    await story.landed();
    const bead = await town.view(story.bead('endless'));
    expect(bead.story.map(({ text }) => text)).toContainEqual(
      'rework 1: check test did not end in time on the merged tree',
    );
    expect(await story.prompt(bead, 2)).toMatch(/did not end in time.*\n\s*waiting\n.*ended with all its processes/);
    const started = (await readFile(pids, 'utf8')).trim().split('\n').map(Number);
    expect([started.length, started.filter((pid) => processState(pid) !== undefined)]).toEqual([2, []]);
    expect(await story.mergesOf('endless')).toBe(1);
  });

  it('an origin that goes away in the middle of a merge: the queue says so, and it is merged exactly once when it is back', async () => {
    const story = await begin('away');
    await story.go(['patient'], {
      agent: works,
      check:
        `echo run >> ${story.path('runs')}; [ -e ${story.path('gone')} ] || { touch ${story.path('gone')}; mv ` +
        `${story.origin} ${story.origin}.away; }`,
    });
    const [seen] = await until('the queue says that the origin is out of reach', async () => {
      const found = await story.fleet.merges(story.name);
      return found.some(({ lastFailure }) => lastFailure !== undefined) && found;
    });
    expect(seen).toMatchObject({
      item: story.bead('patient'),
      lastFailure: expect.stringMatching(/nothing was found at .*origin\.git/),
    });
    expect(seen?.tries).toBeGreaterThan(1);
    expect((await town.view(story.bead('patient'))).status).toBe('in_review');
    await story.originBack();
    await story.landed();
    const bead = await town.view(story.bead('patient'));
    expect([bead.attempts.length, bead.used], told(bead)).toEqual([
      1,
      { agentFailures: 0, infraLosses: 0, reworkRounds: 0 },
    ]);
    expect([await story.mergesOf('patient'), await story.count('runs')]).toEqual([1, 2]);
  });

  it('a target that moves during the checks: they run again on top of what came, and both are there', async () => {
    const story = await begin('moves');
    const push =
      `${others(story)} update-ref refs/heads/main $(${others(story)} commit-tree -p main -m "work of others" ` +
      'main^{tree})';
    await story.go(['overtaken'], {
      agent: works,
      check:
        `echo "$(git log --format=%s HEAD | grep -c 'work of others')" >> ${story.path('runs')}; [ -e ` +
        `${story.path('once')} ] || { touch ${story.path('once')}; ${push}; }`,
    });
    await story.landed();
    expect((await readFile(story.path('runs'), 'utf8')).trim().split('\n')).toEqual(['0', '1']);
    expect(await story.mergesOf('overtaken')).toBe(1);
    expect(await story.git('log', '-1', '--format=%s', 'main^1')).toBe('work of others');
    expect((await town.view(story.bead('overtaken'))).attempts).toHaveLength(1);
  });

  it('a target that is deleted during the checks: a person is asked; pushed again, a retry merges the same work', async () => {
    const story = await begin('deleted');
    const main = await story.git('rev-parse', 'main');
    await story.go(['homeless'], {
      agent: works,
      check:
        `[ -e ${story.path('once')} ] || { touch ${story.path('once')}; ${others(story)} update-ref -d ` +
        'refs/heads/main; }',
    });
    const blocked = await story.seen('homeless', 'is blocked', ({ status }) => status === 'blocked');
    expect(blocked.reason).toMatch(/there is no branch main on the remote/);
    await execa('git', ['--git-dir', story.origin, 'update-ref', 'refs/heads/main', main]);
    await town.beads.retry(story.bead('homeless'));
    await story.landed();
    const bead = await town.view(story.bead('homeless'));
    expect([bead.attempts.length, await story.mergesOf('homeless')], told(bead)).toEqual([1, 1]);
  });
});
