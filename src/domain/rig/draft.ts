import { clip, limits } from '../../contract/index.js';
import type { RigNews, RigState } from '../../contract/index.js';

type Said = RigNews extends infer One ? (One extends RigNews ? Pick<One, 'signal' | 'payload'> : never) : never;

/** A rig's state while one step works on it: it belongs to that step alone. */
export class RigDraft {
  constructor(
    readonly s: RigState,
    readonly now: number,
  ) {}

  tell(text: string): void {
    this.s.story.push({ at: this.now, text: clip(text, 300) });
    if (this.s.story.length > limits.storyKept) this.s.story.splice(1, this.s.story.length - limits.storyKept);
  }

  /** What the workflow has to say to a bead or a convoy. */
  say(workflowId: string, said: Said): void {
    this.s.newsCount += 1;
    this.s.news.push({ id: this.s.newsCount, workflowId, ...said } as RigNews);
  }
}
