import { appendFile, cp, mkdir, readFile, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { beforeEach, describe, expect, it } from 'vitest';
import {
  createWorktree,
  pushBranch,
  removeProvenWorktree,
  resolveBase,
  saveWip,
  updateMirror,
  worktreeStatus,
} from '../../../src/git/index.js';
import { mergeItem } from '../../../src/git/merge/merge-item.js';
import { readMirrorNews } from '../../../src/git/mirror-news.js';
import type { MergeOutcome } from '../../../src/contract/index.js';
import { commit, commitToOrigin, git, mirrorOf, put, remoteSha, useLab } from './lab.js';

const lab = useLab();
const attempt = '1-abcd';
/** By another protocol than a plain path, so that the settings for remotes by URL have something to fit. */
let repo = '';
let markers = '';
let mirror = '';

beforeEach(async () => {
  repo = `file://${lab.origin}`;
  markers = join(lab.dir, 'markers');
  await mkdir(markers);
  await commitToOrigin(lab, 'main', { 'a.txt': 'a\n', 'b.txt': 'b\n' });
  mirror = await mirrorOf(lab, repo);
});

const treeOf = (bead: string): string => join(lab.dir, 'attempts', `${attempt}__${bead}`, `${bead}-${attempt}`);
const branchOf = (bead: string): string => `heartbead/${bead}/${attempt}`;

async function start(bead: string): Promise<string> {
  await updateMirror({ root: lab.root, repo });
  const path = treeOf(bead);
  await createWorktree({ mirror, path, branch: branchOf(bead), at: (await resolveBase(mirror)).sha });
  return path;
}
const save = (bead: string): ReturnType<typeof saveWip> =>
  saveWip({ worktree: treeOf(bead), bead, attempt, push: true, remote: repo });
const push = (bead: string): ReturnType<typeof pushBranch> =>
  pushBranch({ worktree: treeOf(bead), remote: repo, bead, attempt });
const remove = (bead: string): ReturnType<typeof removeProvenWorktree> =>
  removeProvenWorktree({ mirror, path: treeOf(bead), remote: repo, bead, attempt });
/** Lands what a bead has pushed, with a check that leaves its worst behind. */
const land = (bead: string, sha: string, check: (tree: string) => Promise<void>): Promise<MergeOutcome> =>
  mergeItem(
    {
      repo,
      mirrors: lab.root,
      scratch: join(lab.dir, 'refinery', 'rig', bead),
      item: { item: bead, branch: branchOf(bead), sha, target: 'main', title: `Add ${bead}` },
      runChecks: (tree) => check(tree).then(() => undefined),
      say: () => undefined,
      warn: (text, error) => expect.fail(`${text}: ${String(error)}`),
      observe: () => undefined,
      confirm: () => undefined,
    },
    'merge',
  );

/** A program that leaves a marker, and then does what it was called for. */
const evil = (name: string, then = ''): string => `touch ${join(markers, name)}; ${then}`;

/** Every setting of git that runs a program or sends git elsewhere, for the configuration of a repository. */
async function settings(): Promise<string> {
  const mine = join(lab.dir, 'mine.git');
  await git(lab.dir, 'init', '--quiet', '--bare', mine);
  const script = async (name: string, then = 'cat'): Promise<string> => {
    const path = join(lab.dir, `evil-${name}`);
    await writeFile(path, `#!/bin/sh\n${evil(name, then)}\n`, { mode: 0o755 });
    return path;
  };
  const hooks = join(lab.dir, 'evil-hooks');
  await mkdir(hooks, { recursive: true });
  for (const hook of [
    'applypatch-msg pre-applypatch post-applypatch pre-commit pre-merge-commit prepare-commit-msg commit-msg ' +
      'post-commit',
    'pre-rebase post-checkout post-merge pre-push pre-receive update proc-receive post-receive post-update',
    'reference-transaction push-to-checkout pre-auto-gc post-rewrite sendemail-validate fsmonitor-watchman ' +
      'post-index-change',
  ].flatMap((line) => line.split(' ')))
    await writeFile(join(hooks, hook), `#!/bin/sh\n${evil(`hook-${hook}`)}\n`, { mode: 0o755 });
  await writeFile(
    join(lab.dir, 'included'),
    `[core]\n\tfsmonitor = "${evil('included')}"\n[filter "evil"]\n\tclean = "${evil('included-clean', 'cat')}"\n`,
  );
  await writeFile(join(lab.dir, 'attributes'), '* filter=evil diff=evil merge=evil\n');
  await writeFile(join(lab.dir, 'excludes'), '*\n');
  const quoted = (value: string): string => `"${value.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
  const lines = (section: string, values: Record<string, string>): string =>
    `[${section}]\n${Object.entries(values)
      .map(([name, value]) => `\t${name} = ${quoted(value)}\n`)
      .join('')}`;
  return [
    lines('core', {
      fsmonitor: await script('fsmonitor', ''),
      hooksPath: hooks,
      sshCommand: evil('sshCommand'),
      askPass: await script('askPass'),
      editor: evil('editor'),
      pager: evil('pager'),
      gitProxy: await script('gitProxy'),
      alternateRefsCommand: evil('alternateRefsCommand'),
      attributesFile: join(lab.dir, 'attributes'),
      excludesFile: join(lab.dir, 'excludes'),
      worktree: lab.dir,
      sparseCheckout: 'true',
    }),
    lines('filter "evil"', {
      clean: evil('clean', 'cat'),
      smudge: evil('smudge', 'cat'),
      process: evil('process'),
      required: 'true',
    }),
    lines('diff', { external: await script('diff-external') }),
    lines('diff "evil"', { command: await script('diff-command'), textconv: await script('textconv') }),
    lines('merge "evil"', { driver: evil('merge-driver', 'echo driven > %A') }),
    lines('credential', { helper: `!${evil('credential')}` }),
    lines(`url "${mine}"`, { insteadOf: repo, pushInsteadOf: repo }),
    lines(`url "${mine}/"`, { insteadOf: lab.origin, pushInsteadOf: lab.origin }),
    ...['origin', repo, lab.origin].map((remote) =>
      lines(`remote "${remote}"`, {
        url: mine,
        pushurl: mine,
        receivepack: evil(`receivepack-${remote.length}`, 'git-receive-pack'),
        uploadpack: evil(`uploadpack-${remote.length}`, 'git-upload-pack'),
        proxy: 'http://127.0.0.1:9',
        vcs: 'evil',
      }),
    ),
    lines('http', { proxy: 'http://127.0.0.1:9' }),
    lines('include', { path: join(lab.dir, 'included') }),
    lines(`includeIf "gitdir:${lab.dir}/**"`, { path: join(lab.dir, 'included') }),
    lines('gpg', { program: await script('gpg'), format: 'openpgp' }),
    lines('gpg "ssh"', { program: await script('gpg-ssh'), defaultKeyCommand: evil('gpg-key') }),
    lines('commit', { gpgSign: 'true' }),
    lines('push', { gpgSign: 'if-asked', recurseSubmodules: 'on-demand' }),
    lines('gc', { auto: '1', recentObjectsHook: evil('recentObjects'), autoDetach: 'false' }),
    lines('maintenance', { auto: 'true', strategy: 'incremental' }),
    lines('submodule "sub"', { update: `!${evil('submodule-update')}`, active: 'true', url: mine }),
    lines('protocol', { allow: 'always' }),
    lines('protocol "ext"', { allow: 'always' }),
    lines('uploadpack', { packObjectsHook: await script('packObjects', 'exec "$@"') }),
    lines('receive', { procReceiveRefs: 'refs' }),
    lines('alias', { status: `!${evil('alias-status')}`, add: `!${evil('alias-add')}` }),
    lines('interactive', { diffFilter: evil('diffFilter') }),
    lines('sequence', { editor: evil('sequence-editor') }),
    lines('trace2', { eventTarget: join(markers, 'trace2') }),
    lines('trailer "evil"', {
      key: 'Evil',
      command: evil('trailer-command'),
      cmd: evil('trailer-cmd'),
      ifExists: 'add',
    }),
    lines('hook "evil"', { command: evil('hook-of-the-configuration'), event: 'post-index-change' }),
    lines(`credential "${repo}"`, { helper: `!${evil('credential-of-url')}` }),
    lines(`http "${repo}"`, { proxy: 'http://127.0.0.1:9' }),
    lines('gpg "x509"', { program: await script('gpg-x509') }),
    // What an object that is missing would be fetched from.
    lines('remote "origin"', { promisor: 'true', partialCloneFilter: 'blob:none' }),
    lines('extensions', { partialClone: 'origin', worktreeConfig: 'true', preciousObjects: 'true' }),
    lines('bundle "evil"', { uri: `file://${mine}` }),
    lines('fetch', { bundleURI: `file://${mine}`, recurseSubmodules: 'true' }),
    lines('lfs', { url: `file://${mine}`, standaloneTransferAgent: 'evil', concurrentTransfers: '1' }),
    lines('lfs "customtransfer.evil"', { path: await script('lfs-transfer'), args: '' }),
    lines('lfs "extension.evil"', {
      clean: evil('lfs-clean', 'cat'),
      smudge: evil('lfs-smudge', 'cat'),
      priority: '0',
    }),
    lines('sendpack', { sideband: 'false' }),
    lines('pack', { packSizeLimit: '1' }),
  ].join('');
}

