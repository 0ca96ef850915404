import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { Logins } from '../../agents/logins.js';
import type { Account } from '../../agents/index.js';
import { stateDirectory } from '../../client/home.js';
import { agentSpec } from '../../operator/agent-spec.js';
import { durationOf } from '../duration.js';
import { exitCodes, failure, usageError } from '../exit.js';
import { agentOptions } from '../shared-options.js';
import { argument, option, verb } from '../verb.js';

const task = {
  title: 'Say hello',
  body: 'Write a file hello.txt with the one line "hello", and commit it. Do nothing else.',
};

const { agent: _, ...howItIsCalled } = agentOptions('');

export const agentTest = verb({
  name: 'agent-test',
  description:
    'run an agent program once in a scratch repository, without a server, and say what was understood of it; ' +
    'it may cost what a small task costs',
  arguments: [argument('<agent>', 'a built-in one, or one of agents.yaml', z.string().min(1))],
  options: {
    ...howItIsCalled,
    account: option(
      '--account <name>',
      "one of the agent's accounts in agents.yaml, also one that its provider has refused",
      z.string().min(1).optional(),
    ),
    prompt: option('--prompt <text>', 'another task than to write hello.txt', z.string().min(1).optional()),
    timeout: option(
      '--timeout <duration>',
      'end it after so long (default: 5m)',
      z
        .string()
        .default('5m')
        .transform((text, context) => {
          const ms = durationOf(text);
          if (ms !== undefined && ms > 0) return ms;
          context.addIssue({ code: 'custom', message: `--timeout ${JSON.stringify(text)} is no duration such as 5m` });
          return z.NEVER;
        }),
    ),
  },
  run: async (context, [name], { account, prompt, timeout, ...given }) => {
    const spec = agentSpec({ agent: name, ...given }, 'agent-test');
    const { accountEnvironment, accountVariables, checkAgent, findAdapter } = await import('../../agents/index.js');
    const home = stateDirectory(process.env);
    const login = account === undefined ? undefined : await loginOf(name, account, home);
    const adapter = findAdapter(name, home);
    const problem = await checkAgent(spec, process.env, home);
    if (adapter === undefined || problem !== undefined)
      throw failure(problem?.problem ?? `there is no agent ${name}`, 'see docs/agents.md');
    const { planCell } = await import('../../cell/index.js');
    const cell = planCell('agents', { home, asked: spec.cell, env: process.env });
    if ('refused' in cell) throw failure(`${name} cannot be run here: ${cell.refused}`, 'see docs/security.md');
    const { tryAgent } = await import('../../runner/agent/agent-trial.js');
    const { agentTestPage } = await import('../render/agent-test-page.js');
    const scratch = await mkdtemp(join(tmpdir(), 'heartbead-agent-test-'));
    const interrupt = new AbortController();
    const stop = (): void => interrupt.abort();
    process.once('SIGINT', stop);
    process.once('SIGTERM', stop);
    try {
      context.note(
        `${name} works in ${scratch}${account === undefined ? '' : ` with its account ${account}`}; this takes as ` +
          'long as it takes …',
      );
      const began = Date.now();
      const runs = await tryAgent({
        scratch,
        adapter,
        spec,
        cell,
        ...(prompt === undefined ? task : { title: prompt.slice(0, 80), body: prompt }),
        timeout,
        signal: interrupt.signal,
        env: login === undefined ? process.env : accountEnvironment(process.env, login.all, account),
        loginVariables: login === undefined ? [] : accountVariables(login.chosen),
      });
      const fine = runs.every(({ outcome }) => outcome === 'done');
      // Whoever has mended an account need not wait until a bead finds that out.
      if (fine && login !== undefined) new Logins(home).served({ agent: name, account }, began);
      context.print({ agent: name, account, fine, runs }, agentTestPage(name, runs, context.io.colors));
      return fine ? exitCodes.fine : exitCodes.failed;
    } finally {
      process.off('SIGINT', stop);
      process.off('SIGTERM', stop);
      await rm(scratch, { recursive: true, force: true });
    }
  },
});

/** @throws CliError when there is no such account, or when a variable is not there by which it logs in. */
async function loginOf(agent: string, name: string, home: string): Promise<{ all: Account[]; chosen: Account }> {
  const { accountsOf, CustomAgentsError, missingVariables } = await import('../../agents/index.js');
  let all: Account[];
  try {
    all = accountsOf(agent, home);
  } catch (error) {
    if (error instanceof CustomAgentsError) throw failure(error.message, 'see docs/agents.md');
    throw error;
  }
  const chosen = all.find((account) => account.name === name);
  if (chosen === undefined)
    throw usageError(
      `the agent ${agent} has no account ${JSON.stringify(name)} on this host`,
      all.length === 0
        ? 'agents.yaml names none (docs/agents.md, "Several accounts")'
        : `it has ${all.map((account) => account.name).join(', ')}`,
    );
  const missing = missingVariables(chosen, process.env);
  if (missing.length > 0)
    throw failure(
      `account ${name} of ${agent} takes its secret from ${missing.join(', ')}, which is not set`,
      'set it',
    );
  return { all, chosen };
}
