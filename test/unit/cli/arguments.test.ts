import fc from 'fast-check';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { clockOptions, duration, keyValues, parseArgs, statusOption, wholeNumber } from '../../../src/cli/args.js';
import { beadIdOf } from '../../../src/operator/bead-id.js';
import { CliError, exitCodes, failure, errorReport, usageError } from '../../../src/cli/exit.js';
import { readText } from '../../../src/cli/read-text.js';
import { repoOf } from '../../../src/operator/repo.js';
import { BeadExistsError, BeadNotFoundError, BeadRefusedError, NoServerError } from '../../../src/client/errors.js';
import { visibilityQuery } from '../../../src/client/list.js';
import { beadIdProblem } from '../../../src/contract/index.js';

let scratch: string;
beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), 'heartbead-args-'));
});
afterEach(() => rmSync(scratch, { recursive: true, force: true }));

const refused = (run: () => unknown): CliError => {
  try {
    run();
  } catch (error) {
    if (error instanceof CliError) return error;
    throw error;
  }
  throw new Error('it was taken');
};

describe('durations and clocks', () => {
  test.each([
    ['500ms', 500],
    ['75s', 75_000],
    ['1.5m', 90_000],
    ['8h', 28_800_000],
    ['2d', 172_800_000],
  ])('%s is %i ms', (text, ms) => {
    expect(duration.parse(text)).toBe(ms);
  });

  test.each(['', '10', '0s', '-5s', '5 s', '5w', '1e3s', '9999999999s'])(
    '%j is no duration, and the error shows one',
    (text) => {
      expect(refused(() => parseArgs(duration, text, 'sling')).message).toMatch(/not a duration.*write 500ms/);
    },
  );

  test('a clock is known by name, and its duration is checked', () => {
    expect(clockOptions.parse(['beatEvery=2s', 'maxRuntime=1h'])).toEqual({ beatEvery: 2_000, maxRuntime: 3_600_000 });
    expect(refused(() => parseArgs(clockOptions, ['bestBefore=2s'], 'sling')).message).toMatch(
      /no clock named "bestBefore"; there are beatEvery,/,
    );
    expect(refused(() => parseArgs(clockOptions, ['beatEvery'], 'sling')).message).toMatch(
      /--clock beatEvery: not a duration/,
    );
    expect(refused(() => parseArgs(clockOptions, ['__proto__=1s'], 'sling')).code).toBe(exitCodes.usage);
  });
});

test('an option of an agent is JSON where it can be, text otherwise', () => {
  expect(keyValues.parse(['steps=3', 'name=x=y', 'flag=true', 'list=[1]', 'empty='])).toEqual({
    steps: 3,
    name: 'x=y',
    flag: true,
    list: [1],
    empty: '',
  });
  expect(refused(() => parseArgs(keyValues, ['steps'], 'sling')).message).toContain('is not key=value');
});

test('numbers and statuses outside their range name the range', () => {
  expect(refused(() => parseArgs(wholeNumber('a priority', 1, 5), '9', 'sling')).message).toBe(
    'a priority is a whole number from 1 to 5, not "9"',
  );
  expect(refused(() => parseArgs(statusOption, 'done', 'ls')).message).toMatch(
    /^there is no status "done"; there are open,/,
  );
});

test('whatever the title, the id made of it is a valid one', () => {
  fc.assert(
    fc.property(
      fc.string({ minLength: 1, maxLength: 300, unit: 'binary' }),
      (title) => beadIdProblem(beadIdOf(title)) === undefined,
    ),
  );
  expect(beadIdOf('Répare  the "Parser"!', () => 'abcd')).toBe('repare-the-parser-abcd');
  expect(beadIdOf('修复', () => 'abcd')).toBe('bead-abcd');
});

