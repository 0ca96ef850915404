import { expect, test } from 'vitest';
import { MessageBox } from '../../../src/runner/agent/message-box.js';
import { AgentRequests } from '../../../src/runner/sockets/agent-requests.js';
import type { AgentRequestsOptions } from '../../../src/runner/sockets/agent-requests.js';
import type { Message } from '../../../src/contract/index.js';

const message = (id: string, from: Message['from'] = 'operator'): Message => ({
  id,
  from,
  text: `text of ${id}`,
  at: 0,
});

/** An agent's desk, of which only what `done` asks for is there. */
function desk(box: MessageBox, listens = true): AgentRequests {
  const options: Partial<AgentRequestsOptions> = {
    box,
    listens,
    closed: () => undefined,
    watch: { progress: () => undefined } as unknown as AgentRequestsOptions['watch'],
    keeper: {
      done: () => Promise.resolve({ outcome: 'done', branch: 'b', sha: '1' }),
    } as unknown as AgentRequestsOptions['keeper'],
    onDone: () => undefined,
  };
  return new AgentRequests(options as AgentRequestsOptions);
}
const done = { outcome: 'done' };

test('done over an unread message is refused once, with its text', async () => {
  const box = new MessageBox([message('first')]);
  const requests = desk(box);
  box.deliver(message('late'));
  await expect(requests.done()).rejects.toThrow(
    /nothing is reported yet[^]*\(late, from operator\) text of late[^]*then report done again/,
  );
  await expect(requests.done()).resolves.toMatchObject(done);
});

test('done over what was read, of Heartbead itself, or by a command line that reads nothing is taken at once', async () => {
  const read = new MessageBox([]);
  read.deliver(message('read'));
  const reader = desk(read);
  reader.messages();
  await expect(reader.done()).resolves.toMatchObject(done);
  const ours = new MessageBox([]);
  ours.deliver(message('stalled', 'heartbead'));
  await expect(desk(ours).done()).resolves.toMatchObject(done);
  const unheard = new MessageBox([]);
  unheard.deliver(message('a'));
  await expect(desk(unheard, false).done()).resolves.toMatchObject(done);
});
