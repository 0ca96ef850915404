import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { stateDirectory } from '../../client/home.js';
import { agentSpec } from '../../operator/agent-spec.js';
import { durationOf } from '../duration.js';
import { exitCodes, failure } from '../exit.js';
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
  run: async (context, [name], { prompt, timeout, ...given }) => {
    const spec = agentSpec({ agent: name, ...given }, 'agent-test');
    const { checkAgent, findAdapter } = await import('../../agents/index.js');
    const home = stateDirectory(process.env);
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
      context.note(`${name} works in ${scratch}; this takes as long as it takes …`);
      const runs = await tryAgent({
        scratch,
        adapter,
        spec,
        cell,
        ...(prompt === undefined ? task : { title: prompt.slice(0, 80), body: prompt }),
        timeout,
        signal: interrupt.signal,
      });
      const fine = runs.every(({ outcome }) => outcome === 'done');
      context.print({ agent: name, fine, runs }, agentTestPage(name, runs, context.io.colors));
      return fine ? exitCodes.fine : exitCodes.failed;
    } finally {
      process.off('SIGINT', stop);
      process.off('SIGTERM', stop);
      await rm(scratch, { recursive: true, force: true });
    }
  },
});
