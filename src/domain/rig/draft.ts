import type { RigNews, RigState } from '../../contract/index.js';
import { Draft } from '../draft.js';

type Said = RigNews extends infer One ? (One extends RigNews ? Pick<One, 'signal' | 'payload'> : never) : never;

/** A rig's state while one step works on it: it belongs to that step alone. */
export class RigDraft extends Draft<RigState> {
  /** What the workflow has to say to a bead or a convoy. */
  say(workflowId: string, said: Said): void {
    this.s.newsCount += 1;
    this.s.news.push({ id: this.s.newsCount, workflowId, ...said } as RigNews);
  }
}
