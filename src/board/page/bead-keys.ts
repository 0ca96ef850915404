import type { Question } from './ui.js';

/** What a key or button does to a bead. */
export function beadActions(
  bead: string,
  title: string,
  act: (path: string, body?: object) => Promise<boolean>,
  ask: (question: Question) => void,
): Record<'nudge' | 'pause' | 'resume' | 'retry' | 'approve' | 'cancel', () => unknown> {
  const path = `/beads/${bead}`;
  return {
    nudge: () =>
      ask({
        title: `Nudge ${bead}`,
        text: title,
        field: 'A message for its agent',
        yes: 'Send',
        then: (text) => void act(`${path}/nudge`, { text }),
      }),
    pause: () => act(`${path}/pause`),
    resume: () => act(`${path}/resume`),
    retry: () => act(`${path}/retry`),
    approve: () => act(`${path}/approve`),
    cancel: () =>
      ask({
        title: `Cancel ${bead}?`,
        text: `${title}: its agent is stopped and its work saved; the bead ends.`,
        yes: 'Cancel the bead',
        danger: true,
        then: () => void act(`${path}/cancel`),
      }),
  };
}
