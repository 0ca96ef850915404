import { z } from 'zod';
import { environmentProblem } from './environment.js';
import { refusalKinds } from './types.js';

const argument = z.string().min(1).max(4_000);
const variable = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'not the name of a variable');
const path = z.string().regex(/^[\w-]+(?:\.[\w-]+)*$/, 'not a path such as message.usage.input');

/** Where the parts of a line lie that say something; each is a path of keys (or places in a list), joined by dots. */
const jsonFields = z.strictObject({
  session: path.optional(),
  /** Words of the model: progress. */
  text: path.optional(),
  /** Name of a tool that was called: progress. */
  tool: path.optional(),
  inputTokens: path.optional(),
  outputTokens: path.optional(),
  cachedTokens: path.optional(),
  costUsd: path.optional(),
  turns: path.optional(),
  /**
   * Words of an error, or the object that holds them; those of a provider's refusal are known (401, 429, rate limit…).
   */
  error: path.optional(),
  /** With it, the words of `error` are an error only on lines where this is `true` (Claude Code's `is_error`). */
  errorIf: path.optional(),
  /** HTTP status of the error; 400 and above is an error also without words. */
  status: path.optional(),
  retryAfterMs: path.optional(),
});

const pattern = z
  .string()
  .min(1)
  .max(500)
  .superRefine((text, context) => {
    try {
      new RegExp(text, 'i');
    } catch (error) {
      context.addIssue({ code: 'custom', message: `not a regular expression: ${(error as Error).message}` });
    }
  });

const homePaths = z
  .array(
    z
      .string()
      .regex(/^~?\/./, 'an absolute path, or one that begins with ~/')
      .max(4_000),
  )
  .max(50);

/** A program that cannot call Heartbead reports by its exit: status 0 is its word that the work is done. */
const onExit = ['report', 'commit and report'] as const;

const output = z.union([
  z.literal('text'),
  z.strictObject({ format: z.literal('text') }),
  z.strictObject({
    format: z.literal('json-lines'),
    fields: jsonFields,
    /** `each`: every line that has usage tells of one more answer. `total`: of the whole run up to there. */
    usage: z.enum(['each', 'total']).default('each'),
  }),
]);

const placeholders = [
  'prompt',
  'promptFile',
  'worktree',
  'folder',
  'bead',
  'attempt',
  'session',
  'mcpFile',
  'heartbead',
  'socket',
] as const;
export type Placeholder = (typeof placeholders)[number];

/** @returns what is wrong with the placeholders of a text, or undefined. */
function placeholderProblem(text: string): string | undefined {
  for (const [, name] of text.matchAll(/\{(\w+)\}/g)) {
    if (!(placeholders as readonly string[]).includes(name ?? ''))
      return `there is no {${name}}; there are ${placeholders.map((known) => `{${known}}`).join(', ')}`;
  }
  return undefined;
}

const checkPlaceholders = (text: string, context: z.RefinementCtx): void => {
  const message = placeholderProblem(text);
  if (message !== undefined) context.addIssue({ code: 'custom', message });
};

const template = argument.superRefine(checkPlaceholders);

/** Every string in a value, however deep. */
function* strings(value: unknown): Generator<string> {
  if (typeof value === 'string') yield value;
  else if (typeof value === 'object' && value !== null) for (const part of Object.values(value)) yield* strings(part);
}

