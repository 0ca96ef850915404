import { tmpdir } from 'node:os';
import { describe, expect, it, vi } from 'vitest';
import type { GitErrorKind } from '../../../src/git/index.js';
import type { GitError } from '../../../src/git/git-error.js';
import { gitFailure, pushRefusal } from '../../../src/git/git-failure.js';

const repo = 'https://example.org/r.git';

describe('what git says', () => {
  it.each<[GitErrorKind, string]>([
    ['unreachable', "fatal: unable to access 'https://example.org/r.git/': Could not resolve host: example.org"],
    [
      'unreachable',
      "fatal: unable to access 'http://127.0.0.1:1/': Failed to connect to 127.0.0.1 port 1 after 0 ms: " +
        "Couldn't connect to server",
    ],
    [
      'unreachable',
      'error: RPC failed; curl 18 transfer closed\nfetch-pack: unexpected disconnect while reading sideband ' +
        'packet\nfatal: early EOF\nfatal: fetch-pack: invalid index-pack output',
    ],
    ['unreachable', "fatal: unable to access 'https://example.org/r.git/': The requested URL returned error: 503"],
    [
      'unreachable',
      'ssh: connect to host example.org port 22: Connection refused\nfatal: Could not read from remote ' +
        'repository.\n\nPlease make sure you have the correct access rights',
    ],
    [
      'unreachable',
      "fatal: unable to access 'https://example.org/': server certificate verification failed. CAfile: none " +
        'CRLfile: none',
    ],
    [
      'auth',
      'git@example.org: Permission denied (publickey).\nfatal: Could not read from remote repository.\n\n' +
        'Please make sure you have the correct access rights',
    ],
    ['auth', "fatal: could not read Username for 'https://example.org': terminal prompts disabled"],
    ['auth', "remote: HTTP Basic: Access denied\nfatal: Authentication failed for 'https://example.org/r.git/'"],
    [
      'auth',
      "remote: Permission to o/r.git denied to ada.\nfatal: unable to access 'https://example.org/o/r.git/': " +
        'The requested URL returned error: 403',
    ],
    ['auth', 'Host key verification failed.\nfatal: Could not read from remote repository.'],
    ['auth', "fatal: detected dubious ownership in repository at '/srv/r.git'"],
    ['not_found', "remote: Repository not found.\nfatal: repository 'https://example.org/r.git/' not found"],
    [
      'not_found',
      "fatal: '/nowhere' does not appear to be a git repository\nfatal: Could not read from remote repository.",
    ],
    ['not_found', 'fatal: remote error: access denied or repository not exported: /r.git'],
    ['no_such_ref', "fatal: couldn't find remote ref refs/heads/nope"],
    ['no_such_ref', 'fatal: remote error: upload-pack: not our ref 0123456789012345678901234567890123456789'],
    [
      'rejected',
      '! abc:refs/heads/x [remote rejected] (pre-receive hook declined)\nremote: no friday deploys\nerror: ' +
        'failed to push some refs',
    ],
    [
      'no_space',
      "error: copy-fd: write returned: No space left on device\nfatal: cannot copy '/usr/share/git-core/templates/x'",
    ],
    ['no_space', 'fatal: write error: Disk quota exceeded\nfatal: index-pack failed'],
    ['other', 'fatal: something new'],
    ['other', ''],
  ])('is taken for %s: %j', (kind, stderr) => {
    const error = gitFailure({ doing: 'updating the mirror', repo }, stderr);
    expect(error.kind).toBe(kind);
    expect(error.message.split('\n')).toHaveLength(1);
    expect(error.message).toContain('updating the mirror');
    expect(error.message).toMatch(/: .+/);
  });

  it.each([
    'fatal: bad object refs/remotes/origin/main',
    'error: object file objects/ab/cd is empty\nfatal: loose object abcd is corrupt',
    'error: unable to read sha1 file of README.md (ce01)',
  ])('tells of a damaged mirror: %j', (stderr) => {
    const error = gitFailure({ doing: 'making the worktree' }, stderr);
    expect(error.damaged).toBe(true);
    expect(error.mayPass).toBe(true);
    expect(error.message).toContain('cloned again');
  });

  it('never shows a token that stood in a URL', () => {
    const error = gitFailure(
      { doing: 'x', repo: 'https://t0ken@example.org/r.git' },
      "fatal: Authentication failed for 'https://ada:s3cret@example.org/r.git/' and https://t0ken@example.org/r",
    );
    expect(`${error.message} ${error.stderr}`).not.toMatch(/s3cret|t0ken/);
    expect(error.message).toContain('https://example.org/r.git');
  });

  it('says which failures may pass by themselves', () => {
    const pass = (stderr: string): boolean => gitFailure({ doing: 'x', repo }, stderr).mayPass;
    expect(pass('fatal: early EOF')).toBe(true);
    expect(pass('No space left on device')).toBe(true);
    expect(pass('remote: Repository not found.')).toBe(false);
    expect(pass('Permission denied (publickey).')).toBe(false);
  });
});