describe('repositories', () => {
  test('a relative path becomes absolute, with or without ./', () => {
    execFileSync('git', ['init', '--quiet', join(scratch, 'r')]);
    expect(repoOf('./r', scratch)).toBe(join(scratch, 'r'));
    expect(repoOf('r', scratch)).toBe(join(scratch, 'r'));
    expect(repoOf('.', join(scratch, 'r'))).toBe(join(scratch, 'r'));
  });

  test.each(['ghp_abcdefghij0123456789', 'oauth2', 'x-access-token', 'glpat-abc', 'a1b2c3d4e5f6a7b8c9d0e1f2'])(
    'a token in place of a user is refused: %s',
    (user) => {
      expect(refused(() => repoOf(`https://${user}@example.org/r.git`, scratch)).message).toContain('token');
    },
  );

  test('a user alone is no secret', () => {
    for (const url of ['https://jane@dev.example.org/r.git', 'https://example.org/r.git', 'ssh://git@example.org/r'])
      expect(repoOf(url, scratch)).toBe(url);
  });

  test('a bare repository is one', () => {
    execFileSync('git', ['init', '--quiet', '--bare', join(scratch, 'b.git')]);
    expect(repoOf(join(scratch, 'b.git'), '/')).toBe(join(scratch, 'b.git'));
  });

  test('a folder without a repository, a file, and nothing at all are refused by name', () => {
    mkdirSync(join(scratch, 'plain'));
    writeFileSync(join(scratch, 'file'), '');
    expect(refused(() => repoOf('./plain', scratch)).message).toBe(`${join(scratch, 'plain')} is not a git repository`);
    expect(refused(() => repoOf('./file', scratch)).message).toContain('is not a git repository');
    expect(refused(() => repoOf('./nowhere', scratch)).message).toBe(`there is nothing at ${join(scratch, 'nowhere')}`);
  });

  test.each([
    'https://example.org/r.git',
    'git@example.org:team/r.git',
    'ssh://git@example.org/r',
    'file:///srv/r.git',
  ])('%s is taken as it is', (url) => {
    expect(repoOf(url, scratch)).toBe(url);
  });

  test.each([
    'ext::sh -c evil',
    '--upload-pack=evil',
    '-x',
    'ftp://example.org/r',
    'https://me:secret@example.org/r',
    '',
  ])('%j is refused, as wrong usage', (url) => {
    expect(refused(() => repoOf(url, scratch)).code).toBe(exitCodes.usage);
  });
});

describe('bodies from files', () => {
  test('a text just small enough is read, one byte more is refused', async () => {
    writeFileSync(join(scratch, 'body'), 'x'.repeat(100));
    await expect(readText(join(scratch, 'body'), 100, 'a body')).resolves.toHaveLength(100);
    await expect(readText(join(scratch, 'body'), 99, 'a body')).rejects.toThrow(
      'a body has at most 99 bytes, this one has 100',
    );
  });

  test.skipIf(process.platform === 'win32')(
    'what has no size and no end is refused as well, and not read on',
    async () => {
      await expect(readText('/dev/zero', 1_000, 'a body')).rejects.toThrow(
        'a body has at most 1000 bytes, this one has more than 1000',
      );
    },
  );

  test('what is no text, or not there, is refused', async () => {
    writeFileSync(join(scratch, 'binary'), Buffer.from([0xff, 0xfe, 0x00]));
    await expect(readText(join(scratch, 'binary'), 100, 'a body')).rejects.toThrow('is not UTF-8 text');
    await expect(readText(join(scratch, 'nowhere'), 100, 'a body')).rejects.toThrow('cannot be read');
    await expect(readText(scratch, 1_000_000, 'a body')).rejects.toThrow('cannot be read');
  });
});

describe('exit codes', () => {
  test.each([
    [usageError('x'), exitCodes.usage],
    [failure('x'), exitCodes.failed],
    [new BeadNotFoundError('b'), exitCodes.notFound],
    [new BeadExistsError('b', 'open'), exitCodes.refused],
    [new BeadRefusedError('b', 'no'), exitCodes.refused],
    [new NoServerError('x', 'y'), exitCodes.failed],
    [new Error('surprise'), exitCodes.failed],
    ['not even an error', exitCodes.failed],
  ])('%s', (error, code) => {
    expect(errorReport(error).code).toBe(code);
  });

  test.each([
    ['ENOSPC', 'no space is left on the disk'],
    ['EDQUOT', 'no space is left on the disk'],
    ['EACCES', 'permission denied: /x'],
    ['EPERM', 'permission denied: /x'],
    ['EROFS', 'the file system is read-only: /x'],
    ['ENOTDIR', 'a file stands where a directory is needed: /x'],
    ['EEXIST', 'a file stands where a directory is needed: /x'],
    ['EISDIR', 'a directory stands where a file is needed: /x'],
  ])('what the file system says is told in words: %s', (code, message) => {
    expect(errorReport(Object.assign(new Error(`${code}: mkdir '/x'`), { code, path: '/x' }))).toEqual({
      code: 1,
      message,
      next: expect.not.stringContaining('HEARTBEAD_DEBUG') as string,
    });
  });

  test('an unforeseen error shows its first line only, and how to see more', () => {
    expect(errorReport(new Error('first\n    at somewhere'))).toEqual({
      code: 1,
      message: 'first',
      next: expect.stringContaining('HEARTBEAD_DEBUG=1'),
    });
  });
});

test('what visibility is asked for', () => {
  expect(visibilityQuery({})).toBe("WorkflowType = 'bead' AND ExecutionStatus = 'Running'");
  expect(visibilityQuery({ all: true })).toBe("WorkflowType = 'bead' AND ExecutionStatus != 'ContinuedAsNew'");
  expect(visibilityQuery({ status: 'blocked' })).toBe(
    "WorkflowType = 'bead' AND BeadStatus = 'blocked' AND ExecutionStatus != 'ContinuedAsNew'",
  );
});