/**
 * Each setting that the git of this machine knows, those of years to come included: most of them take no program, and
 * then git would not get past its value.
 */
async function knownSettings(): Promise<string> {
  const names = (await git(lab.dir, 'help', '--config'))
    .split('\n')
    .filter((name) => /^[a-z][\w-]*\..*[\w*>]$/i.test(name));
  expect(names.length).toBeGreaterThan(500);
  return names
    .map((name) => {
      const [, section = '', within, key = ''] = /^([^.]+)(?:\.(.+))?\.([^.]+)$/.exec(name) ?? [];
      const of = within === undefined ? '' : ` "${within.replace(/<.*?>|\*/g, 'evil')}"`;
      return `[${section}${of}]\n\t${key.replace(/<.*?>|\*/g, 'evil')} = "${evil(`known-${section}-${key.replace(/\W/g, '')}`)}"\n`;
    })
    .join('');
}

/** Everything at once, written as files, so that no command of the attacker's own has set a marker. */
async function poison(gitDir: string, known = ''): Promise<void> {
  await appendFile(join(gitDir, 'config'), known + (await settings()));
  const [main, other] = [
    await git(mirror, 'rev-parse', 'origin/main'),
    await commit(lab.seed, { 'backdoor.txt': 'x\n' }),
  ];
  await git(mirror, 'fetch', '--quiet', lab.seed, other);
  await put(gitDir, {
    'info/attributes': '* filter=evil diff=evil merge=evil\n',
    'info/grafts': `${main}\n${other}\n`,
    'info/sparse-checkout': '/nothing\n',
    [`refs/replace/${main}`]: `${other}\n`,
    'objects/info/commit-graph': 'rubbish',
    'config.worktree': '[core]\n\tbare = true\n',
    commondir: `${lab.seed}/.git\n`,
  });
  await appendFile(join(gitDir, 'objects/info/alternates'), `${join(lab.dir, 'nowhere')}\n${lab.seed}/.git/objects\n`);
  await rm(join(gitDir, 'hooks'), { recursive: true, force: true });
  await cp(join(lab.dir, 'evil-hooks'), join(gitDir, 'hooks'), { recursive: true });
}

