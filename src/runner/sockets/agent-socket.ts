import { z } from 'zod';
import { limits } from '../../contract/index.js';
import { JsonServer, nothing, route } from './json-server.js';
import type { CheckpointAnswer, DoneAnswer, MessagesAnswer } from '../types.js';

/** What a runner does when its agent calls in. Refusals are thrown as `RequestRefused`. */
export interface AgentCalls {
  heartbeat(activity?: string): void;
  note(text: string): void;
  checkpoint(text?: string): Promise<CheckpointAnswer>;
  done(summary?: string): Promise<DoneAnswer>;
  escalate(text: string): Promise<void>;
  messages(): MessagesAnswer;
  acknowledge(ids: string[]): { acknowledged: number };
  /** The agent's program has come to a point where it takes something up: the messages that it was not shown yet. */
  hook(): MessagesAnswer;
}

const text = z
  .string()
  .trim()
  .min(1)
  .max(limits.textChars)
  .refine((given) => !given.includes('\0'), 'it cannot hold a NUL character');
/** The bead shows but the beginning of an activity; what is longer is cut there, not refused here. */
const activity = z.string().trim().min(1).max(limits.textChars);

/** The agent's way to its runner: a unix socket that only its owner can open. */
export const openAgentSocket = (
  path: string,
  calls: AgentCalls,
  onTrouble: (what: string, error: unknown) => void,
): Promise<JsonServer> =>
  JsonServer.listen(
    path,
    {
      'POST /heartbeat': route(z.strictObject({ activity: activity.optional() }), (body) =>
        calls.heartbeat(body.activity),
      ),
      'POST /note': route(z.strictObject({ text }), (body) => calls.note(body.text)),
      'POST /checkpoint': route(z.strictObject({ text: text.optional() }), (body) => calls.checkpoint(body.text)),
      'POST /done': route(z.strictObject({ summary: text.optional() }), (body) => calls.done(body.summary)),
      'POST /escalate': route(z.strictObject({ text }), (body) => calls.escalate(body.text)),
      'GET /messages': route(nothing, () => calls.messages()),
      'POST /hook': route(z.strictObject({}), () => calls.hook()),
      'POST /messages/ack': route(
        z.strictObject({
          ids: z
            .array(z.string().min(1).max(200))
            .min(1)
            .max(2 * limits.messagesKept),
        }),
        (body) => calls.acknowledge(body.ids),
      ),
    },
    onTrouble,
  );
