import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, inject, it } from 'vitest';
import type { TownBuilds } from '../../src/cli/local/builds.js';
import { isOlder, oldestWithVersions } from '../../src/client/server-version.js';
import { beadWorkflowId } from '../../src/contract/index.js';
import { anotherBuild } from '../../scripts/another-build.mjs';
import { cliOf } from './support/town-cli.js';
import { Town, generous, processState, told, until } from './support/town.js';

const hasVersions = !isOlder(inject('devServerVersion'), oldestWithVersions);

/** So many that a half of them is neither none nor all: the server decides by the id, one time in 33,000 otherwise. */
const many = 16;

it.skipIf(!hasVersions)(
  'a build gets a share of the new beads: what runs stays where it began, all of them is all, none takes them back, and a roll-back ends the share',
  { timeout: 4 * generous },
  async () => {
    const { address } = inject('devServer');
    const town = await Town.open(inject('devServer'));
    const program = await anotherBuild(join(town.folder, 'second-build'), 'share');
    const first = await town.host(address, { args: ['--versioning', 'auto'], maxAgents: 2 });
    const cli = cliOf(town);
    const upgrade = <T = Record<string, unknown>>(...words: string[]): Promise<T> => cli.json<T>(['upgrade', ...words]);
    const builds = (): Promise<TownBuilds> => upgrade<TownBuilds>('status');
    const refused = async (...words: string[]): Promise<[number | null, string]> => {
      const { code, stdout, stderr } = await cli.run(['upgrade', ...words]);
      expect(stdout).toBe('');
      return [code, stderr];
    };
    const one = (await builds()).current ?? '';

    const gate = join(town.folder, 'work');
    const command =
      `while [ ! -e ${gate} ]; do echo at work; sleep 1; done; echo work > "$HEARTBEAD_ATTEMPT.txt" && git add -A && ` +
      'git -c user.name=A -c user.email=a@localhost commit -qm work && heartbead agent done "it is done"';
    const agent = { adapter: 'shell', command };
    const living = await Promise.all([1, 2].map(() => town.sling({}, { agent })));
    const agents = await until('their agents are known', () =>
      Promise.all(living.map((bead) => town.working(bead, first))),
    );
    // They wait for a place, or for a word; nothing moves them but another version.
    const slung: string[] = [];
    const sling = async (count: number): Promise<string[]> => {
      const beads = await Promise.all(Array.from({ length: count }, () => town.sling({}, { agent })));
      slung.push(...beads);
      return beads;
    };
    const buildOf = (bead: string): Promise<string> =>
      until(`${bead} has a build`, async () => {
        const { raw } = await town.client.workflow.getHandle(beadWorkflowId(bead)).describe();
        return raw.workflowExecutionInfo?.versioningInfo?.deploymentVersion?.buildId ?? undefined;
      });
    const buildsOf = (beads: string[]): Promise<string[]> => Promise.all(beads.map(buildOf));
    const parked = await sling(many);
    expect(await buildsOf(parked)).toEqual(parked.map(() => one));

    // A host that is to take over only when somebody says so.
    const second = await town.host(address, { args: ['--versioning', 'manual'], maxAgents: 1, program });
    const found = await builds();
    const two = found.builds.find(({ build }) => build !== one)?.build ?? '';
    expect([found.current, found.ramping, two]).toEqual([one, null, expect.stringMatching(/^\d/)]);

    // What makes no sense changes nothing.
    for (const number of ['101', '-1', 'half', '1.5', ''])
      expect(await refused('to', two, `--percent=${number}`)).toEqual([
        2,
        expect.stringContaining(`--percent is a whole number from 0 to 100, not "${number}"`),
      ]);
    expect(await refused('to', 'no-such-build', '--percent', '10')).toEqual([
      2,
      expect.stringContaining('the town knows no build no-such-build'),
    ]);
    expect(await refused('to', one, '--percent', '10')).toEqual([1, expect.stringContaining(`${one} is current`)]);
    expect((await builds()).ramping).toBeNull();

    expect(await upgrade('to', two, '--percent', '50')).toEqual({ build: two, before: one, percent: 50 });
    expect((await builds()).ramping).toEqual({ build: two, percent: 50 });
    // Of another build's share nobody meant anything.
    expect(await refused('to', one, '--percent', '0')).toEqual([1, expect.stringContaining(`${two} has 50 %`)]);
    expect((await builds()).ramping).toEqual({ build: two, percent: 50 });
    const half = await sling(many);
    expect(new Set(await buildsOf(half))).toEqual(new Set([one, two]));

    // All new ones; those that were there are told things, and stay.
    await upgrade('to', two, '--percent', '100');
    const all = await sling(4);
    expect(await buildsOf(all)).toEqual(all.map(() => two));
    const earlier = [...living, ...parked, ...half];
    const before = await buildsOf(earlier);
    await Promise.all(earlier.map((bead) => town.beads.nudge(bead, 'go on')));
    // A second task of each, after one in which a run would have decided to go on elsewhere.
    const views = await Promise.all(earlier.map((bead) => town.view(bead)));
    expect(await buildsOf(earlier)).toEqual(before);
    expect(views.map(({ runs }) => runs)).toEqual(earlier.map(() => 1));
    const { builds: shared } = await builds();
    expect(shared.map(({ build, workflows, done }) => [build, workflows > 0, done])).toEqual([
      [two, true, false],
      [one, true, false],
    ]);

    // None: what has begun there goes on with the current one.
    expect(await upgrade('to', two, '--percent', '0')).toEqual({ build: two, before: one, percent: 0 });
    expect((await builds()).ramping).toBeNull();
    await until('all are with the current build', async () =>
      (await buildsOf([...half, ...all])).every((build) => build === one),
    );
    const after = await sling(4);
    expect(await buildsOf(after)).toEqual(after.map(() => one));

    // A roll-back while a build has a share takes the share away; it does not give the rest.
    await upgrade('to', two, '--percent', '100');
    expect(await upgrade('rollback')).toEqual({ build: one, before: two });
    const { current, ramping } = await builds();
    expect([current, ramping]).toEqual([one, null]);

    // Nor has it one beside the build that is made current.
    await upgrade('to', two, '--percent', '100');
    await upgrade('to', one);
    expect(await builds()).toMatchObject({ current: one, ramping: null });

    // Nor does its worker take over when it comes back.
    await second.kill();
    second.args = ['--versioning', 'auto'];
    await second.start();
    expect(second.log).toContain(`the town's current build is ${one}`);
    expect((await builds()).current).toBe(one);

    expect(agents.map(({ agent }) => processState(agent) !== undefined)).toEqual(living.map(() => true));
    await Promise.all(slung.map((bead) => town.client.workflow.getHandle(beadWorkflowId(bead)).terminate()));
    await writeFile(gate, '');
    for (const view of await Promise.all(living.map((bead) => town.closed(bead))))
      expect([view.attempts.length, view.used.infraLosses, view.runs], told(view)).toEqual([1, 0, 1]);
  },
);
