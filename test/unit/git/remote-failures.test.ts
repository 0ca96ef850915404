import { readdir, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import { createServer as createTcpServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { join } from 'node:path';
import { execa } from 'execa';
import getPort from 'get-port';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  GitError,
  createWorktree,
  ensureCommit,
  pushBranch,
  removeProvenWorktree,
  resolveBase,
  saveWip,
  updateMirror,
  verifyRemote,
} from '../../../src/git/index.js';
import { runGit } from '../../../src/git/run-git.js';
import { commit, commitToOrigin, git, gitChildrenOf, mirrorOf, put, until, useLab } from './lab.js';

const lab = useLab();
beforeEach(() => {
  // A proxy of this machine would answer for the servers below.
  for (const name of ['http_proxy', 'https_proxy', 'HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY', 'all_proxy'])
    vi.stubEnv(name, '');
});

const ended: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ended.splice(0)) await end();
});

async function webServer(status: number, headers: Record<string, string> = {}): Promise<string> {
  const server: Server = createServer((_request, response) => response.writeHead(status, headers).end());
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  ended.push(() => new Promise((closed) => server.close(() => closed())));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/r.git`;
}

/** Takes connections and never says a word. */
async function deafServer(): Promise<{ url: string; connected: () => number }> {
  const sockets: Socket[] = [];
  const server = createTcpServer((socket) => sockets.push(socket.on('error', () => socket.destroy())));
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  ended.push(
    () =>
      new Promise((closed) => {
        for (const socket of sockets) socket.destroy();
        server.close(() => closed());
      }),
  );
  return { url: `git://127.0.0.1:${(server.address() as AddressInfo).port}/r.git`, connected: () => sockets.length };
}

async function failure(work: Promise<unknown>): Promise<GitError> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(GitError);
  return error as GitError;
}

describe('a repository that cannot be had', () => {
  it.each<[number, Record<string, string>, GitError['kind']]>([
    [401, { 'WWW-Authenticate': 'Basic realm="x"' }, 'auth'],
    [403, {}, 'auth'],
    [404, {}, 'not_found'],
    [503, {}, 'unreachable'],
    [429, { 'Retry-After': '1' }, 'unreachable'],
  ])(
    'over HTTP, status %i: one clear sentence, never a question, nothing left on the disk',
    async (status, headers, kind) => {
      const repo = await webServer(status, headers);
      const error = await failure(updateMirror({ root: lab.root, repo }));
      expect(error.kind).toBe(kind);
      expect(error.message).toContain(repo);
      expect(error.message).not.toContain('\n');
      expect(await readdir(lab.root)).toEqual([]);
    },
  );

  it('behind a closed port, an unknown host, or a path with nothing', async () => {
    const port = await getPort();
    expect((await failure(updateMirror({ root: lab.root, repo: `http://127.0.0.1:${port}/r` }))).kind).toBe(
      'unreachable',
    );
    expect((await failure(updateMirror({ root: lab.root, repo: `git://127.0.0.1:${port}/r` }))).kind).toBe(
      'unreachable',
    );
    expect((await failure(updateMirror({ root: lab.root, repo: 'https://heartbead.invalid/r' }))).kind).toBe(
      'unreachable',
    );
    expect((await failure(updateMirror({ root: lab.root, repo: join(lab.dir, 'nothing') }))).kind).toBe('not_found');
    expect((await failure(updateMirror({ root: lab.root, repo: `file://${lab.dir}` }))).kind).toBe('not_found');
  });

  it('is an error for everyone who asks, never an answer', async () => {
    const mirror = await mirrorOf(lab);
    const { sha } = await resolveBase(mirror);
    const path = join(lab.dir, 'w');
    const ids = { bead: 'a', attempt: '1-abcd' };
    await createWorktree({ mirror, path, branch: 'heartbead/a/1-abcd', at: sha });
    await commit(path, { a: '1' });
    await put(path, { b: '2' });
    await rm(lab.origin, { recursive: true });
    await expect(
      verifyRemote({ root: lab.root, repo: lab.origin, branch: 'heartbead/a/1-abcd', baseSha: sha }),
    ).rejects.toMatchObject({ kind: 'not_found' });
    await expect(removeProvenWorktree({ mirror, path, remote: lab.origin, ...ids })).rejects.toMatchObject({
      kind: 'not_found',
    });
    await expect(pushBranch({ worktree: path, remote: lab.origin, ...ids })).rejects.toMatchObject({
      kind: 'not_found',
    });
    await expect(ensureCommit(mirror, lab.origin, { sha: 'b'.repeat(40), ref: 'refs/heads/x' })).rejects.toMatchObject({
      kind: 'not_found',
    });
    expect(await git(path, 'status', '--porcelain')).toBe('?? b');
    // The work is saved here all the same.
    const saved = await saveWip({ worktree: path, remote: lab.origin, push: true, ...ids });
    expect(saved).toMatchObject({ pushed: false, changed: true, pushProblem: { kind: 'not_found' } });
    expect(await git(mirror, 'show', `${saved.checkpoint.sha}:b`)).toBe('2');
  });
});

