import { execa } from 'execa';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { Logins } from '../../src/agents/index.js';
import type { StartAgentInput } from '../../src/contract/index.js';
import { HostLab, newAttempt } from './support/host-lab.js';
import type { Desk, Running } from './support/host-lab.js';

let lab: HostLab;
beforeAll(async () => {
  lab = await HostLab.open();
});
afterAll(() => lab.close());
afterEach(() => vi.unstubAllEnvs());

/** A demo agent whose preparation takes so long that a test can act in the middle of it. */
const slow = (prepareMs: number): Partial<StartAgentInput> => ({
  agent: { adapter: 'demo', options: { steps: 1, prepareMs } },
});

const underWay = (desk: Desk): Promise<unknown> =>
  expect
    .poll(async () => (await desk.pending())[0]?.details?.text ?? '', { timeout: 60_000, interval: 50 })
    .toMatch(/preparing/);

async function failureOf(running: Running): Promise<{ type: string; message: string; details: unknown[] }> {
  const ending = await running.ending();
  if (ending.kind !== 'failure') throw new Error(`not a failure: ${JSON.stringify(ending)}`);
  return ending;
}

describe('what startAgent cannot use', () => {
  test('every rule of the input is checked before anything is done', async () => {
    const desk = await lab.desk();
    const bad: [Partial<Record<keyof StartAgentInput, unknown>>, RegExp][] = [
      [{ repo: 'ext::sh -c date' }, /repo: this kind of repository URL can run commands/],
      [{ base: '--upload-pack=date' }, /base: a branch name cannot begin with a dash/],
      [{ attempt: '../../etc' }, /attempt: an attempt id looks like/],
      [{ bead: 'UP' }, /bead: a bead id has only/],
      [{ body: 'ü'.repeat(33 * 1024) }, /body: a body has at most 65536 bytes/],
      [{ agent: { adapter: '../x' } }, /agent.adapter/],
    ];
    for (const [over, message] of bad) {
      const ending = await failureOf(await desk.start({ ...lab.input(desk), ...over } as StartAgentInput));
      expect(ending.type).toBe('BadInput');
      expect(ending.message).toMatch(message);
    }
    expect(await desk.signals()).toEqual([]);
  });
});

describe('whose attempt it is', () => {
  test('the bead hears first of all which host has taken the attempt', async () => {
    const desk = await lab.desk();
    await failureOf(await desk.start(lab.input(desk, { base: 'no-such-branch' })));
    expect(await desk.signals()).toEqual([
      { name: 'accepted', payload: { attempt: desk.attempt, host: lab.host.hostId } },
    ]);
  });

  test("an attempt that is no longer the bead's current one is not started", async () => {
    const desk = await lab.desk({ id: newAttempt(2) });
    expect(await failureOf(await desk.start(lab.input(desk)))).toMatchObject({
      type: 'RunnerRefused',
      message: expect.stringMatching(/the bead has moved on/) as string,
    });
    expect(await lab.leftovers(desk)).toEqual([]);
  });

  test('an attempt that another host has claimed is not started here, and the bead learns where it is', async () => {
    const desk = await lab.desk({ host: 'other-1a2b3c', spawnedAt: 1 });
    const ending = await failureOf(await desk.start(lab.input(desk)));
    expect(ending).toMatchObject({ type: 'HeldElsewhere', details: [{ host: 'other-1a2b3c' }] });
    expect(await lab.leftovers(desk)).toEqual([]);
  });

  test('a bead that has ended gets no agent', async () => {
    const desk = await lab.desk();
    await desk.setState({ status: 'cancelled', current: { id: desk.attempt } });
    expect(await failureOf(await desk.start(lab.input(desk)))).toMatchObject({ type: 'RunnerRefused' });
    expect(await lab.leftovers(desk)).toEqual([]);
  });

  test('what is prepared while a bead is silent gets no runner, and goes when the bead refuses', async () => {
    const desk = await lab.desk();
    await desk.setState({ status: 'speechless', current: { id: desk.attempt } });
    const running = await desk.start(lab.input(desk));
    const dir = lab.host.attemptDir(desk);
    await expect.poll(() => dir.readSetup(), { timeout: 60_000, interval: 50 }).toBeDefined();
    expect(await dir.readToken()).toBeUndefined();
    await desk.setState({ status: 'in_progress', current: { id: newAttempt(2) } });
    expect(await failureOf(running)).toMatchObject({ type: 'RunnerRefused' });
    expect(await lab.leftovers(desk)).toEqual([]);
  });

  test('what the bead says comes before what the preparation finds', async () => {
    const desk = await lab.desk();
    await desk.setState({ status: 'speechless', current: { id: desk.attempt } });
    const running = await desk.start(lab.input(desk, { base: 'no-such-branch' }));
    await expect
      .poll(async () => (await desk.pending())[0]?.details?.text, { timeout: 60_000, interval: 50 })
      .toBe('waits for the bead to answer');
    await desk.setState({ status: 'in_progress', current: { id: desk.attempt, host: 'other-1a2b3c', spawnedAt: 1 } });
    expect(await failureOf(running)).toMatchObject({ type: 'HeldElsewhere' });
    expect(await lab.leftovers(desk)).toEqual([]);
  });

  test('an adoption of what never came here says so', async () => {
    const desk = await lab.desk();
    expect(await failureOf(await desk.adopt(lab.input(desk)))).toMatchObject({ type: 'NoSuchAttempt' });
    expect(await lab.leftovers(desk)).toEqual([]);
  });
});

