import { describe, expect, it } from 'vitest';
import { readGitProgress, stderrReader } from '../../../src/git/git-progress.js';
import type { GitProgress } from '../../../src/git/git-progress.js';

describe("git's progress", () => {
  it.each<[string, GitProgress | undefined]>([
    ['Receiving objects:  43% (43/100), 1.20 MiB | 3.00 MiB/s', { phase: 'receiving objects', percent: 43 }],
    ['remote: Counting objects: 100% (10/10), done.', { phase: 'counting objects', percent: 100 }],
    ['Resolving deltas:   0% (0/7)', { phase: 'resolving deltas', percent: 0 }],
    ['Updating files:  99% (990/1000)', { phase: 'updating files', percent: 99 }],
    ['remote: Enumerating objects: 405, done.', { phase: 'enumerating objects' }],
    ['remote: Counting objects: 17', { phase: 'counting objects' }],
    ['fatal: repository not found', undefined],
    ['remote: Total 405 (delta 0), reused 0 (delta 0), pack-reused 0', undefined],
    ['error: 43% (1/2)', undefined],
    ['', undefined],
  ])('is read from %j', (line, progress) => {
    expect(readGitProgress(line)).toEqual(progress);
  });

  it('is put together from pieces cut anywhere, told once per change, and kept apart from messages', () => {
    const told: string[] = [];
    const reader = stderrReader(({ phase, percent }) => told.push(`${phase} ${percent ?? ''}`));
    const text =
      'Receiving objects:   1% (1/100)\rReceiving objects:   1% (1/100), 2 KiB\rReceiving objects:   2% ' +
      '(2/100)\rwarning: odd\nfatal: the end';
    for (const letter of text) reader.push(letter);
    expect(told).toEqual(['receiving objects 1', 'receiving objects 2']);
    expect(reader.messages()).toBe('warning: odd\nfatal: the end\n');
  });

  it('keeps the end of endless messages', () => {
    const reader = stderrReader();
    for (let n = 0; n < 20_000; n += 1) reader.push(`remote: a hook that talks ${n}\n`);
    expect(reader.messages().length).toBeLessThanOrEqual(64 * 1024);
    expect(reader.messages()).toContain('talks 19999');
  });
});
