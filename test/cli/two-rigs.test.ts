/** Rigs that name the same repository: what they share, and what the one must not do to the other's beads. */
import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { execa } from 'execa';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { BeadClient, FleetClient } from '../../src/client/index.js';
import type { BeadView } from '../../src/contract/index.js';
import { mirrorPath } from '../../src/git/index.js';
import { makeOrigin } from '../process/support/town.js';
import { scratchFolder } from '../support/scratch.js';
import { until } from '../support/until.js';
import { Cli, lineOf } from './support/cli.js';

const mark = randomBytes(4).toString('hex');
const id = (name: string): string => `${name}-${mark}`;
const ends: (() => void | Promise<void>)[] = [];
let cli: Cli;
let folder: string;
let origin: string;
let connection: Connection;
let beads: BeadClient;
let fleet: FleetClient;
let agent: string;

/** Holds a bead's agent in the middle of its work, with a save on the remote. */
const hold = (bead: string): void => writeFileSync(join(folder, `hold-${bead}`), '');
const letGo = (bead: string): void => rmSync(join(folder, `hold-${bead}`));
const git = async (...args: string[]): Promise<string> =>
  (await execa('git', ['--git-dir', origin, ...args])).stdout.trim();
const fine = async (...args: string[]): Promise<string> => {
  const { code, stdout, stderr } = await cli.run(args);
  if (code !== 0) throw new Error(`heartbead ${args.join(' ')} ended with ${code}: ${stderr}`);
  return stdout;
};
const is = (bead: string, what: string, holds: (view: BeadView) => boolean): Promise<BeadView> =>
  until(`${bead} ${what}`, async () => {
    const view = await beads.view(bead);
    if (holds(view)) return view;
    throw new Error(`${view.status}, agent ${view.agent}: ${view.reason}`);
  });
const closed = (bead: string): Promise<BeadView> => is(bead, 'is closed', ({ status }) => status === 'closed');
/** Items that were merged into a branch, oldest first. */
const mergedInto = async (branch: string): Promise<string[]> =>
  (
    await git(
      'log',
      '--reverse',
      '--first-parent',
      '--format=%(trailers:key=Heartbead-Item,valueonly,separator=)',
      branch,
    )
  )
    .split('\n')
    .filter((item) => item !== '');
/** All that the remote and a mirror have of a bead. */
const refsOf = async (bead: string, repository = origin): Promise<string[]> =>
  (
    await execa('git', [
      ...['--git-dir', repository, 'for-each-ref', '--format=%(refname) %(objectname)'],
      ...['refs/heads/heartbead', 'refs/heartbead', 'refs/heartbead-finished', 'refs/heartbead-kept'].map(
        (prefix) => `${prefix}/${bead}/`,
      ),
    ])
  ).stdout
    .split('\n')
    .filter((line) => line !== '');

beforeAll(async () => {
  folder = scratchFolder('two-rigs', (end) => void ends.push(end));
  origin = join(folder, 'origin.git');
  await makeOrigin(origin);
  await git('branch', 'dev', 'main');
  const { address, namespace } = inject('devServer');
  connection = await Connection.connect({ address });
  const client = new Client({ connection, namespace });
  beads = new BeadClient({ client });
  fleet = new FleetClient({ client });
  cli = new Cli({ TEMPORAL_ADDRESS: address, TEMPORAL_NAMESPACE: namespace, HEARTBEAD_TASK_QUEUE: `rigs-${mark}` });
  await lineOf(cli.start(['worker', '--max-agents', '4']), 'stderr', /the worker polls/);
  agent =
    'echo written > "$HEARTBEAD_BEAD.txt" && git add . && git -c user.name=A -c user.email=a@localhost commit -qm ' +
    `"write a file" && held="${folder}/hold-$HEARTBEAD_BEAD" && { [ ! -e "$held" ] || heartbead agent checkpoint; } && ` +
    '{ while [ -e "$held" ]; do sleep 0.1; done; } && heartbead agent done "wrote a file"';
  // Neither passes before the other has begun: both are merged onto the same commit, and one of them is too late.
  const together = (mine: string, other: string): string =>
    `together=touch ${folder}/checks-${mine}; n=0; until [ -e ${folder}/checks-${other} ]; do ` +
    '[ $((n += 1)) -lt 300 ] || exit 1; sleep 0.1; done';
  await rig('path', origin, '--base', 'main', '--check', together('path', 'url'));
  await rig('url', `file://${origin}`, '--base', 'main', '--check', together('url', 'path'));
  await rig('again', origin);
  await rig('dev', origin, '--base', 'dev');
});
afterAll(async () => {
  await cli?.end();
  await connection?.close();
  for (const end of ends.reverse()) await end();
});

const rig = (name: string, repo: string, ...more: string[]): Promise<string> =>
  fine('rig', 'add', id(name), '--repo', repo, '--command', agent, ...more);
const sling = (rig: string, bead: string): Promise<string> => fine('sling', bead, '--id', bead, '--rig', id(rig));

