import { z } from 'zod';
import { limits } from '../../contract/index.js';
import type { AttemptResult, Message } from '../../contract/index.js';
import { messageOf } from '../../edge/schemas.js';
import type { Fields } from '../../edge/schemas.js';
import { JsonServer, nothing, route } from './json-server.js';
import type { AdoptOutcome, RunnerConnection, RunnerStatus, StopRequest } from '../types.js';

/** What a runner does when its host asks. Refusals are thrown as `RequestRefused`. */
export interface ControlHandlers {
  status(): RunnerStatus;
  /** @param connection how the host reaches the server now; absent from a host of an earlier version. */
  adopt(token: Uint8Array, connection?: RunnerConnection): Promise<AdoptOutcome>;
  reconnect(connection: RunnerConnection): Promise<void>;
  stop(request: StopRequest): Promise<AttemptResult>;
  pause(paused: boolean): void;
  deliver(message: Message): void;
}

const text = z.string().min(1).max(limits.textChars);
const pem = z.base64().max(64 * 1024);
/** Unknown fields are dropped: a newer host may know more ways to reach a server. */
const connectionShape: z.ZodType<RunnerConnection> = z.object({
  address: text,
  namespace: text,
  apiKey: z
    .string()
    .max(64 * 1024)
    .optional(),
  tls: z
    .union([
      z.boolean(),
      z.object({
        serverNameOverride: text.optional(),
        serverRootCACertificate: pem.optional(),
        clientCertPair: z.object({ crt: pem, key: pem }).optional(),
      }),
    ])
    .optional(),
  metadata: z.record(z.string(), z.string().max(64 * 1024)).optional(),
  keySource: z.union([z.object({ file: text }), z.object({ command: text })]).optional(),
} satisfies Fields<RunnerConnection>);
const adoptBody = z.object({
  token: z
    .base64()
    .min(4)
    .max(64 * 1024),
  connection: connectionShape.optional(),
});
/**
 * As which a bead ends an attempt. Without a sandbox the agent reaches this socket too: it must not end itself as
 * `done`, nor as what is nobody's failure.
 */
const orderedOutcomes = ['stopped', 'stalled', 'timed_out', 'lost'] as const;
const stopBody: z.ZodType<StopRequest> = z.strictObject({
  outcome: z.enum(orderedOutcomes),
  reason: z.string().min(1).max(limits.textChars),
} satisfies Fields<StopRequest>);
const pauseBody = z.strictObject({ paused: z.boolean() });
const messageBody = messageOf(z.string().max(limits.bodyBytes));

/** The host's way into a running runner: a unix socket that only its owner can open. */
export const openControlSocket = (
  path: string,
  handlers: ControlHandlers,
  onTrouble: (what: string, error: unknown) => void,
): Promise<JsonServer> =>
  JsonServer.listen(
    path,
    {
      'GET /status': route(nothing, () => handlers.status()),
      'POST /adopt': route(adoptBody, ({ token, connection }) =>
        handlers.adopt(new Uint8Array(Buffer.from(token, 'base64')), connection),
      ),
      'POST /connection': route(connectionShape, (connection) => handlers.reconnect(connection)),
      'POST /stop': route(stopBody, (request) => handlers.stop(request)),
      'POST /pause': route(pauseBody, ({ paused }) => handlers.pause(paused)),
      'POST /deliver': route(messageBody, (message) => handlers.deliver(message)),
    },
    onTrouble,
  );
