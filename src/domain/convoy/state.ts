import type { ConvoyInput, ConvoyState } from '../../contract/index.js';

/** The name of a convoy's landing in the merge queue. */
export const landingItem = (convoy: string): string => `convoy-${convoy}`;

/** @returns the state of a convoy at its start. The spec has been checked (`convoyProblem`). */
export function initialConvoy({ spec }: ConvoyInput, now: number): ConvoyState {
  return {
    convoy: spec.convoy,
    title: spec.title,
    rig: spec.rig,
    policy: spec.policy,
    target: spec.target,
    status: spec.staged ? 'staged' : 'running',
    reason: '',
    staged: spec.staged,
    paused: false,
    prepared: false,
    beads: spec.beads.map((bead) => ({ ...bead, status: 'pending' as const })),
    createdAt: now,
    strays: 0,
    malformed: 0,
    story: [{ at: now, text: `created with ${spec.beads.length} beads` }],
    runs: 1,
  };
}
