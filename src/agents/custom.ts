import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { clip } from '../contract/index.js';
import type { CustomDefinition, Placeholder } from './custom-definition.js';
import { findProgram } from './find-program.js';
import { at, readLine, textAt } from './json-lines.js';
import type { Line } from './json-lines.js';
import { providerRefusal, waitUntil } from './provider-refusals.js';
import type { AgentAdapter, AgentContext, AgentEvent, AgentLogin, AgentParser } from './types.js';
import { verdictOf } from './verdict.js';

type Fields = Extract<CustomDefinition['output'], { format: 'json-lines' }>['fields'];

function lineEvents(line: Line, raw: string, fields: Fields, usage: 'each' | 'total'): AgentEvent[] {
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
  else if (text !== undefined) events.push({ kind: 'progress', activity: text }, { kind: 'said', text });
  const used = {
    inputTokens: number('inputTokens'),
    outputTokens: number('outputTokens'),
    cachedTokens: number('cachedTokens'),
    costUsd: number('costUsd'),
    turns: number('turns'),
  };
  const told = Object.fromEntries(Object.entries(used).filter(([, value]) => value !== undefined)) as {
    [K in keyof typeof used]?: number;
  };
  if (Object.keys(told).length > 0)
    events.push(usage === 'total' ? { kind: 'usage', total: true, ...told } : { kind: 'usage', turns: 1, ...told });
  const status = number('status');
  const error = errorWords(found('error'), fields.errorIf === undefined || found('errorIf') === true, status);
  if (error !== undefined) {
    const refused = providerRefusal({ text: error, status, retryAfterMs: number('retryAfterMs') });
    events.push(...(refused ? [refused] : []), { kind: 'end', ok: false, text: error });
  }
  if (events.length > 0) return events;
  // A program whose output has no words and tools to look for would seem silent while it works: each line counts.
  return [{ kind: fields.text === undefined && fields.tool === undefined ? 'progress' : 'life', activity: raw }];
}

/** @returns the words of an error, also of one that is an object or has only a status. */
function errorWords(found: unknown, counts: boolean, status: number | undefined): string | undefined {
  if (counts && typeof found === 'string' && found !== '') return found;
  if (counts && typeof found === 'object' && found !== null) return textAt(found, 'message') ?? JSON.stringify(found);
  return status !== undefined && status >= 400 ? `the provider answers with status ${status}` : undefined;
}

const plain: AgentParser = (line) =>
  line.trim() === '' ? undefined : { kind: 'progress', activity: line.slice(0, searchedChars) };

/**
 * In plain text a refusal is followed by what the program has to say of it ("check your key", "retrying in 4 s"), which
 * is no progress. A program that gets on says more than that.
 */
const linesOfRefusal = 8;
/** No provider refuses in more words; and a pattern of the user's may take its time. */
const searchedChars = 16_384;

const structured =
  ({ fields, usage }: Extract<CustomDefinition['output'], { format: 'json-lines' }>): AgentParser =>
  (text, stream) => {
    if (stream === 'stderr') return text.trim() === '' ? undefined : { kind: 'life', activity: text };
    const line = readLine(text);
    return line === undefined ? undefined : lineEvents(line, text, fields, usage);
  };

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

/**
 * A program that cannot call back is followed by a shell that does: in the agent's place, with the agent's rights and
 * git configuration. Any other status than 0 is passed on, and nothing is reported.
 */
function reportingOnExit(
  { file, args }: { file: string; args: string[] },
  how: NonNullable<CustomDefinition['onExit']>,
  { heartbead, bead }: AgentContext,
): { file: string; args: string[] } {
  const commit =
    'if [ -n "$(git status --porcelain)" ]; then git add --all && git commit --quiet -m "$subject" || exit; fi; ';
  const script =
    'heartbead=$1 subject=$2; shift 2; "$@" || exit; ' +
    (how === 'commit and report' ? commit : '') +
    'exec "$heartbead" agent done "$subject"';
  return { file: 'sh', args: ['-c', script, 'heartbead', heartbead, `Work on ${bead}`, file, ...args] };
}

