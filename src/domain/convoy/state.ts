import { convoyBeadId, defaultPriority } from '../../contract/index.js';
import type { ConvoyBeadState, ConvoyInput, ConvoyState, MergeRequest, StartBeadInput } from '../../contract/index.js';

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

/** @returns what a bead of the convoy is started with. @param baseSha a commit that has all that it needs. */
export const beadStart = (s: ConvoyState, bead: ConvoyBeadState, baseSha: string | undefined): StartBeadInput => ({
  convoy: s.convoy,
  bead: convoyBeadId(s.convoy, bead.id),
  title: bead.title,
  body: bead.body,
  agent: bead.agent ?? { adapter: 'rig' },
  priority: bead.priority ?? defaultPriority,
  rig: s.rig,
  repo: s.repo ?? '',
  base: s.targetBranch,
  target: s.targetBranch,
  baseSha,
});

/** @returns the landing of the integration branch, as one item of the rig's queue. @param sha the branch's tip. */
export const landingRequest = (s: ConvoyState, workflowId: string, sha: string): MergeRequest => ({
  item: landingItem(s.convoy),
  workflowId,
  branch: s.targetBranch ?? '',
  sha,
  target: s.base ?? '',
  // As urgent as its most urgent bead.
  priority: Math.min(...s.beads.map(({ priority }) => priority ?? defaultPriority)),
  since: s.createdAt,
  title: s.title,
  began: s.began,
});
