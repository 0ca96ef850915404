import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';
import { dialects } from './dialects.js';
import type { Ask, Dialect, OfferedTool, Reply } from './dialects.js';

/** One answer of the model. */
export type Step =
  | { say: string }
  /** A call of the program's own shell tool. */
  | { shell: string }
  /** A call of one of Heartbead's tools. */
  | { report: string; args?: Record<string, unknown> }
  /** A refusal by the provider. */
  | { status: number; retryAfter?: number };

/** What a script is asked. */
export interface Situation {
  /** Tool calls since the newest prompt of Heartbead's. */
  step: number;
  /** Requests up to now at this very step, this one included. */
  tries: number;
  /** The newest prompt. */
  prompt: string;
  /** Prompts of earlier attempts in the same conversation. */
  earlier: string[];
  /** What else was said since, by the program or its hooks. */
  heard: string[];
  /** Names of the tools that the program offers. */
  tools: string[];
}
export type Script = (situation: Situation) => Step | Promise<Step>;

/** Every prompt of ours says this; all else that a program tells a model is its own. */
const OURS = 'You work on bead ';
const SHELLS = ['Bash', 'bash', 'exec_command', 'shell_command', 'run_shell_command', 'run_commands', 'shell'];
const tokens = { input: 1_000, output: 20, cached: 100 };

/**
 * A model provider on loopback, scripted, for any number of programs at once. Keeps nothing of a conversation: each
 * request holds all of it.
 */
export class FakeLlm {
  /** Requests with a prompt of ours, in order. */
  readonly situations: Situation[] = [];
  #script: Script = () => ({ say: 'nothing to do' });
  #tries = new Map<string, number>();
  #count = 0;

  private constructor(private readonly server: Server) {}

  /** Ends with the test. */
  static async start(): Promise<FakeLlm> {
    const server = createServer();
    const fake = new FakeLlm(server);
    server.on('request', (request, response) => {
      fake.#answer(request, response).catch((error: unknown) => response.destroy(error as Error));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => fake.stop());
    return fake;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  play(script: Script): void {
    this.#script = script;
    this.#tries = new Map();
  }

  stop(): Promise<void> {
    this.server.closeAllConnections();
    return new Promise((resolve) => this.server.close(() => resolve()));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const path = new URL(request.url ?? '/', this.url).pathname;
    const dialect = request.method === 'POST' ? dialects.find((one) => one.serves(path)) : undefined;
    if (dialect === undefined)
      return json(response, request.method === 'HEAD' || path.endsWith('/models') ? 200 : 404, {
        object: 'list',
        data: [],
      });
    const body = JSON.parse(Buffer.concat(chunks).toString()) as Record<string, unknown>;
    const ask = dialect.read(body);
    this.#count += 1;
    const base = {
      id: `fake${this.#count}`,
      model: typeof body['model'] === 'string' ? body['model'] : 'fake-model',
      tokens,
    };
    const situation = this.#situation(ask);
    // Titles, summaries, and other questions of the program's own.
    if (situation === undefined) return stream(response, dialect, { ...base, text: 'a title' });
    const step = await this.#script(situation);
    if ('status' in step)
      return json(
        response,
        step.status,
        dialect.failure(step.status, `the fake provider answers ${step.status}`),
        step.retryAfter === undefined ? {} : { 'retry-after': String(step.retryAfter) },
      );
    return stream(response, dialect, { ...base, ...play(step, ask.tools, `call${this.#count}`) });
  }

  #situation({ tools, turns }: Ask): Situation | undefined {
    const prompts = turns.flatMap((turn, index) =>
      'said' in turn && turn.said.includes(OURS) ? [{ index, text: turn.said }] : [],
    );
    const newest = prompts.at(-1);
    if (newest === undefined || tools.length === 0) return undefined;
    const step = turns.slice(newest.index + 1).filter((turn) => 'called' in turn).length;
    const key = `${newest.text}#${step}`;
    const tries = (this.#tries.get(key) ?? 0) + 1;
    this.#tries.set(key, tries);
    const situation = {
      step,
      tries,
      prompt: newest.text,
      earlier: prompts.slice(0, -1).map(({ text }) => text),
      heard: turns.slice(newest.index + 1).flatMap((turn) => ('said' in turn ? [turn.said] : [])),
      tools: tools.map(({ name, namespace = '' }) => namespace + name),
    };
    this.situations.push(situation);
    return situation;
  }
}

function play(step: Exclude<Step, { status: number }>, tools: OfferedTool[], id: string): Pick<Reply, 'text' | 'call'> {
  if ('say' in step) return { text: step.say };
  const tool =
    'shell' in step
      ? SHELLS.map((name) => tools.find((one) => one.name === name)).find((found) => found !== undefined)
      : tools.find(
          ({ name, namespace = '' }) => `${namespace}${name}`.includes('heartbead') && name.endsWith(step.report),
        );
  if (tool === undefined) return { text: `no such tool among ${tools.map(({ name }) => name).join(', ')}` };
  const given = 'shell' in step ? shellArguments(tool.schema, step.shell) : (step.args ?? {});
  return { text: '', call: { id, tool, args: { ...required(tool.schema), ...given } } };
}

/** Most take one command; Cline takes a list. */
function shellArguments(schema: Record<string, unknown>, command: string): Record<string, unknown> {
  const properties = (schema['properties'] ?? {}) as object;
  if ('commands' in properties) return { commands: [command] };
  return { [['command', 'cmd'].find((name) => name in properties) ?? 'command']: command };
}

/** Something for each argument that the tool insists on, such as a description. */
function required(schema: Record<string, unknown>): Record<string, unknown> {
  const properties = (schema['properties'] ?? {}) as Record<string, { type?: string }>;
  return Object.fromEntries(
    ((schema['required'] ?? []) as string[]).map((name) => [
      name,
      /boolean/i.test(properties[name]?.type ?? '')
        ? false
        : /number|integer/i.test(properties[name]?.type ?? '')
          ? 1
          : 'as asked',
    ]),
  );
}

function stream(response: ServerResponse, dialect: Dialect, reply: Reply): void {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  for (const [name, data] of dialect.stream(reply))
    response.write(
      `${name === undefined ? '' : `event: ${name}\n`}data: ` +
        `${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`,
    );
  response.end();
}

function json(response: ServerResponse, status: number, body: object, headers: Record<string, string> = {}): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify(body));
}