describe('what a remote says about a push', () => {
  const refused = (reason: string, ...remote: string[]): GitError =>
    gitFailure(
      { doing: 'pushing the branch', repo: '/r' },
      [`! refs/heads/x:refs/heads/x [remote rejected] (${reason})`, ...remote.map((line) => `remote: ${line}`)].join(
        '\n',
      ),
    );

  it.each([
    [
      'commit',
      refused('pre-receive hook declined', 'error: GH001: Large files detected.', 'error: File big.bin is 120.00 MB'),
    ],
    [
      'commit',
      refused(
        'push declined due to repository rule violations',
        'error: GH013: Repository rule violations',
        '- Push cannot contain secrets',
      ),
    ],
    ['commit', refused('pre-receive hook declined', 'GitLab: Commit message does not follow the pattern')],
    ['commit', refused('pre-receive hook declined', 'a rule of our own')],
    [
      'ref',
      refused(
        'push declined due to repository rule violations',
        'error: GH013: Repository rule violations found for refs/heads/x.',
        '- Cannot create ref due to creations being restricted.',
      ),
    ],
    ['ref', refused('pre-receive hook declined', 'GitLab: Branch name does not follow the pattern')],
    ['ref', refused('deny updating a hidden ref')],
    ['ref', refused("cannot lock ref 'refs/heads/heartbead/b/1': 'refs/heads/heartbead' exists; cannot create")],
    ['ref', refused('prohibited by Gerrit: not permitted: create')],
    ['access', refused('pre-receive hook declined', 'your token has expired')],
    [
      'access',
      gitFailure({ doing: 'pushing' }, 'remote: Permission to a/b.git denied to c.\nfatal: returned error: 403'),
    ],
    [undefined, gitFailure({ doing: 'pushing' }, 'fatal: unable to access: Could not resolve host: x')],
  ] as const)('%s has to change', (what, error) => {
    expect(pushRefusal(error)).toBe(what);
  });

  it('is passed on, clean and clipped, in place of advice that does not fit', () => {
    const { message } = refused(
      'pre-receive hook declined',
      '',
      '\u001b[31mbig.bin is 120 MB\u001b[0m\u0007',
      '----',
      `${'x'.repeat(3_000)}`,
    );
    expect(message).toMatch(
      /refused the push \(pre-receive hook declined: big\.bin is 120 MB x+…?\): mend the commits as it says$/,
    );
    expect(message.length).toBeLessThan(1_300);
  });
});

describe('a refused key', () => {
  const message = (socket: string, said: string): string => {
    vi.stubEnv('SSH_AUTH_SOCK', socket);
    try {
      return gitFailure({ doing: 'updating the mirror', repo: 'ssh://git@example.org/r.git' }, said).message;
    } finally {
      vi.unstubAllEnvs();
    }
  };
  const denied =
    'git@example.org: Permission denied (publickey,password).\nfatal: Could not read from remote repository.';

  it('is put down to an ssh-agent that has gone, and to nothing else that is there', () => {
    expect(message('/no/such/agent.1', denied)).toMatch(
      /the ssh-agent .* is gone .*\/no\/such\/agent\.1\): start the worker/,
    );
    for (const socket of ['', tmpdir()])
      expect(message(socket, denied)).toMatch(/without a prompt \(credential helper/);
    expect(message('/no/such/agent.1', "fatal: Authentication failed for 'https://example.org/'")).toMatch(
      /without a prompt/,
    );
  });
});
