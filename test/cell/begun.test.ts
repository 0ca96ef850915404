/** Who has spoken, a cell that keeps its program from starting, or a program that says so? */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { AgentExit } from '../../src/agents/types.js';
import { launch, openGate } from '../../src/cell/index.js';
import type { CellPlan } from '../../src/cell/index.js';
import { AgentProcess } from '../../src/runner/agent/agent-process.js';
import { noCellHere, sayingBy1 } from '../support/bubblewrap.js';
import { scratchFolder, script } from '../support/scratch.js';

const problem = noCellHere();
if (problem !== undefined) console.warn(`who has spoken in a sandbox is not tried: ${problem}`);

interface Ran {
  exit: AgentExit;
  said: string[];
}

async function run(
  body: string | { file: string },
  { network = 'all', limits }: Partial<Pick<CellPlan, 'network' | 'limits'>> = {},
): Promise<Ran> {
  const root = scratchFolder('begun');
  const [worktree, home] = [join(root, 'tree'), join(root, 'state')];
  for (const path of [worktree, home]) mkdirSync(path);
  const file = typeof body === 'string' ? script(join(worktree, 'agent'), body) : body.file;
  const plan: CellPlan = { launcher: 'sandbox', network, read: [], write: [], limits };
  const gate = await openGate(plan, () => undefined);
  const said: string[] = [];
  try {
    const agent = new AgentProcess({
      command: launch(plan, {
        command: { file, args: ['--now'] },
        env: { PATH: process.env['PATH'] ?? '', HOME: root },
        worktree,
        home,
        read: [],
        write: [],
        rooms: join(home, 'cell'),
        gate: gate?.socket,
        begun: 'begun here-and-now',
      }),
      cwd: worktree,
      logPath: join(root, 'agent.log'),
      onLine: (line) => said.push(line),
      onTrouble: () => undefined,
    });
    const exit = await agent.exit;
    await agent.close();
    return { exit, said };
  } finally {
    await gate?.close();
  }
}

describe.skipIf(problem !== undefined)('a program in a sandbox', () => {
  const ways: [string, Parameters<typeof run>[1]][] = [
    ['of bubblewrap alone', {}],
    ['with a limit of processes', { limits: { processes: 200 } }],
    ['with a list of hosts', { network: { allow: [] }, limits: { processes: 200 } }],
  ];

  test.each(ways)('%s: that is not there is told as that, and so is one that may not be run', async (_name, plan) => {
    expect((await run({ file: 'no-such-program-anywhere' }, plan)).exit).toMatchObject({ spawnError: 'ENOENT' });
    expect((await run({ file: '/nowhere/at/all' }, plan)).exit).toMatchObject({ spawnError: 'ENOENT' });
    expect((await run({ file: '/etc/passwd' }, plan)).exit).toMatchObject({
      spawnError: expect.stringMatching(/^its cell: execvp \/etc\/passwd: Permission denied/) as string,
    });
  });

  test.each(ways)('%s: that claims the same, by whatever way, has run and has failed', async (_name, plan) => {
    const claims = ['bwrap: execvp agent: No such file or directory', "bwrap: Can't mkdir /x: Permission denied"];
    for (const claim of [...claims, 'gate: execvp agent: No such file or directory'])
      for (const to of ['', '>&2', '> /proc/1/fd/2']) {
        const { exit, said } = await run(`echo "${claim}" ${to}; exit 1\n`, plan);
        expect(exit).toMatchObject({ code: 1 });
        expect(exit.spawnError).toBeUndefined();
        // Its error output is a socket, which nobody opens by a path.
        expect(said).toEqual(to.includes('/proc') ? [expect.stringContaining('/proc/1/fd/2')] : [claim]);
      }
    const stolen = await run(`${sayingBy1('bwrap: execvp agent: No such file or directory')}\n`, plan);
    expect([stolen.exit.code, stolen.exit.spawnError]).toEqual([1, undefined]);
    const missing = 'prlimit: failed to execute agent: No such file or directory';
    const { exit } = await run(`echo "${missing}" >&2; exit 127\n`, plan);
    expect([exit.code, exit.spawnError]).toEqual([127, undefined]);
  });

  test('whose word another line repeats: only the first is not its own', async () => {
    const { said, exit } = await run('echo "begun here-and-now"; echo "$1"; cat; exit 0\n');
    expect([said, exit.code]).toEqual([['begun here-and-now', '--now'], 0]);
  });
});
