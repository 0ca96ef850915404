import { appendFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  createWorktree,
  ensureCommit,
  gitEnv,
  pushBranch,
  removeProvenWorktree,
  resolveBase,
  saveWip,
  updateMirror,
  verifyRemote,
} from '../../../src/git/index.js';
import { commitToOrigin, git, has, mirrorOf, useLab } from './lab.js';

const lab = useLab();
const sha = 'a'.repeat(40);
const refused = { kind: 'bad_input' };

describe('input that looks like an option or runs a command', () => {
  const repos = (): string[] => [
    `ext::sh -c touch% ${join(lab.dir, 'pwned')}`,
    '--upload-pack=touch pwned',
    'https://ada:secret@example.org/r',
    'ftp://example.org/r',
    '',
    'a\nb',
    '/x\0y',
  ];

  it('is refused as a repository before git is run', async () => {
    for (const repo of repos()) {
      await expect(updateMirror({ root: lab.root, repo })).rejects.toMatchObject(refused);
      await expect(verifyRemote({ root: lab.root, repo, branch: 'main' })).rejects.toMatchObject(refused);
      await expect(
        pushBranch({ worktree: lab.seed, remote: repo, bead: 'a', attempt: '1-abcd' }),
      ).rejects.toMatchObject(refused);
      await expect(
        saveWip({ worktree: lab.seed, remote: repo, bead: 'a', attempt: '1-abcd', push: true }),
      ).rejects.toMatchObject(refused);
    }
    expect(await has(join(lab.dir, 'pwned'))).toBe(false);
  });

  it('is refused as branch, ref, commit, path or id', async () => {
    const mirror = await mirrorOf(lab);
    const path = join(lab.dir, 'w');
    for (const branch of ['--upload-pack=x', '-b', 'a..b', 'a b', 'a.lock', '', 'x~1', '@{u}', 'a:b']) {
      await expect(resolveBase(mirror, branch)).rejects.toMatchObject(refused);
      await expect(createWorktree({ mirror, path, branch, at: sha })).rejects.toMatchObject(refused);
      await expect(verifyRemote({ root: lab.root, repo: lab.origin, branch })).rejects.toMatchObject(refused);
      await expect(ensureCommit(mirror, lab.origin, { sha, ref: branch })).rejects.toMatchObject(refused);
    }
    for (const wrong of ['main', '--all', 'HEAD', sha.slice(1), `${sha}^`]) {
      await expect(createWorktree({ mirror, path, branch: 'b', at: wrong })).rejects.toMatchObject(refused);
      await expect(ensureCommit(mirror, lab.origin, { sha: wrong, ref: 'refs/heads/main' })).rejects.toMatchObject(
        refused,
      );
      await expect(
        verifyRemote({ root: lab.root, repo: lab.origin, branch: 'main', sha: wrong }),
      ).rejects.toMatchObject(refused);
    }
    await expect(createWorktree({ mirror, path: '-w', branch: 'b', at: sha })).rejects.toMatchObject(refused);
    for (const [bead, attempt] of [
      ['../x', '1-abcd'],
      ['a', '1-../..'],
      ['-a', '1-abcd'],
      ['a', ''],
    ] as const) {
      await expect(
        saveWip({ worktree: lab.seed, remote: lab.origin, bead, attempt, push: false }),
      ).rejects.toMatchObject(refused);
      await expect(pushBranch({ worktree: lab.seed, remote: lab.origin, bead, attempt })).rejects.toMatchObject(
        refused,
      );
      await expect(removeProvenWorktree({ mirror, path, remote: lab.origin, bead, attempt })).rejects.toMatchObject(
        refused,
      );
    }
  });

  it('does not come in through the configuration either', async () => {
    await appendFile(
      lab.config,
      `[url "ext::sh -c 'touch ${join(lab.dir, 'pwned')}' #"]\n\tinsteadOf = https://evil.example/\n`,
    );
    await expect(updateMirror({ root: lab.root, repo: 'https://evil.example/r' })).rejects.toMatchObject({
      name: 'GitError',
      stderr: expect.stringContaining("transport 'ext' not allowed") as string,
    });
    expect(await has(join(lab.dir, 'pwned'))).toBe(false);
  });

  it('does not come in through the environment: a GIT_DIR of a surrounding hook is not obeyed', async () => {
    const before = await git(lab.seed, 'for-each-ref');
    process.env['GIT_DIR'] = join(lab.seed, '.git');
    process.env['GIT_WORK_TREE'] = lab.seed;
    process.env['GIT_TRACE'] = '1';
    try {
      const { path } = await updateMirror({ root: lab.root, repo: lab.origin });
      const { sha: base } = await resolveBase(path);
      await createWorktree({ mirror: path, path: join(lab.dir, 'w'), branch: 'heartbead/a/1-abcd', at: base });
    } finally {
      for (const name of ['GIT_DIR', 'GIT_WORK_TREE', 'GIT_TRACE']) delete process.env[name];
    }
    expect(await git(lab.seed, 'for-each-ref')).toBe(before);
    expect(await git(join(lab.dir, 'w'), 'rev-parse', '--abbrev-ref', 'HEAD')).toBe('heartbead/a/1-abcd');
  });
});

