import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { Cli, bin } from './support/cli.js';
import type { Ran } from './support/cli.js';
import { Repository } from './support/repository.js';

let cli: Cli;
let repository: Repository;
beforeAll(() => {
  const { address, namespace } = inject('devServer');
  cli = new Cli({ TEMPORAL_ADDRESS: address, TEMPORAL_NAMESPACE: namespace });
  repository = new Repository();
});
afterAll(async () => {
  await cli.end();
  repository.remove();
});

/** One clear sentence, one next step, nothing on stdout, and no stack trace. */
function expectClear({ stdout, stderr }: Ran): void {
  const lines = stderr.trimEnd().split('\n');
  expect(stdout).toBe('');
  expect(lines[0]).toMatch(/^heartbead: \S/);
  expect(lines.length).toBeLessThanOrEqual(2);
  if (lines.length === 2) expect(lines[1]).toMatch(/^ {2}next: \S/);
  expect(stderr).not.toMatch(/^\s+at .*\(/m);
}

/** Not in the repository, whose uncommitted files are told. */
function homeFile(name: string, text: string): string {
  writeFileSync(join(cli.home, name), text);
  return join(cli.home, name);
}

/** What is said of an agent that nobody names. */
const ofNoAgent: [string, string[]][] = [
  ['hosts', ['--network', 'none']],
  ['a sandbox', ['--sandbox']],
  ['no sandbox', ['--no-sandbox']],
  ['an option', ['--option', 'steps=3']],
  ['a variable', ['--env', 'CI']],
];
const whichAgent = /which agent is meant\?\n\s+next: name it/;
const rigAdds: [string, string[], RegExp][] = [
  ['a base that is not there', ['--base', 'nope'], /has no branch "nope"\n\s+next: correct --base: it has main/],
  ['a ref prefix that is none', ['--ref-prefix', 'a b', '--base', 'x'], /ref prefix is not a branch name/],
  ['a pattern of litter that names everything', ['--litter', '*', '--base', 'x'], /names every file/],
  ['ports below 1024', ['--port-base', '80', '--base', 'x'], /begin between 1024 and/],
  ['ports that are none', ['--port-base', 'many', '--base', 'x'], /--port-base "many" is no port such as/],
  ['a check without a command', ['--check', 'test', '--base', 'x'], /is not name=command/],
  ['an empty step', ['--setup', ' ', '--base', 'x'], /a set-up step needs a command/],
  ['a file that goes up', ['--copy', '.env=../.env', '--base', 'x'], /goes down from its top/],
  ['an unknown strategy', ['--strategy', 'force'], /strategy/],
  ['an unknown policy of saves', ['--saves', 'nowhere'], /saves are one of/],
  ['a spend limit that is none', ['--spend-limit', 'much'], /no amount of US dollars/],
  ['an approver that is no key', ['--approver', 'me', '--base', 'x'], /neither an ed25519 public key nor a file/],
];

describe.concurrent('what a person may type wrongly is refused before anything starts (exit code 2)', () => {
  const sling = (...more: string[]): string[] => ['sling', 'A title', ...more];
  test.each<[string, () => string[], RegExp]>([
    ['an unknown verb', () => ['slign'], /unknown command 'slign'.*sling/],
    [
      'an unknown verb of a group',
      () => ['rig', 'ad'],
      /unknown command 'ad'.*add.*\n\s+next: see `heartbead rig --help`/,
    ],
    ['an unknown option', () => ['ls', '--everything'], /unknown option '--everything'/],
    [
      'an unknown kind of service',
      () => ['service', 'install', '--system', 'init'],
      /--system is one of systemd, launchd/,
    ],
    ['a word for versions that is none', () => ['up', '--versioning', 'yes'], /--versioning is one of .*, not "yes"/],
    ['a missing bead', () => ['show'], /missing required argument 'bead'/],
    ['too many arguments', () => ['show', 'a', 'b'], /too many arguments/],
    ['a bead id with capitals', () => ['show', 'Fix'], /a bead id has only lower-case letters/],
    ['a bead id like an option', () => ['show', '--', '-rf'], /a bead id has only lower-case letters/],
    ['a bead id of 61 characters', () => ['show', 'a'.repeat(61)], /at most 60 characters, this one has 61/],
    ['an unknown status', () => ['ls', '--status', 'done'], /there is no status "done"/],
    ['an empty nudge', () => ['nudge', 'a', '  '], /a nudge needs a text/],
    ['a nudge of 2,001 characters', () => ['nudge', 'a', 'x'.repeat(2_001)], /at most 2000 characters/],
    ['a time-out without a unit', () => ['--timeout', '5', 'ls'], /--timeout: not a duration: "5"/],
    [
      'no repository',
      () => sling('--agent', 'demo'),
      /which repository is to be worked on\?\n\s+next: give --repo URL, or --rig NAME/,
    ],
    [
      'a repository that is not there',
      () => sling('--agent', 'demo', '--repo', '/nowhere/at/all'),
      /there is nothing at \/nowhere\/at\/all/,
    ],
    ['a folder that is no repository', () => sling('--agent', 'demo', '--repo', cli.home), /is not a git repository/],
    [
      'a URL that runs commands',
      () => sling('--agent', 'demo', '--repo', 'ext::sh -c touch% /tmp/x'),
      /can run commands and is refused/,
    ],
    [
      'a repository like an option',
      () => sling('--agent', 'demo', '--repo=--upload-pack=x'),
      /cannot begin with a dash/,
    ],
    [
      'a URL with a password',
      () => sling('--agent', 'demo', '--repo', 'https://me:secret@example.org/r'),
      /must not carry a password/,
    ],
    [
      'a base like an option',
      () => sling('--agent', 'demo', '--repo', repository.path, '--base=--force'),
      /a branch name cannot begin with a dash/,
    ],
    [
      'a base with two dots',
      () => sling('--agent', 'demo', '--repo', repository.path, '--base', 'a..b'),
      /not a branch name that git accepts/,
    ],
    [
      'a base that is not there',
      () => sling('--agent', 'demo', '--repo', repository.path, '--base', 'nope'),
      /has no branch "nope"\n\s+next: correct --base: it has main/,
    ],
    ...rigAdds.map(([what, args, words]): [string, () => string[], RegExp] => [
      `a rig with ${what}`,
      () => ['rig', 'add', 'r', '--agent', 'demo', '--repo', repository.path, ...args],
      words,
    ]),
    [
      'a rig without a repository',
      () => ['rig', 'add', 'r', '--agent', 'demo'],
      /a rig needs a repository\n\s+next: give --repo/,
    ],
    [
      'a rig on a URL with a token',
      () => [
        'rig',
        'add',
        'r',
        '--agent',
        'demo',
        '--repo',
        'https://ghp_abcdefghijklmnopqrstuvwxyz0123456789@github.com/a/b',
      ],
      /token/,
    ],
    [
      'an import of what is no list of issues',
      () => ['import', homeFile('broken.jsonl', '{"id": "a", "title": "A"}\n{"id": '), '--rig', 'r'],
      /broken\.jsonl: line 2: it is not JSON\n\s+next: correct the file .* nothing was started/,
    ],
    [
      'an import of a file that is not there',
      () => ['import', join(cli.home, 'nope.jsonl'), '--rig', 'r'],
      /a list of issues cannot be read/,
    ],
    ['an import of nothing', () => ['import', homeFile('empty.jsonl', ''), '--rig', 'r'], /empty\.jsonl: /],
    [
      'a wrong id',
      () => sling('--agent', 'demo', '--repo', repository.path, '--id', 'No Spaces'),
      /a bead id has only lower-case letters/,
    ],
    ['an empty title', () => ['sling', ' ', '--agent', 'demo', '--repo', repository.path], /a bead needs a title/],
    [
      'a title of 201 characters',
      () => ['sling', 'x'.repeat(201), '--agent', 'demo', '--repo', repository.path],
      /at most 200 characters, this one has 201/,
    ],
    ['no agent', () => sling('--repo', repository.path), /which agent is to do it/],
    ...ofNoAgent.flatMap(([what, args]): [string, () => string[], RegExp][] => [
      [`${what} for the agent of a rig`, () => sling('--rig', 'r', ...args), whichAgent],
      [`${what} for the agent of a changed rig`, () => ['rig', 'set', 'r', '--max-agents', '3', ...args], whichAgent],
      [`${what} for the agent of a bead's rig`, () => ['retry', 'b', '--agent', 'rig', ...args], whichAgent],
    ]),
    ['an unknown agent', () => sling('--repo', repository.path, '--agent', 'toString'), /there is no agent "toString"/],
    [
      'the shell agent without a command',
      () => sling('--repo', repository.path, '--agent', 'shell'),
      /the shell agent needs a command/,
    ],
    [
      'a command for an agent that takes none',
      () => sling('--repo', repository.path, '--agent', 'demo', '--command', 'x'),
      /takes no --command/,
    ],
    [
      'an option that the agent does not know',
      () => sling('--repo', repository.path, '--agent', 'demo', '--option', 'speed=9'),
      /demo does not take these options: .*speed/,
    ],
    [
      'an option of the wrong type',
      () => sling('--repo', repository.path, '--agent', 'demo', '--option', 'steps=many'),
      /demo does not take these options: steps:/,
    ],
    [
      'a variable that no agent may see',
      () => sling('--repo', repository.path, '--agent', 'demo', '--env', 'TEMPORAL_API_KEY'),
      /an agent never sees TEMPORAL_API_KEY/,
    ],
    [
      'a variable with its value',
      () => sling('--repo', repository.path, '--agent', 'demo', '--env', 'TOKEN=secret'),
      /not a name of a variable/,
    ],
    [
      'a priority of 6',
      () => sling('--repo', repository.path, '--agent', 'demo', '--priority', '6'),
      /a priority is a whole number from 1 to 5/,
    ],
    [
      'an unknown clock',
      () => sling('--repo', repository.path, '--agent', 'demo', '--clock', 'bestBefore=1s'),
      /there is no clock named "bestBefore"/,
    ],
    [
      'clocks that contradict each other',
      () => sling('--repo', repository.path, '--agent', 'demo', '--clock', 'giveUpAfter=5m'),
      /giveUpAfter \(300000 ms\) must exceed leaseFor/,
    ],
    [
      'two bodies',
      () => sling('--repo', repository.path, '--agent', 'demo', '--body', 'x', '--body-file', '-'),
      /exclude each other/,
    ],
    [
      'a body file that is not there',
      () => sling('--repo', repository.path, '--agent', 'demo', '--body-file', join(cli.home, 'nope')),
      /a body cannot be read/,
    ],
    [
      "an agent's verb outside an attempt",
      () => ['agent', 'done'],
      /for agents inside an attempt: HEARTBEAD_SOCKET is not set/,
    ],
  ])('%s', async (_, args, message) => {
    const ran = await cli.run(args());
    expect(ran.stderr).toMatch(message);
    expectClear(ran);
    expect(ran.stderr).toMatch(/\n {2}next: \S/);
    expect(ran.code).toBe(2);
  });

  test('a body of 65 KiB, by option, from a file and from stdin', async () => {
    const body = 'x'.repeat(65 * 1024);
    writeFileSync(join(cli.home, 'body.md'), body);
    const base = sling('--repo', repository.path, '--agent', 'demo');
    for (const ran of [
      await cli.run([...base, '--body', body]),
      await cli.run([...base, '--body-file', join(cli.home, 'body.md')]),
      await cli.run([...base, '--body-file', '-'], { stdin: body }),
    ]) {
      expect(ran.code).toBe(2);
      expect(ran.stderr).toMatch(/a body has at most 65536 bytes/);
      expectClear(ran);
    }
  });

  test('without a verb the help is shown, and that is a mistake; asked for, it is none', async () => {
    expect((await cli.run([])).code).toBe(2);
    expect((await cli.run(['agent'])).code).toBe(2);
    expect(await cli.run(['--help'])).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('Exit status: 0 fine, 1 failed, 2 usage, 3 not found, 4 refused'),
    });
    expect(await cli.run(['sling', '--help'])).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('--body-file'),
    });
    expect((await cli.run(['--version'])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  test('the installed command is the same program, with its exit codes', async () => {
    expect((await cli.run(['--version'], { program: bin })).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
    expect((await cli.run(['show'], { program: bin })).code).toBe(2);
  });

  test('with --json an error is one object on stderr', async () => {
    const { code, stderr, stdout } = await cli.run(['show', 'NO', '--json']);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(JSON.parse(stderr)).toEqual({ error: { code: 2, message: expect.any(String), next: expect.any(String) } });
  });

  test('HEARTBEAD_DEBUG=1 shows where it happened', async () => {
    expect((await cli.run(['show', 'NO'], { env: { HEARTBEAD_DEBUG: '1' } })).stderr).toMatch(/^\s+at .*\(/m);
  });
});

test.each([
  ['show', []],
  ['explain', []],
  ['logs', []],
  ['cancel', []],
  ['retry', []],
  ['pause', []],
  ['resume', []],
  ['nudge', ['hello']],
])('an unknown bead: %s ends with 3', async (verb, more) => {
  const ran = await cli.run([verb, 'no-such-bead', ...more]);
  expect(ran.stderr).toContain('there is no bead no-such-bead');
  expectClear(ran);
  expect(ran.code).toBe(3);
});

describe('a state directory that is a file (exit code 1)', () => {
  test.each([[['ls']], [['up']], [['board']], [['service', 'install']], [['backup', 'x']], [['worker']]])(
    '%j says so, and leaves the file alone',
    async (args) => {
      const file = homeFile('a-file', 'of somebody');
      const { code, stdout, stderr } = await cli.run(args, { env: { HEARTBEAD_HOME: file, TEMPORAL_ADDRESS: '' } });
      expect(stderr).toMatch(/a file stands where a directory is needed: .*a-file/);
      expect(stderr).not.toMatch(/^\s+at |"stack"/m);
      expect({ code, stdout, file: readFileSync(file, 'utf8') }).toEqual({ code: 1, stdout: '', file: 'of somebody' });
    },
  );
});

test('a backup that is not there is not found (exit code 3), with a next step', async () => {
  const ran = await cli.run(['restore', join(cli.home, 'nope')]);
  expect(ran.stderr).toMatch(/there is no file .*nope\n {2}next: \S/);
  expectClear(ran);
  expect(ran.code).toBe(3);
});

describe('no server (exit code 1)', () => {
  const nowhere = { TEMPORAL_ADDRESS: '', TEMPORAL_NAMESPACE: '' };

  test.each([[['ls']], [['show', 'a']], [['sling', 'T', '--agent', 'demo', '--repo', 'https://example.org/r.git']]])(
    '%j says how to get one',
    async (args) => {
      const ran = await cli.run(args, { env: nowhere });
      expect(ran.stderr).toMatch(/no Temporal server.*\n {2}next: .*heartbead up/);
      expectClear(ran);
      expect(ran.code).toBe(1);
    },
  );

  test('an address where nobody listens is given up after the time-out', async () => {
    const ran = await cli.run(['--timeout', '2s', 'ls'], { env: { TEMPORAL_ADDRESS: '127.0.0.1:1' } });
    expect(ran.stderr).toContain('the Temporal server at 127.0.0.1:1 did not answer within 2 s: nothing listens there');
    expectClear(ran);
    expect(ran.code).toBe(1);
  });

  test('a namespace that is not there is named', async () => {
    const ran = await cli.run(['show', 'a'], { env: { TEMPORAL_NAMESPACE: 'nope' } });
    expect(ran.stderr).toMatch(/TEMPORAL_NAMESPACE/);
    expectClear(ran);
    expect(ran.code).toBe(1);
  });

  test('a log that is not here: whom to ask, or where to look', async () => {
    const ran = await cli.run(['logs', 'a'], { env: nowhere });
    expect(ran.stderr).toMatch(
      /no log of bead a in .*no Temporal server.*\n {2}next: .*heartbead up.*; or run this on/,
    );
    expectClear(ran);
    expect(ran.code).toBe(1);
  });

  test('doctor still examines this host, in each way that it does with a server, and fails', async () => {
    interface Report {
      ok: boolean;
      checks: { name: string; verdict: string; next?: string }[];
    }
    const { code, stdout } = await cli.run(['doctor', '--json'], { env: nowhere });
    const { ok, checks } = JSON.parse(stdout) as Report;
    const withServer = (JSON.parse((await cli.run(['doctor', '--json'])).stdout) as Report).checks;
    expect(withServer.map(({ name }) => name)).toEqual(expect.arrayContaining(checks.map(({ name }) => name)));
    expect({ code, ok }).toEqual({ code: 1, ok: false });
    expect(checks.find(({ name }) => name === 'git')?.verdict).toBe('ok');
    expect(checks.find(({ name }) => name === 'server')).toMatchObject({
      verdict: 'fail',
      next: expect.stringContaining('heartbead up'),
    });
  });
});