describe('what cannot be prepared leaves nothing behind, and tells people why', () => {
  const cases: [string, () => Promise<Partial<StartAgentInput>>, string, RegExp][] = [
    ['no such branch', () => Promise.resolve({ base: 'no-such-branch' }), 'SetupFailed', /no-such-branch/],
    ['no such repository', () => Promise.resolve({ repo: '/nowhere/at/all.git' }), 'SetupFailed', /nowhere/],
    [
      'a repository out of reach',
      async () => ({ repo: `http://127.0.0.1:${await closedPort()}/x.git` }),
      'SetupUnreachable',
      /reach|connect/i,
    ],
    [
      'no such adapter',
      () => Promise.resolve({ agent: { adapter: 'clippy' } }),
      'HostDeclines',
      /clippy.*agents\.yaml/,
    ],
    [
      'options that the agent does not know',
      () => Promise.resolve({ agent: { adapter: 'demo', options: { speed: 9 } } }),
      'BadAgentOptions',
      /speed/,
    ],
    [
      'a shell agent without a command',
      () => Promise.resolve({ agent: { adapter: 'shell' } }),
      'BadAgentOptions',
      /command/,
    ],
  ];
  test.each(cases)('%s', async (_name, over, type, message) => {
    const desk = await lab.desk();
    const ending = await failureOf(await desk.start(lab.input(desk, await over())));
    expect(ending.type).toBe(type);
    expect(ending.message).toMatch(message);
    expect(ending.message).not.toMatch(/\n\s+at /);
    expect(await lab.leftovers(desk)).toEqual([]);
  });

  test('a disk below its floor: the clone is not even begun, and the bead tries later', async () => {
    const full = await HostLab.open({ diskFloor: Number.MAX_SAFE_INTEGER, watch: false });
    try {
      const desk = await full.desk();
      expect(await failureOf(await desk.start(full.input(desk)))).toMatchObject({
        type: 'SetupUnreachable',
        message: expect.stringMatching(/only [\d,]+ MiB are free/) as string,
      });
      expect(await full.leftovers(desk)).toEqual([]);
    } finally {
      await full.close();
    }
  });
});

