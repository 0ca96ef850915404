import type { AgentAdapter, AgentEvent } from '../agents/types.js';
import { clip } from '../contract/index.js';

/** Kept for the verdict on the end; a program that prints thousands of retries says the same with its last ones. */
const EVENTS_KEPT = 50;
const ACTIVITY_CHARS = 200;

/** @returns a text that fits into one line of a table: no colours, no control characters, cut. */
export function oneLine(text: string): string {
  // eslint-disable-next-line no-control-regex
  return clip(text.replace(/\x1b\[[0-9;?]*[ -/]*[@-~]/g, '').replace(/[\x00-\x1f\x7f]+/g, ' ').trim(), ACTIVITY_CHARS);
}

/** Reads the agent's output: what is progress, what mere life, and what matters for the verdict on its end. */
export class AgentWatch {
  /** Of the host's clock. */
  lastProgressAt: number | undefined;
  activity: string | undefined;
  session: string | undefined;
  private readonly parse: ReturnType<AgentAdapter['parser']>;
  private readonly kept: AgentEvent[] = [];

  constructor(
    private readonly adapter: AgentAdapter,
    private readonly onProgress: (kind: 'output' | 'tool' | 'agent', activity?: string) => void,
    private readonly onTrouble: (what: string, error: unknown) => void,
  ) {
    this.parse = adapter.parser();
  }

  /** Events that matter for the verdict, oldest first. */
  get events(): readonly AgentEvent[] {
    return this.kept;
  }

  line(line: string, stream: 'stdout' | 'stderr'): void {
    let event: AgentEvent | undefined;
    try {
      event = this.parse(line, stream);
    } catch (error) {
      // A line that its parser cannot bear is a line without a meaning; the agent must not suffer for it.
      this.onTrouble(`parser of ${this.adapter.name}`, error);
    }
    switch (event?.kind) {
      case undefined:
        return;
      case 'progress':
        return this.progress(event.tool === true ? 'tool' : 'output', event.activity);
      case 'life':
        if (event.activity !== undefined) this.activity = oneLine(event.activity);
        return;
      case 'session':
        this.session = event.id;
        return;
      case 'usage':
        return;
      case 'rate_limited':
      case 'auth_failed':
      case 'end':
        this.kept.push(event);
        if (this.kept.length > EVENTS_KEPT) this.kept.shift();
    }
  }

  progress(kind: 'output' | 'tool' | 'agent', activity?: string): void {
    this.lastProgressAt = Date.now();
    const text = activity === undefined ? undefined : oneLine(activity);
    if (text !== undefined && text !== '') this.activity = text;
    this.onProgress(kind, text === '' ? undefined : text);
  }
}
