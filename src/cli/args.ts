import { z } from 'zod';
import { beadStatuses, destinationProblem, formerClockNames } from '../contract/index.js';
import type { Budgets, Clocks } from '../contract/index.js';
import { defaultClocks } from '../domain/clocks.js';
import { durationOf, durationProblem } from './duration.js';
import { usageError } from './exit.js';

/** A duration, in milliseconds. */
export const duration = z.string().transform((text, context) => {
  const ms = durationOf(text);
  if (ms !== undefined) return ms;
  context.addIssue({ code: 'custom', message: durationProblem(text) });
  return z.NEVER;
});

export { attemptId as attemptArgument, beadId as beadArgument, title as titleArgument } from '../edge/schemas.js';
export const statusOption = z.enum(beadStatuses, {
  error: ({ input }) => `there is no status ${JSON.stringify(input)}; there are ${beadStatuses.join(', ')}`,
});

/** A whole number within bounds, from text. */
export const wholeNumber = (what: string, min: number, max: number) =>
  z.string().transform((text, context) => {
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (value >= min && value <= max) return value;
    context.addIssue({
      code: 'custom',
      message: `${what} is a whole number from ${min} to ${max}, not ${JSON.stringify(text)}`,
    });
    return z.NEVER;
  });

const clockNames = Object.keys(defaultClocks) as (keyof Clocks)[];
const formerName = (name: string): keyof Clocks | undefined =>
  Object.entries(formerClockNames).find(([former]) => former === name)?.[1];

/** `name=duration` items as clocks. Former names are taken too, and not shown. */
export const clockOptions = z.array(z.string()).transform((items, context): Partial<Clocks> => {
  const clocks: Partial<Clocks> = {};
  for (const item of items) {
    const [name = '', value = ''] = split(item);
    const known = clockNames.find((clock) => clock === name) ?? formerName(name);
    if (known === undefined) {
      context.addIssue({
        code: 'custom',
        message: `there is no clock named ${JSON.stringify(name)}; there are ${clockNames.join(', ')}`,
      });
      continue;
    }
    const ms = duration.safeParse(value);
    if (ms.success) clocks[known] = ms.data;
    else
      context.addIssue({
        code: 'custom',
        message: `--clock ${known}: ${ms.error.issues[0]?.message ?? 'not a duration'}`,
      });
  }
  return clocks;
});

/** `key=value` items; a value that is JSON is taken as such, everything else as text. */
const pairs = (flag: string) =>
  z.array(z.string()).transform((items, context): Record<string, unknown> => {
    const options: Record<string, unknown> = {};
    for (const item of items) {
      const [key = '', value] = split(item);
      if (key === '' || value === undefined) {
        context.addIssue({ code: 'custom', message: `${flag} ${JSON.stringify(item)} is not key=value` });
        continue;
      }
      options[key] = jsonOrText(value);
    }
    return options;
  });

export const keyValues = pairs('--option');
/** `name=number` items as budgets; what they may be is the contract's to say. */
export const budgetOptions = pairs('--budget').transform((given) => given as Partial<Budgets>);

function split(item: string): [string, string?] {
  const at = item.indexOf('=');
  return at < 0 ? [item] : [item.slice(0, at), item.slice(at + 1)];
}

function jsonOrText(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    if (error instanceof SyntaxError) return text;
    throw error;
  }
}

/**
 * Checks what a person typed.
 * @throws CliError (usage) with the first problem as a sentence.
 */
export function parseArgs<S extends z.ZodType>(schema: S, value: unknown, command: string): z.output<S> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const where =
    issue?.code === 'custom' || issue?.code === 'invalid_value' || issue === undefined || issue.path.length === 0
      ? ''
      : `${issue.path.join('.')}: `;
  throw usageError(
    `${where}${issue?.message ?? 'the arguments cannot be read'}`,
    `see \`heartbead ${command} --help\``,
  );
}

/** Hosts with commas between; `none` is a list of none. */
export const networkArgument = z.string().transform((given, context) => {
  const entries = given === 'none' ? [] : given.split(',').map((entry) => entry.trim());
  for (const entry of entries) {
    const problem = destinationProblem(entry);
    if (problem !== undefined)
      context.addIssue({ code: 'custom', message: `--network takes ${problem}; ${JSON.stringify(entry)} is none` });
  }
  return entries;
});
