import type {
  BeadReport,
  BeadStatus,
  ConvoyBead,
  ConvoyBeadStatus,
  ConvoySpec,
  ConvoyState,
  MergeOutcome,
} from '../../../src/contract/index.js';
import { convoyEffects, initialConvoy, landingItem, readyBeads, stepConvoy } from '../../../src/domain/index.js';
import type { ConvoyEffect, ConvoyEvent } from '../../../src/domain/index.js';
import { sha } from './rig-story.js';

export const bead = (id: string, needs: string[] = [], more: Partial<ConvoyBead> = {}): ConvoyBead => ({
  id,
  title: `bead ${id}`,
  needs,
  ...more,
});
export const spec = (beads: ConvoyBead[], more: Partial<ConvoySpec> = {}): ConvoySpec => ({
  convoy: 'c',
  title: 'A convoy',
  rig: 'r',
  beads,
  policy: 'wait',
  target: 'base',
  staged: false,
  ...more,
});
export const diamond = [bead('a'), bead('b', ['a']), bead('c', ['a']), bead('d', ['b', 'c'])];

/** A convoy without a server: each event a few milliseconds after the last. */
export class ConvoyStory {
  now = 1_000_000;
  state: ConvoyState;
  #commit = 100;

  constructor(beads: ConvoyBead[] = diamond, more: Partial<ConvoySpec> = {}, { prepared = true } = {}) {
    this.state = initialConvoy({ spec: spec(beads, more) }, this.now);
    this.apply({ type: 'tick' });
    if (prepared)
      this.apply({ type: 'prepared', facts: { repo: '/srv/r.git', base: 'main', strategy: 'merge', version: 1 } });
  }

  apply(...events: ConvoyEvent[]): this {
    for (const event of events) this.state = stepConvoy(this.state, event, (this.now += 10));
    return this;
  }

  /** Starts what may start. */
  start(): this {
    for (const { id } of readyBeads(this.state)) this.apply({ type: 'starting', id }, { type: 'started', id });
    return this;
  }

  report(id: string, status: BeadStatus, more: Partial<BeadReport> = {}): this {
    return this.apply({ type: 'report', report: { bead: `c-${id}`, status, reason: '', merged: false, ...more } });
  }

  merge(...ids: string[]): this {
    for (const id of ids) this.report(id, 'closed', { merged: true, sha: sha((this.#commit += 1)) });
    return this;
  }

  /** The rig's answer about the landing. */
  landed(result: MergeOutcome): this {
    return this.apply({
      type: 'mergeEnded',
      ended: { item: landingItem('c'), sha: this.state.landing?.queuedSha ?? '', result },
    });
  }

  status(id: string): ConvoyBeadStatus | undefined {
    return this.state.beads.find((other) => other.id === id)?.status;
  }
  get statuses(): string {
    return this.state.beads.map(({ id, status }) => `${id} ${status}`).join(', ');
  }
  get ready(): string[] {
    return readyBeads(this.state).map(({ id }) => id);
  }
  get effects(): string[] {
    return convoyEffects(this.state).map((effect: ConvoyEffect) =>
      'bead' in effect ? `${effect.do} ${effect.bead.id}` : 'id' in effect ? `${effect.do} ${effect.id}` : effect.do,
    );
  }
}
