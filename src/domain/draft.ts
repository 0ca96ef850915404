import { clip, limits } from '../contract/index.js';
import type { StoryLine } from '../contract/index.js';

/** The state of a bead, rig or convoy while one step works on it: it belongs to that step alone. */
export class Draft<S extends { story: StoryLine[] }> {
  constructor(
    readonly s: S,
    readonly now: number,
  ) {}

  /** Adds a line to the story. The first line is kept for ever, and of the others the newest. */
  tell(text: string): void {
    const { story } = this.s;
    story.push({ at: this.now, text: clip(text, 300) });
    if (story.length > limits.storyKept) story.splice(1, story.length - limits.storyKept);
  }
}