describe('a slow preparation', () => {
  test('keeps its heartbeat for longer than the heartbeat timeout, and says how far it is', async () => {
    const desk = await lab.desk();
    const clocks = { ...lab.input(desk).clocks, heartbeatTimeout: 2_500 };
    const running = await desk.start(lab.input(desk, { ...slow(600_000), clocks }));
    await underWay(desk);
    const begin = performance.now();
    // Twice the timeout goes by; only a lost beat could end the activity meanwhile.
    await expect.poll(() => performance.now() - begin, { timeout: 20_000 }).toBeGreaterThan(5_000);
    expect(await desk.pending()).toMatchObject([
      { details: { phase: 'worktree', attempt: desk.attempt, host: lab.host.hostId } },
    ]);
    await running.cancel();
    expect(await running.ending()).toMatchObject({ kind: 'cancelled' });
  });

  test("is broken off by a cancel, which the bead gets as the attempt's result, and leaves nothing", async () => {
    const desk = await lab.desk();
    const running = await desk.start(lab.input(desk, slow(600_000)));
    await underWay(desk);
    await running.cancel();
    expect(await running.ending()).toMatchObject({
      kind: 'cancelled',
      details: [{ attempt: desk.attempt, outcome: 'stopped', host: lab.host.hostId }],
    });
    expect(await lab.leftovers(desk)).toEqual([]);
  });

  test('is broken off by a stop on the host, which is confirmed only when all is quiet', async () => {
    const desk = await lab.desk();
    const running = await desk.start(lab.input(desk, slow(600_000)));
    await underWay(desk);
    const stop = {
      bead: desk.bead,
      attempt: desk.attempt,
      repo: lab.origin.url,
      outcome: 'timed_out',
      reason: 'too long',
    };
    expect(await desk.onHost('stopAttempt', stop)).toEqual({ confirmed: true });
    expect(await lab.leftovers(desk)).toEqual([]);
    expect(await running.ending()).toMatchObject({
      kind: 'result',
      result: { outcome: 'timed_out', reason: 'too long' },
    });
    // Asked again, it is still so.
    expect(await desk.onHost('stopAttempt', stop)).toEqual({ confirmed: true });
  });

  test('that everybody has left is removed once its bead has moved on', async () => {
    const desk = await lab.desk();
    const clocks = { ...lab.input(desk).clocks, adoptWithin: 500 };
    await desk.start(lab.input(desk, { ...slow(600_000), clocks }));
    await underWay(desk);
    // Terminated: nobody will ever adopt it, and nobody says so.
    await desk.handle.terminate();
    await expect.poll(() => lab.leftovers(desk), { timeout: 60_000 }).toEqual([]);
  });
});

describe('an interrupted start on a host that has no free place', () => {
  let full: HostLab;
  beforeAll(async () => {
    full = await HostLab.open({ watch: false, maxAgents: 1 });
    await full.host.places.enter(false, new AbortController().signal);
  });
  afterAll(() => full.close());

  async function interrupted(
    clocks: Partial<StartAgentInput['clocks']> = {},
  ): Promise<{ desk: Desk; running: Running }> {
    const desk = await full.desk();
    const input = full.input(desk);
    await full.dir(desk).create();
    await full.dir(desk).writeInput(input);
    return { desk, running: await desk.adopt({ ...input, clocks: { ...input.clocks, ...clocks } }) };
  }

  test('waits for one, and can be stopped while it waits', async () => {
    const { desk, running } = await interrupted();
    await expect
      .poll(async () => (await desk.pending())[0]?.details?.text, { timeout: 30_000 })
      .toMatch(/waits for a free place/);
    expect(
      await desk.onHost('stopAttempt', {
        bead: desk.bead,
        attempt: desk.attempt,
        repo: full.origin.url,
        outcome: 'stopped',
        reason: 'enough',
      }),
    ).toEqual({ confirmed: true });
    expect(await running.ending()).toMatchObject({ kind: 'result', result: { outcome: 'stopped' } });
    expect(await full.leftovers(desk)).toEqual([]);
  });

  test('does not wait for ever: other hosts may be free', async () => {
    const { desk, running } = await interrupted({ adoptWithin: 500 });
    expect(await failureOf(running)).toMatchObject({
      type: 'SetupUnreachable',
      message: expect.stringMatching(/no free place/) as string,
    });
    expect(await full.leftovers(desk)).toEqual([]);
  });
});

