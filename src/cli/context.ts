import type { Command } from 'commander';
import type { BeadClient, FleetClient, TownConnection } from '../client/index.js';
import { escapedJson } from '../contract/index.js';
import { defaultDeadline } from '../client/deadline.js';
import { durationOf, durationProblem } from './duration.js';
import { CliError, errorReport, exitCodes, usageError } from './exit.js';
import type { ExitCode } from './exit.js';
import { processIo } from './io.js';
import type { Io } from './io.js';
import { pathOf } from './program.js';

/** What a verb works with. */
export class Context {
  readonly io: Io;
  /** Print JSON instead of text. */
  readonly json: boolean;
  /** Deadline of each request to the server, in milliseconds. */
  readonly deadline: number;
  #opened: TownConnection | undefined;

  constructor(command: Command, io: Io = processIo()) {
    const given = command.optsWithGlobals<{ json?: boolean; timeout?: string }>();
    this.io = io;
    this.json = given.json === true;
    const deadline = given.timeout === undefined ? defaultDeadline : durationOf(given.timeout);
    if (deadline === undefined)
      throw usageError(`--timeout: ${durationProblem(given.timeout ?? '')}`, 'see `heartbead --help`');
    this.deadline = deadline;
  }

  /** Connects on first use: a command whose arguments are wrong never asks the server anything. */
  async town(): Promise<TownConnection> {
    if (this.#opened !== undefined) return this.#opened;
    const { connect } = await import('../client/connect.js');
    this.#opened = await connect({ env: this.io.env, connectTimeout: this.deadline });
    if (this.#opened.source === 'demo' && !this.json)
      this.note(`no town is up here: talking to the running demo at ${this.#opened.address}`);
    return this.#opened;
  }

  async beads(): Promise<BeadClient> {
    const { BeadClient } = await import('../client/beads.js');
    return new BeadClient(await this.town(), { deadline: this.deadline });
  }

  async fleet(): Promise<FleetClient> {
    const { FleetClient } = await import('../client/fleet.js');
    return new FleetClient(await this.town(), this.deadline);
  }

  /** Prints a result: the object as JSON, or the text. */
  print(value: unknown, text: string): void {
    this.io.out(this.json ? this.#json(value, 2) : text);
  }

  /** Prints a result as one line of JSON. */
  printJsonLine(value: unknown): void {
    this.io.out(this.#json(value));
  }

  /** JSON keeps C1 controls and what turns the direction of reading as they are: a terminal must not get them. */
  #json(value: unknown, indent?: number): string {
    return escapedJson(JSON.stringify(value, undefined, indent));
  }

  /** A remark besides the result; on stderr, so that pipes stay clean. */
  note(text: string): void {
    this.io.err(this.io.errColors.dim(text));
  }

  async close(): Promise<void> {
    await this.#opened?.close();
  }
}

/** The body of a verb: its result is the exit status. */
export type Run<A extends unknown[]> = (context: Context, ...args: A) => Promise<ExitCode>;

/**
 * Makes a commander action of a verb's body: opens and closes what it needs, and turns failures into one sentence, one
 * next step and an exit status. commander calls it with the arguments, the options and the command.
 */
export function action<A extends unknown[]>(run: Run<A>): (...given: unknown[]) => Promise<void> {
  return async (...given) => {
    const command = given.at(-1) as Command;
    let context: Context | undefined;
    try {
      context = new Context(command);
      process.exitCode = await run(context, ...(given.slice(0, -1) as A));
    } catch (error) {
      process.exitCode = printError(withHelp(error, command), context?.json === true);
    } finally {
      await context?.close();
    }
  };
}

/** @returns the error; where something was typed wrongly and no next step is known, the verb's help is one. */
const withHelp = (error: unknown, command: Command): unknown =>
  error instanceof CliError && error.code === exitCodes.usage && error.next === undefined
    ? new CliError({
        code: error.code,
        message: error.message,
        cause: error.cause,
        next: `see \`heartbead ${pathOf(command)} --help\``,
      })
    : error;

/** Prints a failure to stderr. @returns the exit status it means. */
export function printError(error: unknown, json: boolean, io: Io = processIo()): ExitCode {
  const report = errorReport(error);
  if (json) io.err(escapedJson(JSON.stringify({ error: report })));
  else {
    io.err(`${io.errColors.red('heartbead:')} ${report.message}`);
    if (report.next !== undefined) io.err(`  next: ${report.next}`);
  }
  const debug = io.env['HEARTBEAD_DEBUG'];
  if (debug !== undefined && debug !== '' && debug !== '0' && error instanceof Error) {
    for (let at: unknown = error; at instanceof Error; at = at.cause) io.err(at.stack ?? String(at));
  }
  return report.code;
}
