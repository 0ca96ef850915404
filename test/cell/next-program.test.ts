/** What a program has left in its home and its temporary folder, when another one is run with them. */
import { mkdirSync, readFileSync, readdirSync, realpathSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { execa } from 'execa';
import { describe, expect, test } from 'vitest';
import { launch } from '../../src/cell/index.js';
import { noCellHere } from '../support/bubblewrap.js';
import { scratchFolder } from '../support/scratch.js';

const problem = noCellHere();
if (problem !== undefined) console.warn(`programs one after the other in a sandbox are not tried: ${problem}`);

describe.skipIf(problem !== undefined)('a link that a program leaves', () => {
  // While a cell is made, the host lies below this name.
  const host = '/oldroot';

  test.each([
    ['in the place of a folder of its home', '.tool', ''],
    ['in the place of a file that it is shown', '.tool/settings.json', '/planted'],
    ['in the place of a folder that it writes', '.tool/talks', '/planted'],
    ['above its home', '..', ''],
  ])('%s leads the next one nowhere', async (_, place, target) => {
    const root = scratchFolder('next-program');
    const [home, outside, worktree] = ['users/me', 'outside', 'tree'].map((name) => join(root, name)) as [
      string,
      string,
      string,
    ];
    for (const path of [join(home, '.tool'), outside, worktree]) mkdirSync(path, { recursive: true });
    writeFileSync(join(home, '.tool', 'settings.json'), 'mine');
    const run = async (command: string, shown: { read: string[]; keep: string[] }): Promise<string> => {
      const walled = launch(
        { launcher: 'sandbox', network: 'none', read: [], write: [] },
        {
          command: { file: 'bash', args: ['-c', command] },
          env: { PATH: process.env['PATH'] ?? '', HOME: home },
          worktree,
          home: join(root, 'state'),
          write: [],
          ...shown,
          rooms: join(root, 'state', 'cell'),
        },
      );
      const { stdout } = await execa(walled.file, walled.args, {
        cwd: realpathSync(worktree),
        env: walled.env,
        extendEnv: false,
      });
      return stdout;
    };
    const at = place === '..' ? dirname(home) : join(home, place);
    // As a set-up step would: what the program's login shows is not there yet.
    await run(
      `mkdir -p ${dirname(at)} && { [ ! -e ${at} ] || mv ${at} ${at}-away; } && ln -s ${host}${outside}${target} ${at}`,
      { read: [], keep: [] },
    );
    const shown = { read: [join(home, '.tool', 'settings.json')], keep: [join(home, '.tool', 'talks')] };
    expect(await run('cat ~/.tool/settings.json; echo more > ~/.tool/talks/one', shown)).toBe('mine');
    expect(readdirSync(outside)).toEqual([]);
    expect(readFileSync(join(home, '.tool', 'talks', 'one'), 'utf8')).toBe('more\n');
  });
});