/** A port that nobody listens on. */
async function closedPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

describe('what one host lacks', () => {
  const entry = (program: string): string =>
    JSON.stringify({ agents: { late: { command: [program], prompt: 'stdin', onExit: 'commit and report' } } });
  const start = async (over: Partial<StartAgentInput> = {}): Promise<[string, string]> => {
    const desk = await lab.desk();
    const running = await desk.start(lab.input(desk, { agent: { adapter: 'late', cell: 'none' }, ...over }));
    const { type, message } = await failureOf(running);
    expect(await lab.leftovers(desk)).toEqual([]);
    return [type, message];
  };

  test('asks a person by one bead; the others are given back to the queue, until it is there or one is retried', async () => {
    const program = join(lab.home, 'late-program');
    await writeFile(join(lab.home, 'agents.yaml'), entry(program));
    const lacks = /the program .*late-program of the agent late is not on this host/;
    const [first, second, retried, after] = [
      await start(),
      await start(),
      await start({ retriedAt: Date.now() + 1 }),
      await start(),
    ];
    expect([first[0], second[0], retried[0], after[0]]).toEqual([
      'AgentNotInstalled',
      'HostDeclines',
      'AgentNotInstalled',
      'HostDeclines',
    ]);
    for (const [, message] of [first, second, retried, after]) expect(message).toMatch(lacks);
    await writeFile(program, '#!/bin/sh\nexit 3\n', { mode: 0o755 });
    const desk = await lab.desk();
    const running = await desk.start(lab.input(desk, { agent: { adapter: 'late', cell: 'none' } }));
    expect(await running.ending()).toMatchObject({ kind: 'result', result: { outcome: 'agent_failed' } });
    await rm(program);
    expect((await start())[0]).toBe('AgentNotInstalled');
  });

  test('walls that it cannot build are the same', async () => {
    await writeFile(join(lab.home, 'cell.json'), 'no settings');
    try {
      const walled = { agent: { adapter: 'demo' } };
      expect([await start(walled), await start(walled)]).toEqual([
        ['SetupFailed', expect.stringMatching(/cannot be run as it has to be: .*cell\.json is not JSON/)],
        ['HostDeclines', expect.stringMatching(/cannot be run as it has to be: .*cell\.json is not JSON/)],
      ]);
    } finally {
      await rm(join(lab.home, 'cell.json'));
    }
  });
});

describe('a host whose beads without a rig cost too much for too little', () => {
  let thrifty: HostLab;
  beforeAll(async () => {
    thrifty = await HostLab.open({ startLimit: 2 });
  });
  afterAll(() => thrifty.close());
  const end = async (command: string, over: Partial<StartAgentInput> = {}): Promise<string> => {
    const desk = await thrifty.desk();
    const agent = { adapter: 'shell', command, cell: 'none' } as const;
    const running = await desk.start(thrifty.input(desk, { agent, ...over }));
    const ending = await running.ending();
    if (ending.kind === 'result') return (ending.result as { outcome: string }).outcome;
    return `${(ending as { type: string }).type}: ${(ending as { message: string }).message}`;
  };
  const works = 'echo x > work.txt && git add . && git commit -qm work && heartbead agent done';

  test('starts no more of them, until an operator retries one; those of rigs have stops of their own', async () => {
    expect(await end('exit 3')).toBe('agent_failed');
    expect([await end(works), await end('exit 3', { rig: 'r' })]).toEqual(['done', 'agent_failed']);
    // Killed with its runner, as by whoever tidies a machine up.
    expect(await end('kill -9 $(ps -o ppid= -p $$ | tr -d " "); sleep 60')).toBe('lost');
    const spent = /^HostDeclines: host \S+ starts nothing without a rig for now: 2 paid starts/;
    expect([await end(works), await end(works)]).toEqual([expect.stringMatching(spent), expect.stringMatching(spent)]);
    expect(await end(works, { rig: 'r' })).toBe('done');
    expect(await end(works, { retriedAt: Date.now() + 1 })).toBe('done');
    expect(await end(works)).toBe('done');
  });
});

