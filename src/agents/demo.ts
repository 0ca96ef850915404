import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { clip } from '../contract/index.js';
import { compiledFile } from '../package/compiled.js';
import { demoOptions } from './demo-options.js';
import type { AgentAdapter, AgentEvent } from './types.js';

/** Name of the variable that carries the script to the agent's process. */
export const demoScriptVariable = 'HEARTBEAD_DEMO_SCRIPT';

/** One line of the demo agent's output. */
export const demoLine = z.discriminatedUnion('type', [
  z.object({ type: z.literal('session'), id: z.string() }),
  z.object({ type: z.literal('text'), text: z.string() }),
  z.object({ type: z.literal('tool'), name: z.string(), text: z.string() }),
  /** A retry against a provider that does not answer: alive, but not getting on. */
  z.object({ type: z.literal('retry'), text: z.string() }),
  z.object({ type: z.literal('usage'), inputTokens: z.number(), outputTokens: z.number(), costUsd: z.number() }),
  z.object({ type: z.literal('rate_limited'), text: z.string(), retryAfterMs: z.number() }),
  z.object({ type: z.literal('auth_failed'), text: z.string() }),
  z.object({ type: z.literal('end'), ok: z.boolean(), text: z.string() }),
]);
export type DemoLine = z.infer<typeof demoLine>;

function eventOf(line: DemoLine): AgentEvent {
  switch (line.type) {
    case 'session':
      return { kind: 'session', id: line.id };
    case 'text':
      return { kind: 'progress', activity: line.text };
    case 'tool':
      return { kind: 'progress', tool: true, activity: `${line.name}: ${line.text}` };
    case 'retry':
      return { kind: 'life', activity: line.text };
    case 'usage':
      return { kind: 'usage', inputTokens: line.inputTokens, outputTokens: line.outputTokens, costUsd: line.costUsd };
    case 'rate_limited':
      return { kind: 'rate_limited', text: line.text, retryAfterMs: line.retryAfterMs };
    case 'auth_failed':
      return { kind: 'auth_failed', text: line.text };
    case 'end':
      return { kind: 'end', ok: line.ok, text: line.text };
  }
}

function parse(text: string): AgentEvent | undefined {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
  const line = demoLine.safeParse(json);
  return line.success ? eventOf(line.data) : undefined;
}

/** How often a slow preparation tells how far it is: at least a few times within any heartbeat timeout. */
const prepareTells = 50;

/** A scripted agent without a model: a real process that makes real commits, and misbehaves on demand. */
export const demo: AgentAdapter = {
  name: 'demo',
  description: 'a scripted agent that makes real commits, for demonstrations and tests',
  options: demoOptions,
  check: (spec) => {
    const parsed = demoOptions.safeParse(spec.options ?? {});
    return Promise.resolve(
      parsed.success ? undefined : { kind: 'bad_options', problem: clip(z.prettifyError(parsed.error), 500) },
    );
  },
  prepare: async (spec, { progress, signal }) => {
    const { prepareMs } = demoOptions.parse(spec.options ?? {});
    if (prepareMs === 0) return;
    for (let told = 0; told < prepareTells; told++) {
      progress({ text: 'preparing', percent: Math.round((100 * told) / prepareTells) });
      await sleep(prepareMs / prepareTells, undefined, signal ? { signal } : {});
    }
    progress({ text: 'preparing', percent: 100 });
  },
  command: ({ spec, prompt }) => ({
    file: process.execPath,
    args: [compiledFile('programs/demo-agent')],
    env: { [demoScriptVariable]: JSON.stringify(demoOptions.parse(spec.options ?? {})) },
    stdin: prompt,
  }),
  parser: () => parse,
  classify: (exit, events) => {
    const refused = events.findLast((event) => event.kind === 'rate_limited' || event.kind === 'auth_failed');
    if (exit.code === 0 || refused === undefined) return undefined;
    return refused.kind === 'rate_limited'
      ? {
          outcome: 'rate_limited',
          reason: refused.text,
          retryAfterMs: refused.retryAfterMs,
        }
      : { outcome: 'auth_failed', reason: refused.text };
  },
};
