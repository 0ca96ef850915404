import { execFile } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { demoScriptVariable } from '../../src/agents/demo.js';
import { compiledFile } from '../../src/package/compiled.js';
import { scratchFolder } from '../support/scratch.js';
import { git } from './support/town.js';

/** Runs the program alone: without a runner it has nobody to report to. */
const play = (cwd: string, attempt: string | undefined, script: object): Promise<{ code: number; stdout: string }> =>
  new Promise((resolve) => {
    const env = {
      PATH: process.env['PATH'],
      HOME: cwd,
      HEARTBEAD_BEAD: 'b',
      HEARTBEAD_ATTEMPT: attempt,
      [demoScriptVariable]: JSON.stringify({ stepMs: 0, ...script }),
    };
    execFile(process.execPath, [compiledFile('programs/demo-agent')], { cwd, env }, (error, stdout) =>
      resolve({ code: error === null ? 0 : Number(error.code), stdout }),
    );
  });
const repository = async (): Promise<string> => {
  const folder = join(scratchFolder('demo'), 'work');
  mkdirSync(folder);
  await git(folder, 'init', '--quiet', '--initial-branch=main');
  await writeFile(join(folder, 'README.md'), '# Demo\n');
  await git(folder, 'add', '.');
  await git(folder, 'commit', '-qm', 'first');
  return folder;
};
const subjects = async (folder: string): Promise<string[]> =>
  (await git(folder, 'log', '--reverse', '--format=%s')).split('\n').slice(1);

describe('the demo agent', () => {
  test('started by hand, it says who starts it, and leaves the repository alone', async () => {
    const folder = await repository();
    const { code } = await play(folder, undefined, { steps: 1, commits: 1 });
    expect([code, await subjects(folder)]).toEqual([2, []]);
  });

  test('commits as its script says, evenly over the steps, also without an identity of its host', async () => {
    const folder = await repository();
    expect((await play(folder, '1-abcd', { steps: 5, commits: 2 })).code).toBe(0);
    expect(await subjects(folder)).toEqual(['demo: b, up to step 3 of 5', 'demo: b, up to step 5 of 5']);
    expect(await git(folder, 'status', '--porcelain')).toBe('');
  });

  test('the same seed does the same work, another one other work', async () => {
    const tree = async (seed: number): Promise<string> => {
      const folder = await repository();
      await play(folder, '1-abcd', { steps: 3, commits: 1, seed });
      return git(folder, 'rev-parse', 'HEAD:demo');
    };
    expect(await tree(1)).toBe(await tree(1));
    expect(await tree(1)).not.toBe(await tree(2));
  });

  test('goes on where an attempt that crashed had committed, and ends with the tree of one that had not', async () => {
    const folder = await repository();
    const script = { steps: 6, commits: 3, crashAtStep: 6 };
    expect((await play(folder, '1-abcd', script)).code).toBe(3);
    expect(await git(folder, 'status', '--porcelain')).not.toBe('');
    const second = await play(folder, '2-efgh', script);
    expect(second.code).toBe(0);
    expect(second.stdout).toContain('goes on after step 4 of 6');
    expect(await subjects(folder)).toEqual([
      'demo: b, up to step 2 of 6',
      'demo: b, up to step 4 of 6',
      'demo: b, up to step 6 of 6',
    ]);
    const straight = await repository();
    await play(straight, '1-abcd', { ...script, crashAtStep: undefined });
    expect(await git(folder, 'rev-parse', 'HEAD:demo')).toBe(await git(straight, 'rev-parse', 'HEAD:demo'));
  });

  test('a second attempt commits what the first one had left uncommitted', async () => {
    const folder = await repository();
    expect((await play(folder, '1-abcd', { steps: 2, commits: 1, dirtyExit: true })).code).toBe(0);
    expect(await git(folder, 'status', '--porcelain')).toContain('forgotten.md');
    expect((await play(folder, '2-efgh', { steps: 2, commits: 1, dirtyExit: true })).code).toBe(0);
    expect(await git(folder, 'status', '--porcelain')).toBe('');
  });
});