describe('a host with several accounts of one program', () => {
  /** Prints which account it was given, and is refused by the first for an hour. */
  const program =
    'echo "{\\"id\\":\\"c-$ACCOUNT\\",\\"says\\":\\"by $ACCOUNT\\"}"; ' +
    'if [ "$ACCOUNT" = first ]; then echo "{\\"error\\":\\"usage limit reached\\",\\"status\\":429,\\"wait\\":3600000}"; exit 1; fi; ' +
    '[ ${#TOKEN} = 24 ] || exit 9; tr "\\0" " " < /proc/$$/cmdline > ../seen; ' +
    'echo x > work.txt && git add . && git commit -qm work && heartbead agent done';
  const fields = { session: 'id', text: 'says', error: 'error', status: 'status', retryAfterMs: 'wait' };
  const settings = {
    agents: {
      tool: { command: ['sh', '-c', program], prompt: 'stdin', output: { format: 'json-lines', fields } },
    },
    accounts: {
      tool: [
        { name: 'one', set: { ACCOUNT: 'first' } },
        { name: 'two', set: { ACCOUNT: 'second' }, env: { TOKEN: 'TOKEN_OF_THE_SECOND' } },
      ],
    },
  };

  test('goes on at once with the next account, and with none while all are spent; no secret is written anywhere', async () => {
    await writeFile(join(lab.home, 'agents.yaml'), JSON.stringify(settings));
    vi.stubEnv('TOKEN_OF_THE_SECOND', 'the-secret-of-the-second');
    const attempt = async (): Promise<{ desk: Desk; ending: Awaited<ReturnType<Running['ending']>> }> => {
      const desk = await lab.desk();
      const running = await desk.start(lab.input(desk, { agent: { adapter: 'tool', cell: 'none' }, rig: 'r' }));
      return { desk, ending: await running.ending() };
    };
    const first = await attempt();
    expect(first.ending).toMatchObject({
      kind: 'result',
      result: {
        outcome: 'rate_limited',
        retryAfterMs: 1_000,
        reason: expect.stringMatching(
          /^account one: usage limit reached; the next attempt uses account two$/,
        ) as string,
      },
    });
    const second = await attempt();
    expect(second.ending).toMatchObject({ kind: 'result', result: { outcome: 'done', session: 'c-second' } });
    expect((await second.desk.signals()).map(({ payload }) => payload)).toContainEqual(
      expect.objectContaining({ kind: 'start', account: 'two' }),
    );
    const told =
      JSON.stringify([first, second].map(({ ending }) => ending)) + JSON.stringify(await second.desk.signals());
    expect(told).not.toContain('the-secret');
    const folder = lab.dir(second.desk).path;
    expect(await readFile(join(folder, 'seen'), 'utf8')).not.toContain('the-secret');
    const { stdout } = await execa('grep', ['-rl', 'the-secret-of-the-second', lab.home], { reject: false });
    expect(stdout).toBe('');

    new Logins(lab.home).refuse(
      { agent: 'tool', account: 'two', cause: 'rate_limited', reason: 'usage limit reached' },
      { retryAfterMs: 60_000, began: Date.now() },
    );
    const third = await attempt();
    expect(third.ending).toMatchObject({
      kind: 'failure',
      type: 'HostDeclines',
      message: expect.stringMatching(/starts no tool for now: account one .* is spent.*account two/) as string,
    });
    const [{ retryAfterMs }] = (third.ending as unknown as { details: [{ retryAfterMs: number }] }).details;
    expect(retryAfterMs).toBeGreaterThan(1_000);
    expect(retryAfterMs).toBeLessThanOrEqual(60_000);
    expect(await lab.leftovers(third.desk)).toEqual([]);
  });
});
