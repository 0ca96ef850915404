import { expect, it } from 'vitest';
import { newerLocalSave, readMirrorRefs, resolveBase } from '../../../src/git/index.js';
import { checkRefWritable } from '../../../src/git/ref-check.js';
import { hasBranchAt } from '../../../src/git/mirror-refs.js';
import { commitToOrigin, countingGit, git, mirrorOf, useLab } from '../git/lab.js';

const lab = useLab();

it('refs that were read at once answer what the start of an attempt asks, without another process', async () => {
  const branch = await commitToOrigin(lab, 'release/1', { one: '1' });
  const main = await commitToOrigin(lab, 'main', { two: '2' });
  await commitToOrigin(lab, 'heartbead', { three: '3' });
  const mirror = await mirrorOf(lab);
  await git(mirror, 'update-ref', 'refs/heartbead/b/1-abcdefgh/wip', branch);
  await git(mirror, 'update-ref', 'refs/heartbead/other/1-abcdefgh/wip', main);
  await git(mirror, 'update-ref', 'refs/heartbead/b/1-abcdefgh/kept/deeper', main);
  const known = await readMirrorRefs(mirror, { bead: 'b' });
  expect([...known.refs.keys()].filter((name) => name.startsWith('refs/heartbead/other'))).toEqual([]);

  const commands = await countingGit(lab);
  await git(mirror, 'version');
  const before = (await commands()).length;
  expect(await resolveBase(mirror, undefined, known)).toEqual({ branch: 'main', sha: main });
  expect(await resolveBase(mirror, 'release/1', known)).toEqual({ branch: 'release/1', sha: branch });
  await expect(resolveBase(mirror, 'HEAD', known)).rejects.toMatchObject({ kind: 'no_such_ref' });
  expect((await commands()).length).toBe(before);
  // What was saved is read for whether it is uncommitted work, in a process of its own.
  expect(await newerLocalSave(mirror, { bead: 'b', attempt: '2-k3j9x2ab' }, { known })).toMatchObject({
    sha: branch,
    ref: 'refs/heartbead/b/1-abcdefgh/wip',
  });
  await expect(
    checkRefWritable(mirror, { repo: lab.origin, bead: 'b', attempt: '2-k3j9x2ab', sha: main, known }),
  ).rejects.toThrow(/the remote has a branch heartbead, so that none can be called heartbead\/b\/2-k3j9x2ab/);
  expect(await newerLocalSave(mirror, { bead: 'none', attempt: '2-k3j9x2ab' }, { known })).toBeUndefined();
});

it('tell which commits are surely here: those of branches, and no tag or save', async () => {
  const [branch, tag, save] = ['a', 'b', 'c'].map((digit) => digit.repeat(40)) as [string, string, string];
  const refs = new Map([
    ['refs/remotes/origin/main', branch],
    ['refs/tags/v1', tag],
    ['refs/heartbead/bead/1/wip', save],
  ]);
  expect([branch, tag, save].map((sha) => hasBranchAt({ refs }, sha))).toEqual([true, false, false]);
});
