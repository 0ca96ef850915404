import { expect, it } from 'vitest';
import { ServiceError } from '@temporalio/client';
import type { AttemptPiece, HostQuestion } from '../../../src/contract/index.js';
import { AttemptReader } from '../../../src/client/attempt-reader.js';
import type { TownConnection } from '../../../src/client/connect.js';
import { NoServerError } from '../../../src/client/errors.js';

/** As the SDK throws it when the server is away (14), or knows no such workflow (5). */
const failed = (code: 5 | 14): ServiceError => {
  const cause = Object.assign(new Error(`${code}`), { code, details: 'of the test', metadata: {} });
  return new ServiceError('it failed', { cause });
};

/** A town whose host has a text, and whose server is away whenever `deletions` says so. */
function townOf(text: string, deletions: (ServiceError | undefined)[]) {
  const questions = new Set<string>();
  const asked: (string | undefined)[] = [];
  const client = {
    options: { namespace: 'default' },
    withDeadline: <R>(_: Date, fn: () => Promise<R>) => fn(),
    workflow: {
      start: (_: string, { workflowId, args }: { workflowId: string; args: [HostQuestion] }) => {
        questions.add(workflowId);
        const { after } = args[0].read;
        asked.push(after);
        const start = Number(after ?? 0);
        const piece: AttemptPiece = {
          data: Buffer.from(text.slice(start, start + 1)).toString('base64'),
          next: String(start + 1),
          more: start + 1 < text.length,
          ended: true,
          restarted: false,
        };
        return Promise.resolve({ result: () => Promise.resolve(piece) });
      },
    },
    workflowService: {
      deleteWorkflowExecution: ({
        workflowExecution: { workflowId },
      }: {
        workflowExecution: { workflowId: string };
      }) => {
        const error = deletions.shift();
        if (error !== undefined) return Promise.reject(error);
        questions.delete(workflowId);
        return Promise.resolve();
      },
    },
  };
  const town = { client, taskQueue: 'q' } as unknown as TownConnection;
  const source = { bead: 'b', attempt: '1-00000000', host: 'h', part: 'agent-log' } as const;
  return { reader: new AttemptReader(town, source), questions, asked };
}

it('a piece whose question cannot be deleted is told as a server that is away, and asked for again: nothing is left out, nothing stays', async () => {
  // The second question is answered; then the server is away for two requests.
  const { reader, questions, asked } = townOf('abc', [undefined, failed(14), failed(14)]);
  expect((await reader.next()).bytes.toString()).toBe('a');
  await expect(reader.next()).rejects.toThrow(NoServerError);
  expect(questions.size).toBe(1);
  expect((await reader.next()).bytes.toString()).toBe('b');
  expect((await reader.next()).bytes.toString()).toBe('c');
  expect(asked).toEqual([undefined, '1', '1', '2']);
  expect(questions.size).toBe(0);
});

it('a question that is gone already needs no deletion', async () => {
  const { reader } = townOf('ab', [failed(5)]);
  expect((await reader.next()).bytes.toString()).toBe('a');
  expect((await reader.next()).bytes.toString()).toBe('b');
});
