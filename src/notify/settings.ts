import { readFile } from 'node:fs/promises';
import { isAbsolute, join, resolve } from 'node:path';
import { z } from 'zod';
import { isMissing } from '../edge/errors.js';

/** What is told. Names are part of the settings file. */
export const eventNames = [
  'blocked',
  'budget',
  'escalation',
  'approval',
  'breaker',
  'closed',
  'failed',
  'cancelled',
  'landed',
] as const;
export type EventName = (typeof eventNames)[number];

const on = z
  .array(
    z.enum(eventNames, {
      error: ({ input }) => `there is no event ${JSON.stringify(input)}; there are ${eventNames.join(', ')}`,
    }),
  )
  .min(1)
  .default(['blocked', 'budget', 'closed', 'landed']);
const name = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,39}$/, 'the name of a hook has lower-case letters, digits and dashes, at most 40');
const variable = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'not a name of a variable');
const webhook = z
  .strictObject({
    name,
    on,
    /** https, or http on this machine: a signature proves who sent it, and hides nothing. */
    url: z.url({ protocol: /^https?$/ }),
    /** Where the secret is, never the secret itself. */
    secretEnv: variable.optional(),
    secretFile: z.string().min(1).optional(),
  })
  .refine(
    ({ secretEnv, secretFile }) => secretEnv === undefined || secretFile === undefined,
    'secretEnv or secretFile, not both',
  );
const command = z.strictObject({ name, on, command: z.string().min(1), env: z.array(variable).default([]) });
const file = z
  .strictObject({ hooks: z.array(z.union([webhook, command])).max(20) })
  .superRefine(({ hooks }, context) => {
    const twice = hooks.find(({ name: own }, index) => hooks.findIndex((other) => other.name === own) !== index);
    if (twice !== undefined) context.addIssue({ code: 'custom', message: `two hooks are named ${twice.name}` });
  });

export type WebhookHook = z.output<typeof webhook>;
export type CommandHook = z.output<typeof command>;
export type Hook = WebhookHook | CommandHook;

/** The settings cannot be used; the message says why. */
export class NotificationSettingsError extends Error {
  constructor(path: string, problem: string) {
    super(`${path}: ${problem}`);
    this.name = 'NotificationSettingsError';
  }
}

/** @returns `HEARTBEAD_NOTIFICATIONS`, or `notifications.json` in the state directory. */
export function settingsPath(home: string, env: NodeJS.ProcessEnv): string {
  const named = env['HEARTBEAD_NOTIFICATIONS'];
  return named !== undefined && named !== '' ? resolve(named) : join(home, 'notifications.json');
}

/**
 * Reads the hooks. They stay on this host: neither they nor their secrets ever get into a workflow.
 * @returns undefined when there is no such file.
 * @throws NotificationSettingsError
 */
export async function readHooks(path: string): Promise<Hook[] | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw new NotificationSettingsError(
      path,
      `it cannot be read (${(error as NodeJS.ErrnoException).code ?? String(error)})`,
    );
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new NotificationSettingsError(path, 'it is not JSON');
  }
  const parsed = file.safeParse(value);
  if (!parsed.success) throw new NotificationSettingsError(path, problemOf(parsed.error, value));
  return parsed.data.hooks;
}

/** A hook is of one of two kinds: the problem is that of the kind which was meant. */
function problemOf(error: z.ZodError, value: unknown): string {
  const issue = error.issues[0];
  const at = issue?.path ?? [];
  if (issue?.code === 'invalid_union' && typeof at[1] === 'number') {
    const hook: unknown = (value as { hooks: unknown[] }).hooks[at[1]];
    const meant = typeof hook === 'object' && hook !== null && 'command' in hook ? command : webhook;
    const inner = meant.safeParse(hook).error?.issues[0];
    return (
      `hooks.${at[1]}${(inner?.path ?? []).map((part) => `.${String(part)}`).join('')}: ` +
      `${inner?.message ?? issue.message}`
    );
  }
  return `${at.length === 0 ? '' : `${at.join('.')}: `}${issue?.message ?? 'not a list of hooks'}`;
}

/**
 * @returns the secret of a webhook, or undefined when it has none. @throws NotificationSettingsError when it is named
 * and not there.
 */
export async function secretOf(hook: WebhookHook, home: string, env: NodeJS.ProcessEnv): Promise<string | undefined> {
  if (hook.secretEnv !== undefined) {
    const secret = env[hook.secretEnv];
    if (secret === undefined || secret === '')
      throw new NotificationSettingsError(
        `hook ${hook.name}`,
        `the variable ${hook.secretEnv} is not set for this process`,
      );
    return secret;
  }
  if (hook.secretFile === undefined) return undefined;
  const path = isAbsolute(hook.secretFile) ? hook.secretFile : join(home, hook.secretFile);
  const secret = await readFile(path, 'utf8').then(
    (text) => text.trim(),
    (error: unknown) => {
      throw new NotificationSettingsError(
        `hook ${hook.name}`,
        `its secret cannot be read from ${path} (${(error as NodeJS.ErrnoException).code ?? 'unknown'})`,
      );
    },
  );
  if (secret === '')
    throw new NotificationSettingsError(`hook ${hook.name}`, `the file of its secret, ${path}, is empty`);
  return secret;
}