describe('every setting that runs a program or sends git elsewhere, set by one attempt', () => {
  it(
    'leaves no marker while its own work and that of another bead is made, saved, pushed, checked and merged',
    { timeout: 300_000 },
    async () => {
      const path = await start('attacker');
      const base = await git(path, 'rev-parse', 'HEAD');
      const sha = await commit(path, { 'a.txt': 'mine\n', '.gitattributes': '* filter=evil diff=evil merge=evil\n' });
      await git(lab.dir, 'clone', '--quiet', lab.origin, join(path, 'inner'));
      await put(path, { 'b.txt': 'changed\n', 'new.txt': 'n\n' });
      const known = await knownSettings();
      await poison(join(path, '.git'), known);
      await poison(join(path, 'inner', '.git'), known);
      await put(path, { 'inner/a.txt': 'changed\n' });

      const saved = await save('attacker');
      expect(saved).toMatchObject({ pushed: true, checkpoint: { wip: true } });
      expect(saved.trouble).toBeUndefined();
      expect(await git(mirror, 'show', `${saved.checkpoint.sha}:b.txt`)).toBe('changed');
      expect(await worktreeStatus(path)).toMatchObject({
        head: sha,
        dirty: true,
        entries: [{ path: 'b.txt' }, { path: 'inner/' }, { path: 'new.txt' }],
      });
      expect(await remove('attacker')).toMatchObject({ removed: false, reason: expect.stringMatching(/inner within/) });
      expect(await push('attacker')).toMatchObject({ sha });
      expect(await remove('attacker')).toMatchObject({ removed: false, reason: expect.stringMatching(/inner within/) });
      await rm(join(path, 'inner'), { recursive: true });
      expect(await worktreeStatus(path)).toMatchObject({ entries: [{ path: 'b.txt' }, { path: 'new.txt' }] });
      // The check is the agent's own code: what it does to the tree that it runs in goes no further either.
      const landed = await land('attacker', sha, (tree) => poison(join(tree, '.git'), known));
      expect(landed).toMatchObject({ outcome: 'merged' });

      const other = await start('innocent');
      await put(other, { 'c.txt': 'c\n' });
      expect(await save('innocent')).toMatchObject({ pushed: true, checkpoint: { wip: true } });
      const own = await commit(other, {});
      expect(await worktreeStatus(other)).toMatchObject({ head: own, dirty: false });
      expect(await push('innocent')).toMatchObject({ sha: own });
      expect(await land('innocent', own, () => Promise.resolve())).toMatchObject({ outcome: 'merged' });
      expect(await remove('innocent')).toMatchObject({ removed: true });
      await save('attacker');
      expect(await remove('attacker')).toMatchObject({ removed: true });

      expect(await readdir(markers)).toEqual([]);
      expect(await git(join(lab.dir, 'mine.git'), 'for-each-ref')).toBe('');
      expect(await git(lab.origin, 'ls-tree', '--name-only', 'main')).toBe(
        '.gitattributes\nREADME.md\na.txt\nb.txt\nc.txt',
      );
      expect(await git(lab.origin, 'show', 'main:a.txt', 'main:b.txt')).toBe('mine\nb');
      expect(await git(lab.origin, 'rev-list', '--count', `${base}..main`)).toBe('4');
      expect(await readMirrorNews(lab.root)).toEqual([]);
    },
  );

  it('would have left many, had git been run there', async () => {
    const path = await start('attacker');
    await put(path, { 'a.txt': 'changed\n' });
    await poison(join(path, '.git'));
    await rm(join(path, '.git', 'commondir'));
    const config = await readFile(join(path, '.git', 'config'), 'utf8');
    await writeFile(
      join(path, '.git', 'config'),
      config.replace(
        /\tworktree = .*\n|\tvcs = .*\n|\trequired = .*\n|\tprocess = .*\n|\[extensions\]\n(?:\t.*\n)*/g,
        '',
      ),
    );
    for (const args of [['status'], ['add', '--all'], ['commit', '-m', 'x'], ['push', repo, 'HEAD:refs/heads/x']])
      await execa('git', ['-C', path, ...args], { reject: false });
    expect(await readdir(markers)).toEqual(
      expect.arrayContaining(['hook-post-index-change', 'hook-pre-push', 'included-clean']),
    );
  });
});

