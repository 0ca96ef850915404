import { describe, expect, it } from 'vitest';
import { endedBead } from '../../src/domain/index.js';

describe('the end of a bead', () => {
  const state = {
    bead: 'a',
    status: 'closed',
    sha: 'f'.repeat(40),
    branch: 'heartbead/a/2-bbbb',
    base: 'main',
    landing: { mergedSha: 'e'.repeat(40), grant: 'none', approval: false },
    attempts: [
      {
        id: '1-aaaa',
        number: 1,
        startedAt: 0,
        heartbeats: 0,
        adoptions: 0,
        checkpoint: { sha: 'c'.repeat(40), ref: '', wip: true },
      },
      {
        id: '2-bbbb',
        number: 2,
        startedAt: 0,
        heartbeats: 0,
        adoptions: 0,
        sha: 'f'.repeat(40),
        checkpoint: { sha: 'd'.repeat(40), ref: '', wip: true },
      },
    ],
  } as unknown as Parameters<typeof endedBead>[0];

  it('names what landed, and what earlier attempts had left', () => {
    expect(endedBead(state)).toEqual({
      bead: 'a',
      sha: 'f'.repeat(40),
      attempt: '2-bbbb',
      mergedSha: 'e'.repeat(40),
      target: 'main',
      superseded: [{ attempt: '1-aaaa', sha: 'c'.repeat(40) }],
    });
  });

  it.each(['open', 'in_progress', 'in_review', 'blocked', 'failed', 'cancelled'] as const)(
    'of a bead that is %s there is none: it keeps its refs',
    (status) => {
      expect(endedBead({ ...state, status })).toBeUndefined();
    },
  );
});
