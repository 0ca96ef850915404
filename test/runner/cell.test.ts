import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { CellLimits, CellNetwork } from '../../src/cell/index.js';
import { reapAttempt } from '../../src/runner/index.js';
import { processStopped, processTable } from '../../src/runner/processes/process.js';
import { noCellHere } from '../support/bubblewrap.js';
import { until } from '../support/until.js';
import { processesOf } from './support/processes.js';
import { startTown } from './support/town.js';
import type { Attempt, Town } from './support/town.js';

const problem = noCellHere();
if (problem !== undefined) console.warn(`agents in a sandbox are not tried: ${problem}`);

describe.skipIf(problem !== undefined)('an agent in a sandbox', () => {
  let town: Town;
  beforeAll(async () => {
    town = await startTown();
  });
  afterAll(() => town?.stop());

  const spawned = async (command: string, limits: CellLimits = {}, network: CellNetwork = 'all'): Promise<Attempt> => {
    const attempt = await town.attempt({
      agent: { adapter: 'shell', command, cell: 'sandbox' },
      cell: { launcher: 'sandbox', network, read: [], write: [], limits },
      clocks: { stopGrace: 1_000 },
    });
    expect(await attempt.spawn()).toMatchObject({ fenced: true });
    return attempt;
  };
  /** Whatever a process calls itself and whatever it has done to its variables. */
  const named = (name: string): number[] =>
    processTable()
      .filter(({ zombie }) => !zombie)
      .map(({ pid }) => pid)
      .filter((pid) => {
        const file = `/proc/${pid}/cmdline`;
        return existsSync(file) && readFileSync(file, 'utf8').startsWith(`${name}\0`);
      });
  const hidden = (name: string, mark = ''): string =>
    `(setsid env -i ${mark} bash -c "exec -a ${name} sleep 3600" > /dev/null 2>&1 &)`;

  test('commits, reports done, and its branch is on the remote', async () => {
    const attempt = await spawned(
      'echo x > f && git add f && git commit -qm f && heartbead agent note hello && heartbead agent done "all of it"',
    );
    const { result } = await attempt.ended();
    expect(result).toMatchObject({ outcome: 'done', summary: 'all of it', exitCode: 0 });
    if (result?.branch === undefined) throw new Error('no branch');
    expect(await attempt.remote(`refs/heads/${result.branch}`)).toBe(result.sha);
    expect((await attempt.heard()).find(({ kind }) => kind === 'start')?.cell).toBe('sandbox');
  });

  test('finds neither its credentials nor the state directory', async () => {
    const attempt = await spawned('ls -A .. ; ls -A ../.. ; cat ../connection.json ../token; exit 3');
    const { result } = await attempt.ended();
    expect(result).toMatchObject({ outcome: 'agent_failed', exitCode: 3 });
    const said = readFileSync(attempt.dir.agentLog, 'utf8');
    expect(said).toMatch(/connection\.json: No such file/);
    expect(said).not.toMatch(/^(?:runner|input|setup|control)\./m);
  });

  test('what hides from its mark (double fork, no variables, another name) is gone when it has ended', async () => {
    const name = `hides-${process.pid}`;
    const attempt = await spawned(`${hidden(name)}; until [ -e go ]; do sleep 0.1; done; exit 4`);
    await until('what hides', () => named(name).length === 1);
    writeFileSync(join(attempt.dir.worktree, 'go'), '');
    const { result } = await attempt.ended();
    expect(result).toMatchObject({ exitCode: 4 });
    expect(named(name)).toEqual([]);
  });

  test("frozen means all of it, also what calls itself another attempt's; and it goes on when thawed", async () => {
    const name = `poses-${process.pid}`;
    const attempt = await spawned(
      `${hidden(name, 'HEARTBEAD_ATTEMPT=9-other')}; while :; do echo works; sleep 0.1; done`,
    );
    await until('what poses', () => named(name).length === 1);
    await attempt.control.pause(true);
    await until('it stands still', () => named(name).every((pid) => processStopped(pid)));
    await until('all of it stands still', () => processesOf(attempt).every((pid) => processStopped(pid)));
    await attempt.control.pause(false);
    await until('it goes on', () => named(name).every((pid) => !processStopped(pid)));
    await attempt.control.stop({ outcome: 'stopped', reason: 'enough' });
    expect(named(name)).toEqual([]);
  });

  test('asked to end it has its grace: what it does then is saved', async () => {
    const attempt = await spawned('trap "echo last > words; exit 0" TERM; echo works; while :; do sleep 0.1; done');
    await until('some work', async () => (await attempt.status()).lastProgressAt !== undefined);
    const result = await attempt.control.stop({ outcome: 'stopped', reason: 'enough' });
    expect(result).toMatchObject({ outcome: 'stopped', exitCode: 0 });
    expect(readFileSync(join(attempt.dir.worktree, 'words'), 'utf8')).toBe('last\n');
  });

  test('without its runner nothing of it is left, and its work is saved', async () => {
    const name = `orphan-${process.pid}`;
    const attempt = await spawned(`${hidden(name)}; echo begun > work; echo works; while :; do sleep 0.1; done`);
    await until('what hides', () => named(name).length === 1);
    process.kill((await attempt.dir.readRunner())?.pid ?? 0, 'SIGKILL');
    await until('the end of all', () => named(name).length === 0);
    expect(await reapAttempt(attempt.dir, 'its runner died')).toMatchObject({
      outcome: 'lost',
      checkpoint: { wip: true },
    });
    expect(processesOf(attempt)).toEqual([]);
  });

  test.each([
    {
      what: 'eats memory',
      outcome: 'out_of_memory',
      // 300 MB, and no more.
      command: `exec node -e 'const kept = Buffer.alloc(300 * 2 ** 20, 1); setInterval(() => kept, 1_000)'`,
    },
    {
      what: 'starts processes, whose parents end',
      outcome: 'too_many_processes',
      command: 'i=0; while [ $i -lt 60 ]; do (setsid sleep 3600 > /dev/null 2>&1 &); i=$((i + 1)); done; sleep 3600',
    },
    {
      what: 'fills the disk',
      outcome: 'disk_full',
      command: 'head -c 100m /dev/zero > /tmp/large; sleep 3600',
    },
  ])('that $what is ended as $outcome, with all that it has started', async ({ outcome, command }) => {
    const attempt = await spawned(command, { memoryMb: 200, processes: 40, diskMb: 50 });
    const { result } = await attempt.ended();
    expect(result).toMatchObject({
      outcome,
      reason: expect.stringMatching(/its host allows \d+ \(limits\.\w+ in/) as string,
    });
    expect(processesOf(attempt)).toEqual([]);
  });

  test('that may reach no host is told so, and people see among its notes what it wanted', async () => {
    const attempt = await spawned(
      `node -e 'const { hostname, port } = new URL(process.env.HTTPS_PROXY);
        require("net").connect(port, hostname, function () { this.write("CONNECT evil.example:443 HTTP/1.1\\r\\nhost: x\\r\\n\\r\\n"); })
          .on("data", (answer) => { console.log(String(answer)); process.exit(3); })'`,
      {},
      { allow: [] },
    );
    const { result } = await attempt.ended();
    expect(result).toMatchObject({ exitCode: 3 });
    expect(readFileSync(attempt.dir.agentLog, 'utf8')).toContain('403 Forbidden');
    expect((await attempt.notes()).map(({ text }) => text)).toContain(
      'the sandbox refused the way out to evil.example:443',
    );
  });

  test('the program of an adapter runs, its files and its reports included', async () => {
    const attempt = await town.attempt({ agent: { adapter: 'demo', options: { steps: 1 }, cell: 'sandbox' } });
    expect(await attempt.spawn()).toMatchObject({ fenced: true });
    expect((await attempt.ended()).result).toMatchObject({ outcome: 'done' });
  });
});
