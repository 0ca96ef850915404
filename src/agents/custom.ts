import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { CustomDefinition, Placeholder } from './custom-definition.js';
import { findProgram } from './find-program.js';
import { at, jsonLines } from './json-lines.js';
import type { Line } from './json-lines.js';
import { refusal } from './refusals.js';
import type { AgentAdapter, AgentContext, AgentEvent, AgentParser } from './types.js';
import { verdictOf } from './verdict.js';

type Fields = Extract<CustomDefinition['output'], { format: 'json-lines' }>['fields'];

function lineEvents(line: Line, fields: Fields, usage: 'each' | 'total'): AgentEvent[] {
  const found = (name: keyof Fields): unknown =>
    fields[name] === undefined ? undefined : at(line, fields[name].split('.'));
  const words = (name: keyof Fields): string | undefined => {
    const value = found(name);
    return typeof value === 'string' && value !== '' ? value : undefined;
  };
  const number = (name: keyof Fields): number | undefined => {
    const value = found(name);
    return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
  };
  const events: AgentEvent[] = [];
  const session = words('session');
  if (session !== undefined) events.push({ kind: 'session', id: session });
  const tool = words('tool');
  const text = words('text');
  if (tool !== undefined) events.push({ kind: 'progress', tool: true, activity: tool });
  else if (text !== undefined) events.push({ kind: 'progress', activity: text });
  const used = {
    inputTokens: number('inputTokens'),
    outputTokens: number('outputTokens'),
    cachedTokens: number('cachedTokens'),
    costUsd: number('costUsd'),
  };
  const told = Object.fromEntries(Object.entries(used).filter(([, value]) => value !== undefined)) as {
    [K in keyof typeof used]?: number;
  };
  if (Object.keys(told).length > 0)
    events.push(usage === 'total' ? { kind: 'usage', total: true, ...told } : { kind: 'usage', ...told, turns: 1 });
  const error = words('error');
  if (error !== undefined) {
    const refused = refusal({ text: error, status: number('status'), retryAfterMs: number('retryAfterMs') });
    events.push(...(refused ? [refused] : []), { kind: 'end', ok: false, text: error });
  }
  return events;
}

const plain: AgentParser = (line) => (line.trim() === '' ? undefined : { kind: 'progress', activity: line });

function fill<T>(value: T, values: Readonly<Record<Placeholder, string>>): T {
  if (typeof value === 'string')
    return value.replace(/\{(\w+)\}/g, (whole, name: string) =>
      Object.hasOwn(values, name) ? values[name as Placeholder] : whole,
    ) as T;
  if (Array.isArray(value)) return value.map((item: unknown) => fill(item, values)) as T;
  if (typeof value === 'object' && value !== null)
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, fill(item as unknown, values)])) as T;
  return value;
}

function values(context: AgentContext): Record<Placeholder, string> {
  return {
    prompt: context.prompt,
    promptFile: context.promptFile,
    worktree: context.worktree,
    folder: context.folder,
    bead: context.bead,
    attempt: context.attempt,
    session: context.resume?.id ?? '',
    mcpFile: join(context.folder, 'mcp.json'),
    heartbead: context.heartbead,
    socket: context.env['HEARTBEAD_SOCKET'] ?? '',
  };
}

/** An agent program that nobody but its user has heard of, described in a settings file. */
export function customAgent(name: string, definition: CustomDefinition): AgentAdapter {
  const [program = name] = definition.command;
  const { output } = definition;
  return {
    name,
    description: definition.description ?? `${program} (from the settings file)`,
    options: z.strictObject({}),
    environment: definition.env,
    mcp: definition.mcp !== undefined,
    check: (_spec, env) =>
      Promise.resolve(
        findProgram(program, env) !== undefined
          ? undefined
          : {
              kind: 'not_installed',
              problem: `the program ${program} of the agent ${name} is not on this host (it is looked for on the worker's PATH)`,
            },
      ),
    ...(definition.resume === undefined
      ? {}
      : { findSession: (session) => Promise.resolve({ ...session, from: session.id }) }),
    command: async (context) => {
      const filled = values(context);
      if (definition.mcp !== undefined)
        await writeFile(filled.mcpFile, JSON.stringify(fill(definition.mcp.config, filled), undefined, 2), {
          mode: 0o600,
        });
      const args = [
        ...definition.command.slice(1),
        ...(definition.mcp?.args ?? []),
        ...(context.resume === undefined ? [] : (definition.resume ?? [])),
      ];
      return {
        file: program,
        args: fill(args, filled),
        env: {
          ...definition.set,
          ...(definition.mcp?.variable === undefined ? {} : { [definition.mcp.variable]: filled.mcpFile }),
        },
        ...(definition.prompt === 'stdin' ? { stdin: context.prompt } : {}),
      };
    },
    parser: () => {
      if (output === 'text' || output.format === 'text') return plain;
      return (line, stream) =>
        stream === 'stderr'
          ? line.trim() === ''
            ? undefined
            : { kind: 'life', activity: line }
          : jsonLines((found) => lineEvents(found, output.fields, output.usage))(line);
    },
    classify: (exit, events) => {
      const verdict = verdictOf(exit, events);
      return verdict?.outcome === 'auth_failed' && definition.login !== undefined
        ? { ...verdict, reason: `${verdict.reason} (${definition.login})` }
        : verdict;
    },
  };
}
