import { createHmac } from 'node:crypto';
import { agentEnvironmentFrom } from '../agents/environment.js';
import { durationText } from '../domain/words.js';
import { runProgram } from '../edge/run-program.js';
import type { Notification } from './event.js';
import { secretOf } from './settings.js';
import type { CommandHook, Hook, WebhookHook } from './settings.js';

/** A receiver has so long to answer; it should take the news and do its work afterwards. */
const webhookWithin = 10_000;
const commandWithin = 30_000;

/**
 * The signature of a webhook: HMAC-SHA-256 over the timestamp, a dot and the body, so that an old request cannot be
 * sent again as a new one.
 * @param timestamp seconds, as in the header `Heartbead-Timestamp`.
 * @returns the value of the header `Heartbead-Signature`.
 */
export const signatureOf = (secret: string, timestamp: string, body: string): string =>
  `v1=${createHmac('sha256', secret).update(`${timestamp}.${body}`).digest('hex')}`;

/** Tells one hook. Resolves when it has taken the news; throws, with the reason, when not. */
export async function deliver(
  hook: Hook,
  notification: Notification,
  { home, env }: { home: string; env: NodeJS.ProcessEnv },
): Promise<void> {
  if ('command' in hook) return run(hook, notification, env);
  return post(hook, notification, await secretOf(hook, home, env));
}

async function post({ url }: WebhookHook, notification: Notification, secret: string | undefined): Promise<void> {
  const body = JSON.stringify(notification);
  const timestamp = String(Math.floor(Date.now() / 1_000));
  const headers: Record<string, string> = {
    'content-type': 'application/json',
    'user-agent': 'heartbead',
    'heartbead-event': notification.event,
    'heartbead-id': notification.id,
    'heartbead-timestamp': timestamp,
  };
  if (secret !== undefined) headers['heartbead-signature'] = signatureOf(secret, timestamp, body);
  let answer: Response;
  try {
    // A redirect would hand the signed news to somebody whom the settings do not name.
    answer = await fetch(url, {
      method: 'POST',
      headers,
      body,
      redirect: 'error',
      signal: AbortSignal.timeout(webhookWithin),
    });
  } catch (error) {
    const cause = (error as Error).cause;
    throw new Error(`no answer (${cause instanceof Error ? cause.message : (error as Error).message})`, {
      cause: error,
    });
  }
  await answer.body?.cancel();
  if (!answer.ok) throw new Error(`answered with status ${answer.status}`);
}

/** The news on stdin and in variables; nothing of the worker's credentials. */
async function run(
  { command, env: names }: CommandHook,
  notification: Notification,
  env: NodeJS.ProcessEnv,
): Promise<void> {
  const own = {
    HEARTBEAD_EVENT: notification.event,
    HEARTBEAD_ABOUT: notification.about,
    HEARTBEAD_TEXT: notification.text,
  };
  const { code, signal, ended, stderr } = await runProgram('/bin/sh', ['-c', command], {
    input: JSON.stringify(notification),
    env: agentEnvironmentFrom(env, names, own),
    within: commandWithin,
  });
  if (code === 0) return;
  const said = stderr.trim().split('\n').at(-1)?.slice(0, 200) ?? '';
  const how =
    ended !== undefined
      ? `did not end within ${durationText(commandWithin)}`
      : signal !== null
        ? `ended by ${signal}`
        : `ended with status ${code ?? '?'}`;
  throw new Error(said === '' ? how : `${how}: ${said}`);
}
