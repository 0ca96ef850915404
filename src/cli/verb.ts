import { z } from 'zod';
import { parseArgs } from './args.js';
import type { Context } from './context.js';
import type { ExitCode } from './exit.js';
import type { Verb } from './program.js';
import { addCommand, ownOptions } from './record.js';
import type { ArgumentWords, OptionWords, VerbWords } from './record.js';

export { verbGroup } from './record.js';

/** An option with the rule that reads it. Declared once. */
export interface OptionRecord<S extends z.ZodType = z.ZodType> extends OptionWords {
  schema: S;
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

/** An argument with the rule that reads it. */
export interface ArgumentRecord<S extends z.ZodType = z.ZodType> extends ArgumentWords {
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

/** A verb as a record: help, completion and the reference are made of it. */
export interface VerbRecord<A extends readonly ArgumentRecord[], O extends OptionRecords> extends VerbWords {
  arguments?: A;
  options?: O;
  run(context: Context, args: GivenArguments<A>, options: Given<O>): Promise<ExitCode>;
}

/** @returns a record as a verb. What a person typed has passed its schemas when `run` is called. */
export const verb =
  <const A extends readonly ArgumentRecord[] = readonly [], O extends OptionRecords = Record<never, never>>(
    record: VerbRecord<A, O>,
  ): Verb =>
  (program) => {
    const args: readonly ArgumentRecord[] = record.arguments ?? [];
    const options: OptionRecords = record.options ?? {};
    const shape = z.object(Object.fromEntries(ownOptions(options).map(([key, { schema }]) => [key, schema])));
    addCommand(program, record, (context, typed, given, path) => {
      const words = args.map(({ schema }, index) => parseArgs(schema, typed[index], path));
      return record.run(context, words as GivenArguments<A>, parseArgs(shape, given, path) as Given<O>);
    });
  };
