import { expect, test } from 'vitest';
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readChanges, readHunks, readPatch, splitPatch } from '../../../src/board/parse-diff.js';

const zero = '0'.repeat(7);

test('names of files are taken as they are, whatever they hold', () => {
  const evil = '<script>alert(1)</script>\n+++ b/x\t"';
  const output = [
    `:100644 100644 ${zero} ${zero} M`,
    evil,
    `:100644 100644 ${zero} ${zero} R090`,
    'old name',
    'new name',
    `:000000 100644 ${zero} ${zero} A`,
    'picture.png',
    `3\t1\t${evil}`,
    '1\t0\t',
    'old name',
    'new name',
    '-\t-\tpicture.png',
    '',
  ].join('\0');
  expect(readChanges(output)).toEqual([
    { path: evil, from: undefined, change: 'changed', added: 3, removed: 1, binary: false },
    { path: 'new name', from: 'old name', change: 'renamed', added: 1, removed: 0, binary: false },
    { path: 'picture.png', from: undefined, change: 'added', added: 0, removed: 0, binary: true },
  ]);
});

test('lines are numbered on both sides, and content is never a header', () => {
  const [hunk] = readHunks(
    [
      'diff --git a/x b/x',
      '--- a/x',
      '+++ b/x',
      '@@ -10,3 +10,4 @@ function f() {',
      ' one',
      '-@@ -1 +1 @@ not a head',
      '+diff --git a/y b/y',
      '++++ b/z',
      ' two',
      '\\ No newline at end of file',
      '',
    ].join('\n'),
  );
  expect(hunk?.head).toBe('function f() {');
  expect(hunk?.lines).toEqual([
    { kind: ' ', text: 'one', old: 10, new: 10 },
    { kind: '-', text: '@@ -1 +1 @@ not a head', old: 11 },
    { kind: '+', text: 'diff --git a/y b/y', new: 11 },
    { kind: '+', text: '+++ b/z', new: 12 },
    { kind: ' ', text: 'two', old: 12, new: 13 },
  ]);
});

test('a line of a megabyte is cut, and says by how much', () => {
  const [hunk] = readHunks(`@@ -0,0 +1 @@\n+${'x'.repeat(1_000_000)}\n`);
  expect(hunk?.lines[0]).toEqual({ kind: '+', text: 'x'.repeat(2_000), new: 1, cut: 998_000 });
});

test('a patch of several files is split at its headers alone', () => {
  const one = 'diff --git a/x b/x\n@@ -1 +1 @@\n+diff --git inside\n';
  const two = 'diff --git a/y b/y\n@@ -1 +1 @@\n-y\n';
  expect(splitPatch(one + two)).toEqual([one, two]);
});

test('a whole patch of git, as another host answers it, is read back whatever the names hold', () => {
  const folder = mkdtempSync(join(tmpdir(), 'heartbead-patch-'));
  const git = (...args: string[]): string =>
    execFileSync('git', ['-C', folder, '-c', 'user.name=A', '-c', 'user.email=a@localhost', ...args], {
      encoding: 'utf8',
    });
  const write = (name: string, text: string | Buffer): void => writeFileSync(join(folder, name), text);
  try {
    git('init', '-q');
    write('gone.txt', 'a\nb\n');
    write('mode.sh', 'x\n');
    write('kept.txt', 'one\ntwo\n');
    git('add', '-A');
    git('commit', '-qm', 'before');
    rmSync(join(folder, 'gone.txt'));
    chmodSync(join(folder, 'mode.sh'), 0o755);
    write('kept.txt', 'one\n--- a/fake\n+++ b/fake\n');
    write('grün "b" \\ \u202e\tx.txt', 'words\n');
    write('with space', 'words\n');
    write('empty file', '');
    write('binary', Buffer.from([0, 1, 2, 0]));
    write('long.txt', 'y\n'.repeat(50));
    git('add', '-A');
    const patch = git('diff', '--cached', '--no-renames', '--no-color');
    const { files, moreFiles, added, removed } = readPatch(patch, 100, 40);
    const of = (path: string): unknown => files.find((file) => file.path === path);
    expect(files.map(({ path }) => path).sort()).toEqual(
      [
        'binary',
        'empty file',
        'gone.txt',
        'grün "b" \\ \u202e\tx.txt',
        'kept.txt',
        'long.txt',
        'mode.sh',
        'with space',
      ].sort(),
    );
    expect(of('gone.txt')).toMatchObject({ change: 'deleted', removed: 2 });
    expect(of('empty file')).toMatchObject({ change: 'added', added: 0, binary: false });
    expect(of('binary')).toMatchObject({ change: 'added', binary: true });
    expect(of('mode.sh')).toMatchObject({ change: 'changed', added: 0 });
    expect(of('kept.txt')).toMatchObject({ change: 'changed', added: 2, removed: 1 });
    expect(of('long.txt')).toMatchObject({ added: 50, hunks: undefined });
    expect({ moreFiles, added, removed }).toEqual({ moreFiles: 0, added: 54, removed: 3 });
    expect(readPatch(patch, 3, 40)).toMatchObject({ moreFiles: 5, added: 54 });
  } finally {
    rmSync(folder, { recursive: true });
  }
});