/** The program itself may be run by a shell, so that nobody sees it in the command. */
function loginOf(program: string, home: CustomDefinition['home'], folder: string): AgentLogin {
  const paths = (given: readonly string[] = []): string[] =>
    given.map((path) => path.replace(/^~(?=\/)/, () => folder));
  return {
    program,
    read: paths(home?.read),
    write: paths(home?.write),
    keep: paths(home?.keep),
    copy: paths(home?.copy),
  };
}

const optionValue = z.union([z.string().min(1).max(4_000), z.number(), z.boolean()]);

/** What `--option NAME=VALUE` adds to the command; `false` adds nothing. Braces in a value are the user's own. */
function optionArguments(known: CustomDefinition['options'], given: Readonly<Record<string, unknown>>): string[] {
  return Object.entries(known).flatMap(([name, template]) => {
    const value = given[name];
    if (value === undefined || value === false) return [];
    return template.map((part) => part.replaceAll('{value}', () => String(value as string | number | true)));
  });
}

/** An agent program that nobody but its user has heard of, described in a settings file. */
export function customAgent(name: string, definition: CustomDefinition): AgentAdapter {
  const [program = name] = definition.command;
  const { output } = definition;
  return {
    name,
    description: definition.description ?? `${program} (from the settings file)`,
    options: z.strictObject(
      Object.fromEntries(Object.keys(definition.options).map((option) => [option, optionValue.optional()])),
    ),
    environment: definition.env,
    program,
    version: definition.version,
    mcp: definition.mcp !== undefined,
    login: ({ HOME = '' }) => loginOf(program, definition.home, HOME),
    check: (_spec, env) =>
      Promise.resolve(
        findProgram(program, env) !== undefined
          ? undefined
          : {
              kind: 'not_installed',
              problem:
                `the program ${program} of the agent ${name} is not on this host (it is looked for on the worker's ` +
                'PATH)',
            },
      ),
    findSession:
      definition.resume === undefined ? undefined : (session) => Promise.resolve({ ...session, from: session.id }),
    command: async (context) => {
      const filled = values(context);
      if (definition.mcp !== undefined)
        await writeFile(filled.mcpFile, JSON.stringify(fill(definition.mcp.config, filled), undefined, 2), {
          mode: 0o600,
        });
      const args = [
        ...fill(definition.command.slice(1), filled),
        ...optionArguments(fill(definition.options, filled), context.spec.options ?? {}),
        ...fill(definition.mcp?.args ?? [], filled),
        ...(context.resume === undefined ? [] : fill(definition.resume ?? [], filled)),
      ];
      const command = { file: program, args };
      return {
        ...(definition.onExit === undefined ? command : reportingOnExit(command, definition.onExit, context)),
        env: fill(
          definition.mcp?.variable === undefined
            ? definition.set
            : { ...definition.set, [definition.mcp.variable]: '{mcpFile}' },
          filled,
        ),
        stdin: definition.prompt === 'stdin' ? context.prompt : undefined,
      };
    },
    parser: () => {
      const read = output === 'text' || output.format === 'text' ? plain : structured(output);
      const refusals = definition.refusals.map(({ match, as }) => ({ match: new RegExp(match, 'i'), as }));
      let explaining = 0;
      return (line, stream) => {
        const refused = refusals.find(({ match }) => match.test(line.slice(0, searchedChars)));
        if (refused === undefined) {
          if (read !== plain || explaining === 0 || line.trim() === '') return read(line, stream);
          explaining -= 1;
          return { kind: 'life', activity: line };
        }
        explaining = linesOfRefusal;
        const text = clip(line.trim(), 500);
        return refused.as === 'rate_limited'
          ? { kind: 'rate_limited', text, retryAfterMs: waitUntil(line, Date.now()) }
          : { kind: refused.as, text };
      };
    },
    hasSpoken:
      definition.resume === undefined || definition.onExit !== undefined ? undefined : ({ code }) => code === 0,
    classify: (exit, events) => {
      const verdict = verdictOf(exit, events);
      return verdict?.outcome === 'auth_failed' && definition.login !== undefined
        ? { ...verdict, reason: `${verdict.reason} (${definition.login})` }
        : verdict;
    },
  };
}
