import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, inject, it } from 'vitest';
import type { TownBuilds } from '../../src/cli/local/builds.js';
import { TownDeployment } from '../../src/client/index.js';
import { isOlder, oldestWithVersions } from '../../src/client/server-version.js';
import { beadWorkflowId, convoyWorkflowId, rigWorkflowId } from '../../src/contract/index.js';
import { anotherBuild } from '../../scripts/another-build.mjs';
import { RigStory } from './support/rig-story.js';
import { cliOf } from './support/town-cli.js';
import { Town, generous, processState, told, until } from './support/town.js';

const work =
  'echo work > "$HEARTBEAD_ATTEMPT.txt" && git add -A && git -c user.name=A -c user.email=a@localhost commit ' +
  '-qm work && heartbead agent done "it is done"';

const hasVersions = !isOlder(inject('devServerVersion'), oldestWithVersions);

it.skipIf(!hasVersions)(
  'a new build, back, and on again: beads with living agents, a convoy and a rig in the middle of a merge go on with it, also when the old worker is killed; the agents notice nothing',
  { timeout: 4 * generous },
  async () => {
    const { address } = inject('devServer');
    const town = await Town.open(inject('devServer'));
    const second = await anotherBuild(join(town.folder, 'second-build'), 'second');
    const args = ['--versioning', 'auto'];
    const first = await town.host(address, { args });
    const deployment = new TownDeployment({
      connection: town.connection,
      client: town.client,
      namespace: town.namespace,
      taskQueue: town.queue,
    });
    const cli = cliOf(town);
    const upgrade = async (...words: string[]): Promise<unknown> => {
      const { code, stdout, stderr } = await cli.run(['upgrade', ...words, '--json']);
      expect(code, stdout + stderr).toBe(0);
      return JSON.parse(stdout);
    };
    const one = (await deployment.describe())?.current ?? '';
    expect(one).toMatch(/^\d+\.\d+\.\d+-[0-9a-f]{12}$/);

    const story = await RigStory.begin(town, 'upgrade');
    const wait = (file: string): string => `while [ ! -e ${story.path(file)} ]; do sleep 0.2; done`;
    const gate = {
      adapter: 'shell',
      command: `while [ ! -e ${story.path('work')} ]; do echo at work; sleep 1; done; ${work}`,
    } as const;
    const beads = await Promise.all([1, 2].map(() => town.sling({}, { agent: gate })));
    const idle = await town.sling({}, { agent: gate });
    await town.seen(
      idle,
      'works',
      ({ agent, current }) => agent === 'working' && current?.firstProgressAt !== undefined,
    );
    await town.beads.pause(idle);
    // The first is held by its check, so that a merge is under way; the second waits for it.
    await story.go(['merged', 'after'], { agent: work, check: wait('merge') });
    await story.seen('merged', 'is in review', ({ status }) => status === 'in_review');
    await until('its check runs', async () => (await story.fleet.merges(story.name)).length > 0);
    const agents = await until('their agents are known', () =>
      Promise.all(beads.map((bead) => town.working(bead, first))),
    );

    const buildOf = async (workflowId: string): Promise<string | undefined> =>
      (await town.client.workflow.getHandle(workflowId).describe()).raw.workflowExecutionInfo?.versioningInfo
        ?.deploymentVersion?.buildId ?? undefined;
    const all = [...beads, idle].map(beadWorkflowId);
    const fleet = [rigWorkflowId(story.name), convoyWorkflowId(story.name)];
    const goOnWith = (build: string, workflows: string[]): Promise<unknown> =>
      until(`all go on with ${build}`, async () => {
        const builds = await Promise.all(workflows.map(buildOf));
        if (builds.every((found) => found === build)) return true;
        throw new Error(builds.join(', '));
      });
    expect(await Promise.all([...all, ...fleet].map(buildOf))).toEqual([...all, ...fleet].map(() => one));

    // A second host comes with the new build and takes over; the merge ends where it began.
    const other = await town.host(address, { args, program: second });
    const two = (await deployment.describe())?.current ?? '';
    expect(two).not.toBe(one);
    await goOnWith(two, [...all, convoyWorkflowId(story.name)]);
    expect(await buildOf(rigWorkflowId(story.name))).toBe(one);
    await writeFile(story.path('merge'), '');
    await story.landed();
    await goOnWith(two, [rigWorkflowId(story.name)]);
    await expect(Promise.all(['merged', 'after'].map((id) => story.mergesOf(id)))).resolves.toEqual([1, 1]);
    const upgraded = (await upgrade('status')) as TownBuilds;
    expect(upgraded.builds.map(({ build, workflows, done }) => [build, workflows, done])).toEqual([
      [two, all.length + 1, false],
      [one, 0, true],
    ]);

    // Back, by hand.
    expect(await upgrade('rollback')).toEqual({ build: one, before: two });
    await goOnWith(one, [...all, rigWorkflowId(story.name)]);

    // The worker with all workflows is killed. Its successor in the same folder is of the new build, and has been
    // current before: it does not take over by itself, and runs the old build as well.
    await other.kill();
    await first.kill();
    first.program = second;
    await first.start();
    await Promise.all(beads.map((bead) => town.seen(bead, 'has been adopted', ({ agent }) => agent === 'working')));
    expect((await deployment.describe())?.current).toBe(one);
    expect(await Promise.all(all.map(buildOf))).toEqual(all.map(() => one));
    expect(await upgrade('to', two)).toEqual({ build: two, before: one });
    await goOnWith(two, [...all, rigWorkflowId(story.name)]);

    expect(agents.map(({ agent }) => processState(agent) !== undefined)).toEqual(beads.map(() => true));
    await town.beads.resume(idle);
    await writeFile(story.path('work'), '');
    const closed = await Promise.all([...beads, idle].map((bead) => town.closed(bead)));
    for (const view of closed) {
      expect(
        [view.attempts.length, view.used.infraLosses, view.used.agentFailures, view.malformed],
        told(view),
      ).toEqual([1, 0, 0, 0]);
    }
    expect(await Promise.all(closed.map(async ({ bead }) => (await town.view(bead)).runs > 3))).toEqual(
      closed.map(() => true),
    );
  },
);

it.skipIf(hasVersions)(
  'on a server that knows no versions, a worker that is to have them says so, and works as without; upgrade and doctor tell why',
  async () => {
    const town = await Town.open(inject('devServer'));
    const host = await town.host(inject('devServer').address, { args: ['--versioning', 'auto'] });
    const why = `needs a server from ${oldestWithVersions} on, and this one is ${inject('devServerVersion')}`;
    expect(host.log).toContain(`the workflows get no versions: that ${why}`);
    const bead = await town.sling();
    const { attempts, used } = await town.closed(bead);
    expect([attempts.length, used.infraLosses, used.agentFailures]).toEqual([1, 0, 0]);

    const cli = cliOf(town);
    const status = await cli.run(['upgrade', 'status']);
    expect([status.code, status.stdout]).toEqual([0, expect.stringContaining(why)]);
    const rollback = await cli.run(['upgrade', 'rollback']);
    expect([rollback.code, rollback.stderr]).toEqual([1, expect.stringContaining(why)]);
    const { stdout } = await cli.run(['doctor', '--json']);
    const { checks } = JSON.parse(stdout) as { checks: { name: string; verdict: string; text: string }[] };
    expect(checks.find(({ name }) => name === 'versions')).toMatchObject({
      verdict: 'ok',
      text: expect.stringContaining(why) as string,
    });
  },
);
