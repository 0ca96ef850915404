import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { EarlyFetch } from '../../../src/activities/start/early-fetch.js';
import { bulk, commitToOrigin, git, mirrorOf, processesIn, slowRemote, useLab } from '../git/lab.js';

const lab = useLab();

it('has what the remote has by then, for a mirror that is here', async () => {
  const mirror = await mirrorOf(lab);
  const before = (await git(mirror, 'rev-parse', 'refs/remotes/origin/main')).trim();
  await git(mirror, 'update-ref', 'refs/heartbead/early/1-saved/wip', before);
  const newest = await commitToOrigin(lab, 'main', { later: 'on' });
  const fetched = await new EarlyFetch(lab.root, { repo: lab.origin, bead: 'early' }).mirror;
  expect(fetched?.path).toBe(mirror);
  expect((await git(mirror, 'rev-parse', 'refs/remotes/origin/main')).trim()).toBe(newest);
  expect(fetched?.known.refs.get('refs/remotes/origin/main')).toBe(newest);
  expect(fetched?.known.refs.get('refs/heartbead/early/1-saved/wip')).toBe(before);
});

it('clones nothing', async () => {
  expect(await new EarlyFetch(lab.root, { repo: lab.origin, bead: 'early' }).mirror).toBeUndefined();
});

it('tells the one who waits for it what went wrong, and nobody else', async () => {
  await mirrorOf(lab);
  await git(lab.dir, '-C', lab.origin, 'config', 'core.repositoryformatversion', '99');
  const early = new EarlyFetch(lab.root, { repo: lab.origin, bead: 'early' });
  await new Promise((resolve) => setImmediate(resolve));
  await expect(early.mirror).rejects.toThrow(/Expected git repo version/);
});

it('is broken off with its preparation, and leaves no process', async () => {
  await mirrorOf(lab);
  await commitToOrigin(lab, 'main', bulk());
  const remote = await slowRemote(lab);
  const early = new EarlyFetch(lab.root, { repo: lab.origin, bead: 'early' });
  const told: string[] = [];
  early.onProgress = ({ phase }) => told.push(phase);
  try {
    await remote.reached();
    early.controller.abort(new Error('nobody wants it'));
    // The remote sends nothing more: a fetch that goes on would never end.
    const goesOn = sleep(60_000, undefined, { ref: false }).then(() => {
      throw new Error('a minute after it was broken off the fetch still goes on');
    });
    await expect(Promise.race([early.mirror, goesOn])).rejects.toThrow('nobody wants it');
    expect(await processesIn(lab.root)).toEqual([]);
    expect(told.length).toBeGreaterThan(0);
  } finally {
    await remote.go();
    await early.mirror.catch(() => undefined);
  }
});
