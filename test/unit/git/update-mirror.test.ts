import { readdir, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { describe, expect, it } from 'vitest';
import { isUpToDate } from '../../../src/git/fetch-mirror.js';
import { readMirrorRefs, resolveBase, updateMirror } from '../../../src/git/index.js';
import type { GitProgress, MirrorRefs } from '../../../src/git/index.js';
import { packMirror } from '../../../src/git/pack-mirror.js';
import type { RemoteRefs } from '../../../src/git/remote-refs.js';
import {
  bulk,
  commit,
  commitToOrigin,
  countingGit,
  git,
  gitChildrenOf,
  has,
  mirrorOf,
  processesIn,
  slowRemote,
  steppingIn,
  until,
  useLab,
} from './lab.js';

const lab = useLab();
const refs = async (mirror: string): Promise<string[]> =>
  (await git(mirror, 'for-each-ref', '--format=%(refname)')).split('\n');
const [one, two] = ['1', '2'].map((digit) => digit.repeat(40)) as [string, string];
const remote = (more: Record<string, string> = {}): RemoteRefs => ({
  head: 'refs/heads/main',
  refs: new Map(Object.entries({ HEAD: one, 'refs/heads/main': one, 'refs/tags/v1': two, ...more })),
});
const mirrorNames = (): Promise<string[]> => readdir(lab.root);

describe('a mirror', () => {
  it('is bare, holds all branches as remote-tracking refs and all tags, and leaves refs/heads to the agents', async () => {
    await commitToOrigin(lab, 'feature/x', { a: '1' });
    await git(lab.seed, 'tag', 'v1');
    await git(lab.seed, 'push', '--quiet', 'origin', 'v1');
    const mirror = await mirrorOf(lab);
    expect(await refs(mirror)).toEqual([
      'refs/remotes/origin/HEAD',
      'refs/remotes/origin/feature/x',
      'refs/remotes/origin/main',
      'refs/tags/v1',
    ]);
    expect(await git(mirror, 'rev-parse', '--is-bare-repository')).toBe('true');
    expect(await mirrorNames()).toEqual([expect.stringMatching(/^[0-9a-f]{16}\.git$/)]);
  });

  it('follows the remote: moved, rewritten and removed branches, moved tags, another default branch', async () => {
    await commitToOrigin(lab, 'old', { a: '1' });
    await git(lab.seed, 'tag', 'nightly');
    await git(lab.seed, 'push', '--quiet', 'origin', 'nightly');
    const mirror = await mirrorOf(lab);
    await git(lab.seed, 'checkout', '--quiet', '--orphan', 'fresh');
    const main = await commit(lab.seed, { b: '2' }, 'rewritten');
    await git(lab.seed, 'tag', '--force', 'nightly');
    await git(lab.seed, 'push', '--quiet', '--force', 'origin', 'HEAD:main', 'HEAD:trunk', ':old', 'nightly');
    await git(lab.origin, 'symbolic-ref', 'HEAD', 'refs/heads/trunk');
    expect(await mirrorOf(lab)).toBe(mirror);
    expect(await refs(mirror)).toEqual([
      'refs/remotes/origin/HEAD',
      'refs/remotes/origin/main',
      'refs/remotes/origin/trunk',
      'refs/tags/nightly',
    ]);
    expect(await resolveBase(mirror)).toEqual({ branch: 'trunk', sha: main });
    expect(await git(mirror, 'rev-parse', 'nightly')).toBe(main);
  });

  it.each([
    ['fetch', 'ls-remote', 'trunk is fetched, and the default branch was asked for before'],
    ['ls-remote', 'fetch', 'main is fetched, and the default branch was asked for after'],
  ])('whose default branch is renamed in mid-update, just before the %s: begins at the new name', async (at, other) => {
    const mirror = await mirrorOf(lab);
    const sha = await commitToOrigin(lab, 'main', { b: '2' });
    const rename = `${lab.origin} branch -m main trunk`;
    const folder = join(lab.dir, 'stepping-in');
    // The other question has been answered by then.
    const wait = `while [ ! -e ${folder}/ended-${other} ]; do sleep 0.02; done`;
    await steppingIn(lab, at, `${wait}; git -C ${rename}`);
    expect(await mirrorOf(lab)).toBe(mirror);
    expect(await resolveBase(mirror)).toEqual({ branch: 'trunk', sha });
  });

  it('keeps what agents have made in it: branches, tags and saved work', async () => {
    const mirror = await mirrorOf(lab);
    const sha = await git(mirror, 'rev-parse', 'origin/main');
    const own = ['refs/heads/main', 'refs/heads/heartbead/a/1-abcd', 'refs/heartbead/a/1-abcd/wip', 'refs/tags/mine'];
    for (const ref of own) await git(mirror, 'update-ref', ref, sha);
    await commitToOrigin(lab, 'main', { b: '2' });
    await mirrorOf(lab);
    expect(await refs(mirror)).toEqual(expect.arrayContaining(own));
    expect(await git(mirror, 'rev-parse', 'refs/heads/main')).toBe(sha);
  });

  it('is not led astray by a branch called HEAD', async () => {
    const main = await git(lab.seed, 'rev-parse', 'HEAD');
    await mirrorOf(lab);
    await commit(lab.seed, { evil: '1' });
    await git(lab.seed, 'push', '--quiet', 'origin', 'HEAD:refs/heads/HEAD');
    const mirror = await mirrorOf(lab);
    expect(await resolveBase(mirror)).toEqual({ branch: 'main', sha: main });
    // Nor when nothing else says what origin/HEAD is.
    await git(lab.origin, 'update-ref', '--no-deref', 'HEAD', main);
    const { path: fresh } = await updateMirror({ root: join(lab.dir, 'fresh'), repo: lab.origin });
    expect(await refs(fresh)).toEqual(['refs/remotes/origin/main']);
  });

  it('gets its settings back when an agent has changed the configuration they share', async () => {
    const mirror = await mirrorOf(lab);
    await git(mirror, 'config', 'remote.origin.url', '/nowhere');
    await git(mirror, 'config', 'gc.auto', '1');
    await git(mirror, 'config', '--add', 'remote.origin.fetch', '+refs/heads/*:refs/heads/*');
    await git(mirror, 'config', 'core.hooksPath', '/tmp');
    await mirrorOf(lab);
    expect(await git(mirror, 'config', '--get-all', 'remote.origin.url')).toBe(lab.origin);
    expect(await git(mirror, 'config', '--get-all', 'remote.origin.fetch')).toBe('+refs/heads/*:refs/remotes/origin/*');
    expect(await git(mirror, 'config', 'gc.auto')).toBe('0');
  });

  it('can be of an empty repository, of one with a detached HEAD, and of one with SHA-256 ids', async () => {
    const empty = join(lab.dir, 'empty.git');
    await git(lab.dir, 'init', '--quiet', '--bare', empty);
    const mirror = await mirrorOf(lab, empty);
    await expect(resolveBase(mirror)).rejects.toMatchObject({
      kind: 'no_such_ref',
      message: expect.stringContaining('push a first commit') as string,
    });
    await git(lab.seed, 'push', '--quiet', empty, 'HEAD:main');
    await mirrorOf(lab, empty);
    expect((await resolveBase(mirror)).branch).toBe('main');

    const sha = await git(lab.origin, 'rev-parse', 'main');
    await git(lab.origin, 'update-ref', '--no-deref', 'HEAD', sha);
    const detached = await mirrorOf(lab);
    await expect(resolveBase(detached)).rejects.toMatchObject({
      kind: 'no_such_ref',
      message: expect.stringContaining('main') as string,
    });
    expect(await resolveBase(detached, 'main')).toEqual({ branch: 'main', sha });

    const long = join(lab.dir, 'long');
    await git(lab.dir, 'init', '--quiet', '--object-format=sha256', long);
    const id = await commit(long, { a: '1' });
    expect(id).toHaveLength(64);
    expect(await resolveBase(await mirrorOf(lab, long))).toEqual({ branch: 'main', sha: id });
  });

  it('names the default branch when the wanted one does not exist', async () => {
    const mirror = await mirrorOf(lab);
    await expect(resolveBase(mirror, 'mian')).rejects.toMatchObject({
      kind: 'no_such_ref',
      message: expect.stringMatching(/no branch "mian".*default branch is main/) as string,
    });
    await expect(resolveBase(mirror, 'HEAD')).rejects.toMatchObject({ kind: 'no_such_ref' });
  });

  it('is packed without losing what no ref reaches', async () => {
    const mirror = await mirrorOf(lab);
    const tree = await git(mirror, 'rev-parse', 'origin/main^{tree}');
    const make = (name: string): Promise<string> => git(mirror, 'commit-tree', tree, '-m', name);
    const first = await make('unreachable, packed in the first round');
    expect(await packMirror(mirror)).toBe(false);
    expect(await packMirror(mirror, undefined, { loose: 1, packs: 50 })).toBe(true);
    const second = await make('unreachable, still loose');
    await packMirror(mirror, undefined, { loose: 1, packs: 50 });
    for (const sha of [first, second]) expect(await git(mirror, 'cat-file', '-t', sha)).toBe('commit');
    expect(await git(mirror, 'count-objects')).toMatch(/^0 objects/);
  });
});

describe('a clone that takes its time', () => {
  it('tells how far it is', async () => {
    await commitToOrigin(lab, 'main', bulk());
    const told: GitProgress[] = [];
    await updateMirror({ root: lab.root, repo: lab.origin, onProgress: (progress) => told.push(progress) });
    expect(told.filter(({ phase }) => phase === 'receiving objects').map(({ percent }) => percent)).toEqual(
      expect.arrayContaining([0, 50, 100]),
    );
    expect(told.map(({ phase }) => phase)).toContain('counting objects');
  });

  it('is shared: of twelve callers one clones, all hear the progress, and none fetches again', async () => {
    await commitToOrigin(lab, 'main', bulk());
    const remote = await slowRemote(lab);
    const commands = await countingGit(lab);
    const heard = Array.from({ length: 12 }, () => new Set<string>());
    const calls = heard.map((phases) =>
      updateMirror({ root: lab.root, repo: lab.origin, onProgress: ({ phase }) => phases.add(phase) }),
    );
    await remote.reached();
    await remote.go();
    const paths = new Set((await Promise.all(calls)).map(({ path }) => path));
    expect(paths.size).toBe(1);
    expect((await commands()).filter((line) => line.includes(' fetch '))).toHaveLength(1);
    for (const phases of heard) expect(phases).toContain('receiving objects');
  });

  it('is not shared with a call that came after it began, for that one may need a newer commit', async () => {
    await mirrorOf(lab);
    await commitToOrigin(lab, 'main', bulk());
    const remote = await slowRemote(lab);
    const first = mirrorOf(lab);
    await remote.reached();
    const newest = await commitToOrigin(lab, 'main', { late: '1' });
    const second = mirrorOf(lab);
    await remote.go();
    await first;
    expect(await resolveBase(await second)).toEqual({ branch: 'main', sha: newest });
  });

  it('ends with the signal, leaves nothing, and a waiting caller goes on with a clone of its own', async () => {
    await commitToOrigin(lab, 'main', bulk());
    const remote = await slowRemote(lab);
    const stop = new AbortController();
    const first = updateMirror({ root: lab.root, repo: lab.origin, signal: stop.signal });
    const firstEnd = expect(first).rejects.toThrow('cancelled by the test');
    await remote.reached();
    const impatient = new AbortController();
    const waiting = expect(
      updateMirror({ root: lab.root, repo: lab.origin, signal: impatient.signal }),
    ).rejects.toThrow('tired of waiting');
    impatient.abort(new Error('tired of waiting'));
    await waiting;
    const second = mirrorOf(lab);
    stop.abort(new Error('cancelled by the test'));
    await firstEnd;
    await remote.go();
    expect((await resolveBase(await second)).branch).toBe('main');
    expect(await mirrorNames()).toHaveLength(1);
    expect(await gitChildrenOf(process.pid)).toEqual([]);
  });

  it('whose git is killed fails clearly, leaves nothing, and works the next time', async () => {
    await commitToOrigin(lab, 'main', bulk());
    const remote = await slowRemote(lab);
    const failing = expect(mirrorOf(lab)).rejects.toMatchObject({
      name: 'GitError',
      message: expect.stringMatching(/SIGKILL/) as string,
      mayPass: true,
    });
    await remote.reached();
    for (const pid of await gitChildrenOf(process.pid)) process.kill(pid, 'SIGKILL');
    await failing;
    // Not one helper goes on with the clone (index-pack, upload-pack, the making of the pack).
    await until(async () => (await processesIn(lab.dir)).length === 0);
    expect(await mirrorNames()).toEqual([]);
    await remote.go();
    expect((await resolveBase(await mirrorOf(lab))).branch).toBe('main');
  });

  it('whose whole worker is killed leaves nothing that is taken for a mirror, and the next worker clears up', async () => {
    await commitToOrigin(lab, 'main', bulk());
    const remote = await slowRemote(lab);
    const script = fileURLToPath(new URL('clone-process.ts', import.meta.url));
    const worker = execa(process.execPath, ['--import', 'tsx', script, lab.root, lab.origin], { reject: false });
    try {
      await remote.reached();
    } finally {
      worker.kill('SIGKILL');
    }
    await worker;
    expect(await mirrorNames()).toEqual([expect.stringMatching(/\.git\.cloning-/)]);
    await remote.go();
    const mirror = await mirrorOf(lab);
    expect((await resolveBase(mirror)).branch).toBe('main');
    // The git of the dead worker may write until it notices the closed pipe; the next call then removes what it wrote.
    await until(async () => (await mirrorOf(lab), (await mirrorNames()).length === 1));
    await git(mirror, 'fsck', '--connectivity-only');
  });
});

describe('an update', () => {
  it('of a mirror that has all asks one question, fetches nothing, and tells the refs', async () => {
    const branch = await commitToOrigin(lab, 'main', { a: '1' });
    await git(lab.seed, 'tag', '--annotate', '--message=one', 'v1', branch);
    await git(lab.seed, 'push', '--quiet', 'origin', 'v1');
    const mirror = await mirrorOf(lab);
    await git(mirror, 'update-ref', 'refs/tags/own', branch);
    await git(mirror, 'update-ref', 'refs/heartbead/b/1-abcdefgh/wip', branch);
    const known = await readMirrorRefs(mirror, { bead: 'b' });
    const commands = await countingGit(lab);
    const update = { root: lab.root, repo: lab.origin, bead: 'b', answerWithin: 60_000 };
    expect(await updateMirror(update)).toEqual({ path: mirror, known });
    expect((await commands()).map((line) => / (fetch|ls-remote|for-each-ref) /.exec(line)?.[1]).sort()).toEqual([
      'for-each-ref',
      'ls-remote',
    ]);
    const moved = await commitToOrigin(lab, 'main', { a: '2' });
    expect((await updateMirror(update)).known).toBeUndefined();
    expect((await resolveBase(mirror)).sha).toBe(moved);
  });

  it('leaves out the branches of attempts where nobody asks for them, and brings them for the next who does', async () => {
    const mirror = await mirrorOf(lab);
    const start = { root: lab.root, repo: lab.origin, exceptAttempts: 'heartbead', answerWithin: 60_000 };
    const pushed = await commit(lab.seed, { b: '1' });
    await git(lab.seed, 'push', '--quiet', 'origin', `${pushed}:refs/heads/heartbead/b/1-abcdefgh`);
    const commands = await countingGit(lab);
    const update = { root: lab.root, repo: lab.origin };
    const { known } = await updateMirror(start);
    expect(known?.refs.has('refs/remotes/origin/main')).toBe(true);
    expect(await refs(mirror)).not.toContain('refs/remotes/origin/heartbead/b/1-abcdefgh');
    const asked = async (): Promise<number> => (await commands()).filter((line) => line.includes(' ls-remote ')).length;
    const before = await asked();
    // In whatever order they come to their turn: a start serves no call that wants all, and one start serves the other.
    const [, , all] = await Promise.all([updateMirror(start), updateMirror(start), updateMirror(update)]);
    expect(all.known).toBeUndefined();
    expect(await refs(mirror)).toContain('refs/remotes/origin/heartbead/b/1-abcdefgh');
    expect((await asked()) - before).toBeLessThanOrEqual(2);
    await git(lab.seed, 'push', '--quiet', 'origin', `${pushed}:refs/heads/heartbead/b/anything`);
    expect((await updateMirror(start)).known).toBeUndefined();
  });

  it('does not wait for what a remote that is slow says of its refs', async () => {
    const mirror = await mirrorOf(lab);
    const moved = await commitToOrigin(lab, 'main', { a: '2' });
    await steppingIn(lab, 'ls-remote', `while [ ! -e ${lab.dir}/stepping-in/ended-fetch ]; do sleep 0.05; done`);
    await mirrorOf(lab);
    expect((await resolveBase(mirror)).sha).toBe(moved);
  });

  it.each<[string, RemoteRefs, boolean]>([
    ['the same refs', remote(), true],
    ['a branch more', remote({ 'refs/heads/b': two }), false],
    ['another commit of a branch', remote({ 'refs/heads/main': two }), false],
    ['a branch fewer', { head: 'refs/heads/main', refs: new Map([['refs/tags/v1', two]]) }, false],
    ['a tag more', remote({ 'refs/tags/v2': two }), false],
    ['a tag that has moved', remote({ 'refs/tags/v1': one }), false],
    ['a tag fewer, for tags are kept', { head: 'refs/heads/main', refs: new Map([['refs/heads/main', one]]) }, true],
    [
      'the commit of a tag, and refs that nobody follows',
      remote({ 'refs/tags/v1^{}': one, 'refs/pull/1/head': two }),
      true,
    ],
    ['a branch called HEAD', remote({ 'refs/heads/HEAD': two, HEAD: one }), true],
    ['another default branch', { ...remote(), head: 'refs/heads/trunk' }, false],
    ['no default branch', { refs: remote().refs }, false],
  ])('is needed, or not, where the remote has %s', (_, says, nothingNew) => {
    const known: MirrorRefs = {
      standard: 'refs/remotes/origin/main',
      refs: new Map([
        ['refs/remotes/origin/main', one],
        ['refs/tags/v1', two],
        ['refs/heartbead/b/1-abcdefgh/wip', two],
      ]),
    };
    expect(isUpToDate(known, says)).toBe(nothingNew);
  });

  it.each<[string, string, boolean]>([
    ['a branch of an attempt', 'heartbead/b/1-abcdefgh', true],
    ['a branch of an attempt below another prefix', 'team/b/1-abcdefgh', false],
    ['a branch below the prefix that is of no attempt', 'heartbead/b', false],
  ])('is needed, or not, for a start, where %s is new, or gone', (_, branch, nothingNew) => {
    const known = new Map([['refs/remotes/origin/main', one]]);
    const standard = 'refs/remotes/origin/main';
    const grown = new Map([...known, [`refs/remotes/origin/${branch}`, two]]);
    const bare: RemoteRefs = { head: 'refs/heads/main', refs: new Map([['refs/heads/main', one]]) };
    const more: RemoteRefs = { ...bare, refs: new Map([...bare.refs, [`refs/heads/${branch}`, two]]) };
    expect(isUpToDate({ standard, refs: known }, more, 'heartbead')).toBe(nothingNew);
    expect(isUpToDate({ standard, refs: grown }, bare, 'heartbead')).toBe(nothingNew);
    expect(isUpToDate({ standard, refs: known }, more)).toBe(false);
  });
});

describe('an update after a kill', () => {
  const aged = async (file: string, seconds: number): Promise<void> => {
    await writeFile(file, '');
    const then = new Date(Date.now() - seconds * 1_000);
    await utimes(file, then, then);
  };

  it('removes the locks of the dead, waits for young ones, and leaves those of agents alone', async () => {
    const mirror = await mirrorOf(lab);
    await git(mirror, 'worktree', 'add', '--quiet', '-b', 'agent', join(lab.dir, 'w'), 'origin/main');
    const stale = ['packed-refs.lock', 'config.lock', 'refs/remotes/origin/main.lock', 'objects/pack/tmp_pack_dead'];
    for (const name of stale.slice(0, 3)) await aged(join(mirror, name), 60);
    await aged(join(mirror, 'objects/pack/tmp_pack_dead'), 7 * 3_600);
    await aged(join(mirror, 'objects/pack/tmp_pack_alive'), 3_600);
    await aged(join(mirror, 'refs/remotes/origin/old.lock'), 9);
    const agents = ['worktrees/w/index.lock', 'refs/heads/agent.lock'];
    for (const name of agents) await aged(join(mirror, name), 60);
    await commitToOrigin(lab, 'main', { b: '2' });
    await git(lab.seed, 'push', '--quiet', 'origin', 'HEAD:old');
    await mirrorOf(lab);
    for (const name of [...stale, 'refs/remotes/origin/old.lock'])
      expect(await has(join(mirror, name)), name).toBe(false);
    for (const name of [...agents, 'objects/pack/tmp_pack_alive'])
      expect(await has(join(mirror, name)), name).toBe(true);
    expect(await git(mirror, 'rev-parse', 'origin/main')).toBe(await git(lab.seed, 'rev-parse', 'HEAD'));
  });

  it('in mid-fetch gets all that the first one would have got', async () => {
    const mirror = await mirrorOf(lab);
    const newest = await commitToOrigin(lab, 'main', bulk());
    const remote = await slowRemote(lab);
    const failing = expect(mirrorOf(lab)).rejects.toMatchObject({ name: 'GitError' });
    await remote.reached();
    for (const pid of await gitChildrenOf(process.pid)) process.kill(pid, 'SIGKILL');
    await failing;
    await remote.go();
    await mirrorOf(lab);
    expect(await resolveBase(mirror)).toEqual({ branch: 'main', sha: newest });
    await git(mirror, 'fsck', '--connectivity-only');
  });
});
