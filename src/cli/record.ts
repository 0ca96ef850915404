import { Option } from 'commander';
import type { Command } from 'commander';
import { action } from './context.js';
import type { Context } from './context.js';
import type { ExitCode } from './exit.js';
import { pathOf } from './program.js';
import type { Verb } from './program.js';

/** An option: how it is typed, and what the help says of it. */
export interface OptionWords {
  /** `--base <branch>`; the key of the option in its record is the name that the flags give it. */
  flags: string;
  says: string;
  /** May be given more than once; what reads it gets a list. */
  repeatable?: boolean;
}

/** An argument of a verb: `<bead>`, `[text]`, `<file...>`. */
export interface ArgumentWords {
  name: string;
  says: string;
}

/** What help, completion and the reference (docs/cli.md) are made of. */
export interface VerbWords {
  name: string;
  description: string;
  arguments?: readonly ArgumentWords[];
  options?: Readonly<Record<string, OptionWords>>;
  /** What `--json` prints, when it is not one JSON object; `false`: the verb has no `--json`. */
  json?: string | false;
  /** Printed below the help. */
  example?: string;
}

/** Collects the values of an option that may be given more than once. */
const collect = (value: string, before: string[] = []): string[] => [...before, value];

/** @returns the options of a record, without those whose value another one sets as well (`--no-sandbox`). */
export const ownOptions = <O extends OptionWords>(options: Readonly<Record<string, O>>): [string, O][] =>
  Object.entries(options).filter(([key, { flags }]) => {
    const made = new Option(flags);
    return !made.negate || key === made.attributeName();
  });

/**
 * Adds a verb to the command line.
 * @param run gets the arguments and options as they were typed.
 */
export function addCommand(
  program: Command,
  { name, description, arguments: args = [], options = {}, json, example }: VerbWords,
  run: (context: Context, words: unknown[], options: Record<string, unknown>, path: string) => Promise<ExitCode>,
): void {
  const command = program.command(name).description(description);
  for (const { name: word, says } of args) command.argument(word, says);
  for (const [key, { flags, says, repeatable }] of Object.entries(options)) {
    const made = new Option(flags, says);
    if (repeatable === true) made.argParser(collect);
    // `--no-approval` beside `--approval` sets the same value, and is read as that.
    if (!made.negate && made.attributeName() !== key)
      throw new Error(`the option ${flags} of ${name} is recorded as ${key}`);
    command.addOption(made);
  }
  if (json !== false) command.option('--json', json ?? 'print JSON');
  if (example !== undefined) command.addHelpText('after', `\nExample:\n  ${example}`);
  command.action(
    action((context, ...given: unknown[]) =>
      run(context, given.slice(0, args.length), (given[args.length] ?? {}) as Record<string, unknown>, pathOf(command)),
    ),
  );
}

/** What a person has typed, by the shape of an argument's or option's words. */
type Typed<Text extends string> = Text extends `${string}...>`
  ? string[]
  : Text extends `${string}...]`
    ? Text extends `${string} [${string}`
      ? string[] | true | undefined
      : string[]
    : Text extends `[${string}`
      ? string | undefined
      : string;

/** A verb whose arguments are taken as they were typed. Schemas would cost an agent's call half of its time. */
export const plainVerb =
  <
    const A extends readonly ArgumentWords[] = readonly [],
    const O extends Record<string, OptionWords> = Record<never, never>,
  >(
    record: VerbWords & {
      arguments?: A;
      options?: O;
      run(
        context: Context,
        args: { -readonly [K in keyof A]: Typed<A[K]['name']> },
        options: { [K in keyof O]: Typed<O[K]['flags']> },
      ): Promise<ExitCode>;
    },
  ): Verb =>
  (program) =>
    addCommand(program, record, (context, words, options) =>
      record.run(
        context,
        words as { -readonly [K in keyof A]: Typed<A[K]['name']> },
        options as { [K in keyof O]: Typed<O[K]['flags']> },
      ),
    );

/**
 * @returns verbs under a word of their own (`rig add`). The word alone shows the help, which is a usage error; it has
 * no action, so that a verb that is none is called so.
 */
export const verbGroup =
  (name: string, description: string, verbs: readonly Verb[]): Verb =>
  (program) => {
    const group = program.command(name).description(description);
    for (const one of verbs) one(group);
  };
