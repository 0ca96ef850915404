import { Option } from 'commander';
import { z } from 'zod';
import { collect, parseArgs } from './args.js';
import { action } from './context.js';
import type { Context } from './context.js';
import { exitCodes } from './exit.js';
import type { ExitCode } from './exit.js';
import { pathOf } from './program.js';
import type { Verb } from './program.js';

/** An option: how it is typed, what the help says of it, and the rule that reads it. Declared once. */
export interface OptionRecord<S extends z.ZodType = z.ZodType> {
  /** `--base <branch>`; the key of the option in its record is the name that the flags give it. */
  flags: string;
  says: string;
  schema: S;
  /** May be given more than once; the schema reads a list. */
  repeatable?: boolean;
}
export const option = <S extends z.ZodType>(flags: string, says: string, schema: S): OptionRecord<S> => ({
  flags,
  says,
  schema,
});
export const repeatable = <S extends z.ZodType>(flags: string, says: string, schema: S): OptionRecord<S> => ({
  ...option(flags, `${says} (repeatable)`, schema),
  repeatable: true,
});
/** An option without a value. */
export const flag = (flags: string, says: string): OptionRecord<z.ZodDefault<z.ZodBoolean>> =>
  option(flags, says, z.boolean().default(false));

/** An argument of a verb: `<bead>`, `[text]`, `<file...>`. */
export interface ArgumentRecord<S extends z.ZodType = z.ZodType> {
  name: string;
  says: string;
  schema: S;
}
export const argument = <S extends z.ZodType>(name: string, says: string, schema: S): ArgumentRecord<S> => ({
  name,
  says,
  schema,
});

export type OptionRecords = Readonly<Record<string, OptionRecord>>;
/** What the options of a record are once they have been read. */
export type Given<O extends OptionRecords> = { [K in keyof O]: z.output<O[K]['schema']> };
type GivenArguments<A extends readonly ArgumentRecord[]> = {
  -readonly [K in keyof A]: A[K] extends ArgumentRecord<infer S> ? z.output<S> : never;
};

/** A verb as a record: help, completion and the checks of the reference are made of it. */
export interface VerbRecord<A extends readonly ArgumentRecord[], O extends OptionRecords> {
  name: string;
  description: string;
  arguments?: A;
  options?: O;
  /** What `--json` prints, when it is not one JSON object; `false`: the verb has no `--json`. */
  json?: string | false;
  /** Printed below the help. */
  example?: string;
  run(context: Context, args: GivenArguments<A>, options: Given<O>): Promise<ExitCode>;
}

/** @returns a record as a verb. What a person typed has passed its schemas when `run` is called. */
export const verb =
  <const A extends readonly ArgumentRecord[] = readonly [], O extends OptionRecords = Record<never, never>>(
    record: VerbRecord<A, O>,
  ): Verb =>
  (program) => {
    const command = program.command(record.name).description(record.description);
    const args: readonly ArgumentRecord[] = record.arguments ?? [];
    const options: OptionRecords = record.options ?? {};
    for (const { name, says } of args) command.argument(name, says);
    const read: Record<string, z.ZodType> = {};
    for (const [key, { flags, says, schema, repeatable: many }] of Object.entries(options)) {
      const made = new Option(flags, says);
      if (many === true) made.argParser(collect);
      // `--no-approval` beside `--approval` sets the same value, and is read as that.
      const opposite = made.negate && key !== made.attributeName();
      if (!opposite) read[key] = schema;
      if (!opposite && made.attributeName() !== key)
        throw new Error(`the option ${flags} of ${record.name} is recorded as ${key}`);
      command.addOption(made);
    }
    const shape = z.object(read);
    if (record.json !== false) command.option('--json', record.json ?? 'print JSON');
    if (record.example !== undefined) command.addHelpText('after', `\nExample:\n  ${record.example}`);
    command.action(
      action(async (context, ...given: unknown[]) => {
        const path = pathOf(command);
        const words = args.map(({ schema }, index) => parseArgs(schema, given[index], path));
        return record.run(
          context,
          words as GivenArguments<A>,
          parseArgs(shape, given[args.length] ?? {}, path) as Given<O>,
        );
      }),
    );
  };

/** @returns verbs under a word of their own (`rig add`). The word alone shows the help, which is a usage error. */
export const verbGroup =
  (name: string, description: string, verbs: readonly Verb[]): Verb =>
  (program) => {
    const group = program.command(name).description(description);
    group.action(() => {
      group.outputHelp({ error: true });
      process.exitCode = exitCodes.usage;
    });
    for (const one of verbs) one(group);
  };