describe('the environment of git', () => {
  it('asks nothing, allows only protocols that move data, and keeps how the host authenticates', () => {
    const env = gitEnv({
      PATH: '/bin',
      HOME: '/h',
      GIT_DIR: '/x',
      GIT_INDEX_FILE: 'i',
      GIT_CONFIG_PARAMETERS: "'a.b=c'",
      GIT_ALLOW_PROTOCOL: 'ext',
      GIT_SSH_COMMAND: 'ssh -i k',
      GIT_AUTHOR_NAME: 'Ada',
      SSH_ASKPASS: 'x',
      SSH_AUTH_SOCK: 's',
      LC_ALL: 'de_DE',
      https_proxy: 'http://proxy',
      XDG_CONFIG_HOME: '/h/c',
      ANTHROPIC_API_KEY: 'secret',
      TEMPORAL_API_KEY: 'secret',
      NODE_OPTIONS: '--require x',
    });
    expect(env).toEqual({
      PATH: '/bin',
      HOME: '/h',
      GIT_SSH_COMMAND: 'ssh -i k',
      GIT_AUTHOR_NAME: 'Ada',
      SSH_AUTH_SOCK: 's',
      https_proxy: 'http://proxy',
      XDG_CONFIG_HOME: '/h/c',
      SSH_ASKPASS_REQUIRE: 'never',
      GCM_INTERACTIVE: 'never',
      GIT_TERMINAL_PROMPT: '0',
      GIT_ALLOW_PROTOCOL: 'file:git:http:https:ssh',
      GIT_NO_REPLACE_OBJECTS: '1',
      GIT_GRAFT_FILE: '/dev/null/none',
      GIT_DEFAULT_REF_FORMAT: 'files',
      GIT_OPTIONAL_LOCKS: '0',
      LC_ALL: 'C',
    });
  });

  it('passes on what the operator names, but nothing that steers git', () => {
    const env = gitEnv({ HEARTBEAD_GIT_ENV: 'GH_TOKEN, GIT_DIR', GH_TOKEN: 't', GIT_DIR: '/x', OTHER: 'o' });
    expect(env).toMatchObject({ GH_TOKEN: 't' });
    expect(Object.keys(env)).not.toContain('GIT_DIR');
    expect(Object.keys(env)).not.toContain('OTHER');
  });

  it("keeps an operator's askpass program, but not an editor's window", () => {
    expect(gitEnv({ GIT_ASKPASS: '/bin/token' })['GIT_ASKPASS']).toBe('/bin/token');
    expect(
      gitEnv({ GIT_ASKPASS: '/code/askpass.sh', VSCODE_GIT_ASKPASS_MAIN: '/code/x.js' })['GIT_ASKPASS'],
    ).toBeUndefined();
  });
});

describe('names that are odd but right', () => {
  it('are taken as they are', async () => {
    const base = await commitToOrigin(lab, 'feature/ünï-cödé_1.2', { 'ä ö/ü\t"x".txt': 'x\n' });
    const mirror = await mirrorOf(lab);
    expect(await resolveBase(mirror, 'feature/ünï-cödé_1.2')).toEqual({ branch: 'feature/ünï-cödé_1.2', sha: base });
  });
});
