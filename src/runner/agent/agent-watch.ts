import { isRefusal } from '../../agents/types.js';
import type { AgentAdapter, AgentEvent, AgentParser, ParserContext, ProviderRefusal } from '../../agents/types.js';
import { addUsage, clip, plainLine } from '../../contract/index.js';
import type { Usage } from '../../contract/index.js';
import { systemTime } from '../time.js';
import type { Time } from '../time.js';

/** Kept for the verdict on the end; a program that prints thousands of retries says the same with its last ones. */
const eventsKept = 50;
const activityChars = 200;

/** @returns a text that fits into one line of a table: no colours, no control characters, cut. */
export const activityLine = (text: string): string => clip(plainLine(text), activityChars);

/** What a watch tells of, besides what can be asked of it. */
export interface WatchEvents {
  onProgress(kind: 'output' | 'tool' | 'agent', activity?: string): void;
  onTrouble(what: string, error: unknown): void;
  /** The conversation has an id, or more was used. */
  onFacts?(): void;
  /** The agent's provider refuses; `undefined` once the agent gets on again. */
  onRefused?(refusal: ProviderRefusal | undefined): void;
}

/** Reads the agent's output: what is progress, what mere life, and what matters for the verdict on its end. */
export class AgentWatch {
  /** When the agent last showed progress, by the host's clock (ms since the epoch). */
  lastProgressAt: number | undefined;
  activity: string | undefined;
  session: string | undefined;
  usage: Usage | undefined;
  /** What the agent has said last, with nothing done since. */
  said: string | undefined;
  /** Used by programs of this attempt that have ended. */
  #usedBefore: Usage | undefined;
  #context: ParserContext | undefined;
  #parse: AgentParser;
  #kept: AgentEvent[] = [];

  constructor(
    private readonly adapter: AgentAdapter,
    private readonly tell: WatchEvents,
    private readonly time: Pick<Time, 'now'> = systemTime,
  ) {
    this.#parse = adapter.parser();
  }

  /** What of it is kept in `runner.json`. */
  get facts(): { session?: string; usage?: Usage } {
    return {
      session: this.session,
      usage: this.usage,
    };
  }

  /** Before the agent's first line: what its parser needs to know of this run. */
  begin(context: ParserContext): void {
    this.#context = context;
    this.#parse = this.adapter.parser(context);
  }

  /** The attempt goes on with another run of the program, which tells of its own end and counts what it uses anew. */
  again(): void {
    this.#kept = [];
    this.said = undefined;
    this.#usedBefore = this.usage;
    if (this.#context === undefined) return;
    const usedBefore =
      this.usage === undefined ? this.#context.usedBefore : addUsage(this.#context.usedBefore, this.usage);
    this.#parse = this.adapter.parser({ ...this.#context, usedBefore });
  }

  /** Events that matter for the verdict, oldest first. */
  get events(): readonly AgentEvent[] {
    return this.#kept;
  }

  line(line: string, stream: 'stdout' | 'stderr'): void {
    let events: AgentEvent | AgentEvent[] | undefined;
    try {
      events = this.#parse(line, stream);
    } catch (error) {
      // A line that its parser cannot bear is a line without a meaning; the agent must not suffer for it.
      this.tell.onTrouble(`parser of ${this.adapter.name}`, error);
    }
    if (Array.isArray(events)) for (const event of events) this.#take(event);
    else if (events !== undefined) this.#take(events);
  }

  /** The agent has called in, or put something out. */
  progress(kind: 'output' | 'tool' | 'agent', activity?: string): void {
    this.lastProgressAt = this.time.now().wall;
    const text = activity === undefined ? undefined : activityLine(activity);
    if (text !== undefined && text !== '') this.activity = text;
    this.tell.onProgress(kind, text === '' ? undefined : text);
  }

  #take(event: AgentEvent): void {
    switch (event.kind) {
      case 'progress':
        // Progress: an earlier refusal by the provider no longer explains how the agent ends.
        if (this.#kept.some(isRefusal)) {
          this.#kept = this.#kept.filter((kept) => !isRefusal(kept));
          this.tell.onRefused?.(undefined);
        }
        if (event.tool === true) this.said = undefined;
        return this.progress(event.tool === true ? 'tool' : 'output', event.activity);
      case 'said':
        if (event.text.trim() !== '') this.said = event.text;
        return;
      case 'life':
        if (event.activity !== undefined) this.activity = activityLine(event.activity);
        return;
      case 'session':
        if (this.session === event.id) return;
        this.session = event.id;
        this.tell.onFacts?.();
        return;
      case 'usage': {
        const { kind: _, total, ...used } = event;
        this.usage = addUsage(total === true ? this.#usedBefore : this.usage, used);
        this.tell.onFacts?.();
        return;
      }
      case 'rate_limited':
      case 'auth_failed':
      case 'out_of_credit':
        this.activity = activityLine(event.text);
        this.#keep(event);
        this.tell.onRefused?.(event);
        return;
      case 'end':
        this.#keep(event);
    }
  }

  #keep(event: AgentEvent): void {
    this.#kept.push(event);
    if (this.#kept.length > eventsKept) this.#kept.shift();
  }
}