/** One agent of a settings file. */
export const customDefinition = z
  .strictObject({
    description: z.string().min(1).max(200).optional(),
    /** Program and arguments; never through a shell. */
    command: z.array(template).min(1).max(60),
    /**
     * How the prompt gets there: an argument with `{prompt}`, the program's stdin, or a file named by `{promptFile}`.
     */
    prompt: z.enum(['arg', 'stdin', 'file']),
    output: output.default('text'),
    /** Arguments that `--option NAME=VALUE` adds to the command; `{value}` in them is what was given. */
    options: z
      .record(z.string().regex(/^[A-Za-z][\w-]{0,39}$/, 'not the name of an option'), z.array(argument).min(1).max(10))
      .default({}),
    /** Appended to the command when a conversation goes on; needs `{session}`, and `fields.session` in the output. */
    resume: z.array(template).min(1).max(20).optional(),
    mcp: z
      .strictObject({
        /** Written as JSON into the attempt's folder as `{mcpFile}`; strings in it may hold placeholders. */
        config: z.record(z.string(), z.unknown()).superRefine((config, context) => {
          for (const text of strings(config)) checkPlaceholders(text, context);
        }),
        /** Appended to the command. */
        args: z.array(template).max(20).default([]),
        /** Or names the variable that names the file. */
        variable: variable.optional(),
      })
      .optional(),
    /** Names of host variables that it may see. */
    env: z.array(variable).max(100).default([]),
    /** Variables with their values; no secrets, since this file is no place for them. */
    set: z.record(variable, z.string().max(4_000).superRefine(checkPlaceholders)).default({}),
    /**
     * What lines of its output mean that its provider refuses: in any format, also on stderr. The first that matches
     * decides; such a line is no progress.
     */
    refusals: z
      .array(z.strictObject({ match: pattern, as: z.enum(refusalKinds) }))
      .max(20)
      .default([]),
    /** For programs that cannot run `heartbead agent done`: what their end with status 0 means. */
    onExit: z.enum(onExit).optional(),
    /** What a sandbox shows of the user's home; nothing else is there. `~` is the home. */
    home: z
      .strictObject({
        read: homePaths.default([]),
        write: homePaths.default([]),
        keep: homePaths.default([]),
        copy: homePaths.default([]),
      })
      .optional(),
    /** Arguments that make it print its version, for `heartbead doctor`. */
    version: z.array(argument).max(5).default(['--version']),
    /** What a person does when its provider does not know it. */
    login: z.string().max(500).optional(),
  })
  .superRefine((given, context) => {
    const has = (name: Placeholder, parts: readonly string[]): boolean =>
      parts.some((part) => part.includes(`{${name}}`));
    const issue = (at: string, message: string): void => context.addIssue({ code: 'custom', path: [at], message });
    if (given.prompt === 'arg' && !has('prompt', given.command))
      issue('command', 'with the prompt as an argument, one of them is "{prompt}"');
    if (given.prompt !== 'arg' && has('prompt', given.command))
      issue('command', `"{prompt}" is only for prompt: arg; here it is ${given.prompt}`);
    if (given.prompt === 'file' && !has('promptFile', given.command))
      issue('command', 'with the prompt in a file, one of the arguments holds "{promptFile}"');
    if (given.resume !== undefined && !has('session', given.resume))
      issue('resume', 'one of these arguments holds "{session}"');
    if (
      given.resume !== undefined &&
      (typeof given.output === 'string' ||
        given.output.format !== 'json-lines' ||
        given.output.fields.session === undefined)
    )
      issue('resume', 'a conversation can go on only when the output tells its id: output.fields.session');
    if (has('session', given.command))
      issue('command', '"{session}" belongs into resume, which is appended when there is one');
    if (given.mcp !== undefined && given.mcp.variable === undefined && !has('mcpFile', given.mcp.args))
      issue('mcp', 'the program hears of the file by "{mcpFile}" in args, or by a variable');
  });
export type CustomDefinition = z.output<typeof customDefinition>;

/** A name in the settings file, of an agent or of an account. */
const name = z
  .string()
  .regex(/^[a-z][\w-]{0,39}$/, 'a name begins with a small letter and has at most 40 letters, digits, - and _');

/** Variables that an account gives its agent. */
const given = <T extends z.ZodType<string>>(value: T): z.ZodRecord<typeof variable, T> =>
  z.record(variable, value).superRefine((variables, context) => {
    const message = environmentProblem(Object.keys(variables));
    if (message !== undefined) context.addIssue({ code: 'custom', message });
  });

/** One login of several; without variables it is the user's own. */
const account = z.strictObject({
  name,
  /** Variables of the agent, each with the name of the host's variable that holds its value. */
  env: given(variable).default({}),
  /** Variables with their values, such as a folder that a login lies in; no secrets. `~/` is the user's home. */
  set: given(z.string().max(4_000)).default({}),
});
export type AccountDefinition = z.output<typeof account>;

const accounts = z
  .array(account)
  .min(1)
  .max(20)
  .superRefine((given, context) => {
    const double = given.find(({ name: one }, at) => given.findIndex((other) => other.name === one) < at);
    if (double !== undefined) context.addIssue({ code: 'custom', message: `two accounts are named ${double.name}` });
  });

/** The whole settings file. */
export const customSettings = z.strictObject({
  agents: z.record(name, customDefinition).default({}),
  /** Logins of an agent, also of a built-in one: the first that its provider does not refuse is used. */
  accounts: z.record(name, accounts).default({}),
});
