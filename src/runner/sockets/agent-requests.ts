import type { AgentWatch } from '../agent/agent-watch.js';
import type { AgentCalls } from './agent-socket.js';
import { RequestRefused } from './request-refused.js';
import type { MessageBox } from '../agent/message-box.js';
import type { NoteQueue } from '../agent/note-queue.js';
import type { Signaller } from '../lease/signaller.js';
import type { CheckpointAnswer, DoneAnswer, MessagesAnswer } from '../types.js';
import type { AttemptWork } from '../end/attempt-work.js';
import type { Time } from '../time.js';

export interface AgentRequestsOptions {
  attempt: string;
  watch: AgentWatch;
  signaller: Signaller;
  notes: NoteQueue;
  box: MessageBox;
  keeper: AttemptWork;
  time: Time;
  /** A model is behind the calls, which can take a message up; a command line cannot. */
  listens: boolean;
  /** Why calls that change something are refused now; undefined while all is well. */
  closed(): string | undefined;
  /** The agent has reported done: it has a while to end by itself. */
  onDone(): void;
}

/**
 * Answers the agent's calls. Whatever it does through the socket is progress; looking into an empty box again and again
 * is not.
 */
export class AgentRequests implements AgentCalls {
  constructor(private readonly options: AgentRequestsOptions) {}

  heartbeat(activity?: string): void {
    this.#open(activity);
  }

  note(text: string): void {
    this.#open();
    if (!this.options.notes.push({ attempt: this.options.attempt, text, kind: 'note' })) {
      throw new RequestRefused(429, 'too many notes: each one is kept for good; say it in one, or wait a minute');
    }
  }

  async checkpoint(text?: string): Promise<CheckpointAnswer> {
    this.#open(text);
    const { keeper } = this.options;
    const saved = await keeper.save();
    if (saved === undefined)
      throw new RequestRefused(
        503,
        `the work could not be saved: ${keeper.pushProblem ?? 'unknown reason'}; try again in a while`,
      );
    return saved;
  }

  async done(summary?: string): Promise<DoneAnswer> {
    this.#open('reports done');
    if (this.options.listens) this.#unread();
    const answer = await this.options.keeper.done(summary);
    this.options.onDone();
    return answer;
  }

  async escalate(text: string): Promise<void> {
    this.#open('asks for a person');
    const { keeper, notes, attempt, time } = this.options;
    await keeper.reported({ kind: 'escalated', text, at: time.now().wall });
    notes.push({ attempt, text, kind: 'escalation' });
  }

  messages(): MessagesAnswer {
    this.options.box.show();
    return { messages: this.options.box.unacknowledged() };
  }

  acknowledge(ids: string[]): { acknowledged: number } {
    const { box, signaller } = this.options;
    const known = box.acknowledge(ids);
    if (known.length > 0) this.options.watch.progress('agent');
    signaller.acknowledged(known);
    return { acknowledged: known.length };
  }

  hook(): MessagesAnswer {
    const { closed, keeper, watch, box } = this.options;
    // It has reported, or is being ended: what comes now is for whoever continues.
    if (closed() !== undefined || keeper.report !== undefined) return { messages: [] };
    watch.progress('agent');
    return { messages: box.show() };
  }

  /** What somebody has sent meanwhile may change the work: the agent that reports it done has read it, once. */
  #unread(): void {
    const fresh = this.options.box.show().filter(({ from }) => from === 'operator');
    if (fresh.length === 0) return;
    const texts = fresh.map(({ id, from, text }) => `(${id}, from ${from}) ${text}`).join('\n');
    const what = fresh.length === 1 ? 'there is a message' : 'there are messages';
    throw new RequestRefused(
      409,
      `nothing is reported yet: ${what} that you have not read:\n${texts}\nDo what it takes, then report done again`,
    );
  }

  #open(activity?: string): void {
    const closed = this.options.closed();
    if (closed !== undefined) throw new RequestRefused(409, closed);
    this.options.watch.progress('agent', activity);
  }
}