test('by path and by URL: two merges at the same moment into the same base both land, once each', async () => {
  await sling('path', id('path-work'));
  await sling('url', id('url-work'));
  const views = await Promise.all([closed(id('path-work')), closed(id('url-work'))]);
  for (const { attempts } of views) expect(attempts.map(({ outcome }) => outcome)).toEqual(['done']);
  expect((await mergedInto('main')).sort()).toEqual([id('path-work'), id('url-work')]);
  const files = (await git('ls-tree', '--name-only', 'main')).split('\n');
  expect(files).toEqual([`${id('path-work')}.txt`, `${id('url-work')}.txt`]);
  for (const { landing } of views) await git('merge-base', '--is-ancestor', landing?.mergedSha ?? '', 'main');
});

test('by the same path: two into one base and one into another land at once, each on its own', async () => {
  const before = await mergedInto('main');
  const work: [rig: string, bead: string][] = [
    ['path', id('path-next')],
    ['again', id('again-next')],
    ['dev', id('dev-next')],
  ];
  await Promise.all(work.map(([rig, bead]) => sling(rig, bead)));
  const views = await Promise.all(work.map(([, bead]) => closed(bead)));
  for (const { attempts } of views) expect(attempts.map(({ outcome }) => outcome)).toEqual(['done']);
  expect((await mergedInto('main')).slice(before.length).sort()).toEqual([id('again-next'), id('path-next')]);
  expect(await mergedInto('dev')).toEqual([id('dev-next')]);
  expect(await git('ls-tree', '--name-only', 'dev')).toBe(`${id('dev-next')}.txt`);
  // One mirror for a path, whatever the base; one more for the URL.
  const mirrors = join(cli.home, 'mirrors');
  const there = readdirSync(mirrors).filter((name) => name.endsWith('.git'));
  expect(there.map((name) => join(mirrors, name)).sort()).toEqual(
    [mirrorPath(mirrors, origin), mirrorPath(mirrors, `file://${origin}`)].sort(),
  );
});

test('a merge that waits for one of another rig takes no place of a third, which merges into another repository', async () => {
  hold('slow');
  const works = `began=touch ${folder}/began-slow; while [ -e ${folder}/hold-slow ]; do sleep 0.1; done`;
  const third = join(folder, 'third.git');
  await makeOrigin(third);
  await rig('slow', origin, '--check', works);
  await rig('behind', origin);
  await rig('third', third);
  await sling('slow', id('slow-work'));
  await until('its checks have begun', () => existsSync(join(folder, 'began-slow')));
  await sling('behind', id('behind-work'));
  await until('the next waits for it', async () => {
    const [{ text } = { text: 'nothing yet' }] = await fleet.merges(id('behind'));
    if (!text.startsWith('waits for another merge into main')) throw new Error(text);
    return true;
  });
  await sling('third', id('third-work'));
  await closed(id('third-work'));
  expect(
    await Promise.all(['slow', 'behind'].map(async (one) => (await beads.view(id(`${one}-work`))).status)),
  ).toEqual(['in_review', 'in_review']);
  letGo('slow');
  await Promise.all([closed(id('slow-work')), closed(id('behind-work'))]);
  expect((await mergedInto('main')).slice(-2)).toEqual([id('slow-work'), id('behind-work')]);
});

test('while the bead of one works, the other is removed and tidied: branch, saves and mirror stay, and the bead lands', async () => {
  const bead = id('held');
  hold(bead);
  await sling('again', bead);
  await until('its agent has a save on the remote', async () => (await refsOf(bead)).length > 0);
  // An id is one for all rigs.
  expect(await cli.run(['sling', bead, '--id', bead, '--rig', id('url')])).toMatchObject({ code: 4 });
  const mirror = mirrorPath(join(cli.home, 'mirrors'), origin);
  const all = async (): Promise<string[]> => [...(await refsOf(bead)), ...(await refsOf(bead, mirror))];
  const saved = await all();
  expect(saved.length).toBeGreaterThan(1);

  await fine('rig', 'rm', id('path'));
  await until('rig path has ended', async () =>
    (await cli.run(['rig', 'pause', id('path')])).stderr.includes('has ended'),
  );
  // By the path, by the URL, and all at once.
  await fine('tidy', '--remote', '--yes', '--rig', id('dev'));
  await fine('tidy', '--remote', '--yes', '--rig', id('url'));
  await fine('tidy', '--remote', '--yes');
  expect(await all()).toEqual(saved);

  letGo(bead);
  const view = await closed(bead);
  expect(view.attempts.map(({ outcome }) => outcome)).toEqual(['done']);
  expect(await mergedInto('main')).toContain(bead);
  expect(await git('ls-tree', '--name-only', 'main')).toContain(`${bead}.txt`);
  // In the end nothing of ours is left on the remote, of no rig.
  await until('nothing is left on the remote', async () => {
    const left = await git('for-each-ref', '--format=%(refname)', 'refs/heartbead', 'refs/heads/heartbead');
    if (left !== '') throw new Error(left);
    return true;
  });
});
