import { clip } from '../../contract/index.js';
import type { ConvoyState } from '../../contract/index.js';
import type { ConvoyDraft } from './draft.js';
import { dependantsOf } from './graph.js';
import { allMerged, convoyProgress, isActive, endedUnmerged, personNeeded } from './ready.js';

/** What follows from the ends of beads. */
export function settle(draft: ConvoyDraft): void {
  const { s } = draft;
  const leaving = s.beads.filter(({ removing, status }) => removing === true && !isActive(status)).map(({ id }) => id);
  if (leaving.length > 0) {
    s.beads = s.beads.filter(({ id }) => !leaving.includes(id));
    for (const bead of s.beads) bead.needs = bead.needs.filter((need) => !leaving.includes(need));
  }
  if (s.endedAt !== undefined) return;
  applyPolicy(draft);
  if (s.ending !== undefined)
    for (const bead of s.beads) if (bead.status === 'pending') draft.set(bead, 'cancelled', s.ending.reason);
  const merged = allMerged(s);
  if (merged && s.target === 'base') return draft.end('landed', `all ${s.beads.length} beads are merged`);
  if (s.ending !== undefined) {
    const held = s.landing?.queuedSha !== undefined || s.landing?.step === 'verifying';
    if (!held && !s.beads.some(({ status }) => isActive(status))) draft.end(s.ending.as, s.ending.reason);
    return;
  }
  if (merged) s.landing ??= { step: 'wanted', tries: 0 };
  else if (s.landing?.step === 'wanted' || s.landing?.step === 'stuck') delete s.landing;
  const waits = s.beads.some(({ status }) => status === 'pending' || isActive(status));
  if (s.policy === 'skip-dependants' && s.beads.length > 0 && !waits && !merged) {
    const { merged: landed, total } = convoyProgress(s);
    draft.end(
      'failed',
      `${landed} of ${total} beads are merged; the others failed, were cancelled or ` +
        `skipped${s.target === 'integration' ? `, so ${s.targetBranch ?? 'its branch'} does not land` : ''}`,
    );
  }
}

function applyPolicy(draft: ConvoyDraft): void {
  const { s } = draft;
  const lost = s.beads.filter(endedUnmerged);
  if (lost.length === 0 || s.ending !== undefined) return;
  switch (s.policy) {
    case 'wait':
      return;
    case 'stop':
      return draft.endAs(
        'failed',
        `${lost[0]?.id ?? ''} ${lost[0]?.status === 'failed' ? 'has failed' : 'was cancelled'}, and the convoy's ` +
          'policy is to stop then',
      );
    case 'skip-dependants': {
      const causes = [...lost, ...s.beads.filter(({ status }) => status === 'skipped')];
      const skipped = dependantsOf(
        s.beads,
        causes.map(({ id }) => id),
      );
      for (const bead of s.beads) {
        if (bead.status !== 'pending' || !skipped.has(bead.id)) continue;
        const cause = bead.needs.find((need) => causes.some(({ id }) => id === need) || skipped.has(need));
        draft.set(bead, 'skipped', `it needs ${cause ?? 'a bead'}, which will not be merged`);
        draft.tell(`${bead.id} skipped: ${bead.reason ?? ''}`);
      }
    }
  }
}

/**
 * Status and reason follow from the rest of the state; they are written here and in `ConvoyDraft.end`, nowhere else.
 */
export function deriveStatus(s: ConvoyState): void {
  if (s.endedAt !== undefined) return;
  const { merged, total, running, starting, pending } = convoyProgress(s);
  const counts = `${merged} of ${total} beads merged, ${running + starting} running, ${pending} waiting`;
  const needed = personNeeded(s);
  if (needed.length > 0) s.attention = 'blocked';
  else delete s.attention;
  const landing = s.landing?.step;
  s.status =
    s.ending !== undefined
      ? 'cancelling'
      : s.staged
        ? 'staged'
        : landing === 'queued' || landing === 'verifying'
          ? 'landing'
          : s.paused
            ? 'paused'
            : landing !== undefined
              ? 'landing'
              : 'running';
  if (s.ending !== undefined)
    s.reason =
      `${s.ending.reason}; waits until ${running + starting} agents are ` +
      `gone${landing === 'queued' ? ' and the refinery has answered' : ''}`;
  else if (needed.length > 0)
    s.reason = clip(
      'a person is needed: ' +
        `${needed.slice(0, 3).join('; ')}${needed.length > 3 ? `; and ${needed.length - 3} more` : ''}`,
      500,
    );
  else if (s.staged) s.reason = `${total} beads wait for the start`;
  else if (s.status === 'landing')
    s.reason =
      landing === 'verifying'
        ? 'the remote is read back'
        : `${s.targetBranch ?? 'its branch'} waits for the refinery of rig ${s.rig}`;
  else s.reason = s.paused ? `paused by an operator; ${counts}` : counts;
}