describe('what an agent does to its git', () => {
  const seen = async (victim: string): Promise<unknown> => ({
    log: await git(victim, 'log', '--format=%H %s'),
    status: await git(victim, 'status', '--porcelain'),
    refs: await git(victim, 'for-each-ref'),
    stash: await git(victim, 'stash', 'list'),
    config: await readFile(join(victim, '.git', 'config'), 'utf8'),
    worktrees: await git(victim, 'worktree', 'list'),
  });
  const dotGit = (path: string): string => join(path, '.git');

  it.each<[string, (path: string, victim: string) => Promise<unknown>]>([
    [
      'a collection that keeps nothing',
      async (path) => {
        await git(path, 'reflog', 'expire', '--expire=now', '--all');
        await git(path, 'gc', '--quiet', '--prune=now', '--aggressive');
        await git(path, 'repack', '-a', '-d', '-q');
        await git(path, 'prune', '--expire=now');
      },
    ],
    [
      'worktrees pruned and removed',
      async (path, victim) => {
        await git(path, 'worktree', 'prune', '--expire=now');
        for (const tree of (await git(path, 'worktree', 'list', '--porcelain')).match(/(?<=^worktree ).*/gm) ?? [])
          await execa('git', ['-C', path, 'worktree', 'remove', '--force', '--force', tree], { reject: false });
        await execa('git', ['-C', path, 'worktree', 'remove', '--force', '--force', victim], { reject: false });
      },
    ],
    [
      'all refs deleted',
      async (path) => {
        for (const ref of (await git(path, 'for-each-ref', '--format=%(refname)')).split('\n'))
          await git(path, 'update-ref', '-d', ref);
      },
    ],
    ['rubbish in the configuration', (path) => appendFile(join(dotGit(path), 'config'), 'this is no config\n')],
    [
      'a configuration for each worktree',
      async (path) => {
        await git(path, 'config', 'extensions.worktreeConfig', 'true');
        await git(path, 'config', 'core.bare', 'true');
      },
    ],
    [
      'an identity, a remote and hooks of its own',
      async (path) => {
        await git(path, 'config', 'user.name', 'Mallory');
        await git(path, 'config', 'core.hooksPath', '.husky');
        await git(path, 'remote', 'add', 'mine', lab.dir);
      },
    ],
    ['a format of the future', (path) => git(path, 'config', 'core.repositoryformatversion', '99')],
    [
      'a stash',
      async (path, victim) => {
        await put(path, { 'a.txt': 'stashed\n' });
        await git(path, 'stash', '--quiet');
        await put(victim, { 'a.txt': 'mine\n' });
        await git(victim, 'stash', '--quiet');
        await git(path, 'stash', 'pop', '--quiet');
        await git(victim, 'stash', 'pop', '--quiet');
        expect(await readFile(join(victim, 'a.txt'), 'utf8')).toBe('mine\n');
        await git(victim, 'checkout', '--quiet', '--', 'a.txt');
      },
    ],
    [
      'main checked out, the branch of the attempt deleted',
      async (path) => {
        await git(path, 'checkout', '--quiet', 'main');
        await git(path, 'branch', '--quiet', '-D', branchOf('careless'));
      },
    ],
    ['a branch without history', (path) => git(path, 'checkout', '--quiet', '--orphan', 'fresh')],
    ['a HEAD that is gone', (path) => rm(join(dotGit(path), 'HEAD'))],
    ['no .git at all', (path) => rm(dotGit(path), { recursive: true })],
    [
      'a .git that is a link to that of the neighbour',
      async (path, victim) => (await rm(dotGit(path), { recursive: true }), symlink(dotGit(victim), dotGit(path))),
    ],
    [
      'a .git that is a file and points to that of the neighbour',
      async (path, victim) => (
        await rm(dotGit(path), { recursive: true }),
        writeFile(dotGit(path), `gitdir: ${dotGit(victim)}\n`)
      ),
    ],
    ['objects that are gone', (path) => rm(join(dotGit(path), 'objects'), { recursive: true })],
    ['an index that nobody can read', (path) => writeFile(join(dotGit(path), 'index'), 'DIRC rubbish')],
    ['locks that stay', (path) => put(dotGit(path), { 'index.lock': '', 'HEAD.lock': '', 'packed-refs.lock': '' })],
    ['a split index', (path) => git(path, 'update-index', '--split-index')],
  ])('%s: its neighbour notices nothing, and its own files are saved', async (_what, act) => {
    const [path, victim] = [await start('careless'), await start('victim')];
    const base = await git(victim, 'rev-parse', 'HEAD');
    await commit(path, { 'mine.txt': '1\n' });
    await commit(victim, { 'own.txt': '1\n' });
    const before = await seen(victim);
    await act(path, victim);
    await put(path, { 'last.txt': 'the last words\n' });

    expect(await seen(victim)).toEqual(before);
    const saved = await save('careless');
    expect(saved).toMatchObject({ pushed: true });
    expect(await git(mirror, 'show', `${saved.checkpoint.sha}:last.txt`)).toBe('the last words');
    expect(await git(mirror, 'merge-base', '--is-ancestor', base, saved.checkpoint.sha)).toBe('');

    await put(victim, { 'more.txt': '1\n' });
    expect(await save('victim')).toMatchObject({ pushed: true });
    const sha = await commit(victim, {});
    expect(await push('victim')).toEqual({ branch: branchOf('victim'), sha });
    expect(await remoteSha(lab, `refs/heads/${branchOf('victim')}`)).toBe(sha);
    expect(await git(lab.origin, 'rev-list', '--count', `${base}..${sha}`)).toBe('2');
    expect(await remove('victim')).toMatchObject({ removed: true });
    await start('next');
  });
});