describe('git that hangs', () => {
  it('is ended, with its helpers, when its limit is over', async () => {
    const { url } = await deafServer();
    const error = await failure(runGit('nowhere', ['ls-remote', url], { doing: 'asking', repo: url, limit: 300 }));
    expect(error).toMatchObject({ kind: 'timeout', message: expect.stringContaining('0.3 s') as string });
    expect(await gitChildrenOf(process.pid)).toEqual([]);
  });

  it('is ended when nothing moves any more', async () => {
    const { url } = await deafServer();
    const mirror = await mirrorOf(lab);
    const error = await failure(
      runGit({ mirror }, ['fetch', '--progress', url], {
        doing: 'fetching',
        repo: url,
        limit: 'transfer',
        stallLimit: 300,
      }),
    );
    expect(error).toMatchObject({ kind: 'timeout', mayPass: true });
    expect(await gitChildrenOf(process.pid)).toEqual([]);
  });

  it('is ended by the signal, and gone when the call returns', async () => {
    const { url, connected } = await deafServer();
    const stop = new AbortController();
    const failing = expect(updateMirror({ root: lab.root, repo: url, signal: stop.signal })).rejects.toThrow('enough');
    await until(() => connected() > 0);
    stop.abort(new Error('enough'));
    await failing;
    expect(await gitChildrenOf(process.pid)).toEqual([]);
  });

  it('does not hold us up when only a helper keeps its output open', async () => {
    const mirror = await mirrorOf(lab);
    const { stdout } = await runGit({ mirror }, ['-c', 'alias.lingering=!sleep 600 & echo $!', 'lingering'], {
      doing: 'x',
    });
    // It lives, and we have the answer.
    process.kill(Number(stdout), 'SIGKILL');
  });
});

describe('git itself', () => {
  it('missing on this host says what to install', async () => {
    vi.stubEnv('PATH', lab.dir);
    expect((await failure(updateMirror({ root: lab.root, repo: lab.origin }))).message).toContain('install git');
  });
});

describe('over the network (git daemon)', () => {
  it('a bead goes all the way: clone, worktree, saved work, push, evidence, removal', async () => {
    await commitToOrigin(lab, 'main', { 'a.txt': '1\n' });
    const port = await getPort();
    const daemon = execa(
      'git',
      [
        'daemon',
        '--reuseaddr',
        '--listen=127.0.0.1',
        `--port=${port}`,
        '--export-all',
        '--enable=receive-pack',
        `--base-path=${lab.dir}`,
        '--log-destination=stderr',
        '--verbose',
      ],
      { reject: false, detached: true },
    );
    ended.push(async () => {
      if (daemon.pid !== undefined) process.kill(-daemon.pid, 'SIGKILL');
      await daemon;
    });
    await new Promise<void>((ready) =>
      daemon.stderr.on('data', (text: Buffer) => text.includes('Ready to rumble') && ready()),
    );
    const repo = `git://127.0.0.1:${port}/origin.git`;
    const ids = { bead: 'a', attempt: '1-abcd' };
    const branch = 'heartbead/a/1-abcd';
    const { path: mirror } = await updateMirror({ root: lab.root, repo });
    const base = await resolveBase(mirror);
    const path = join(lab.dir, 'w');
    await createWorktree({ mirror, path, branch, at: base.sha, allowPush: true });
    await put(path, { 'a.txt': '2\n' });
    expect(await saveWip({ worktree: path, remote: repo, push: true, ...ids })).toMatchObject({ pushed: true });
    const sha = await commit(path, { 'b.txt': '3\n' });
    // What an agent does by itself works as well, where its rig allows it.
    await git(path, 'fetch', '--quiet', 'origin');
    await git(path, 'push', '--quiet', 'origin', 'HEAD:refs/heads/agents-own');
    expect(await pushBranch({ worktree: path, remote: repo, ...ids })).toEqual({ branch, sha });
    const other = join(lab.dir, 'other-host');
    expect(await verifyRemote({ root: other, repo, branch, sha, baseSha: base.sha })).toEqual({
      verdict: 'verified',
      branch,
      sha,
      baseSha: base.sha,
      ahead: 1,
    });
    expect(await removeProvenWorktree({ mirror, path, remote: repo, ...ids })).toMatchObject({ removed: true });
    expect((await failure(updateMirror({ root: lab.root, repo: `git://127.0.0.1:${port}/none.git` }))).kind).toBe(
      'not_found',
    );
  });
});
