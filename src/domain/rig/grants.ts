import { rigMessages } from '../../contract/index.js';
import type { ProbeProgress, ReturnGrant, RigSettings, GrantRequest } from '../../contract/index.js';
import { breakerAfter } from './breaker.js';
import type { RigDraft } from './draft.js';
import { byGrantOrder, insertRequest } from './queue.js';
import { StopRules } from './stops.js';

/** Settings whose change may mend what beads have failed by in common. */
const cures = ['repo', 'base', 'agent', 'setup', 'copy'] satisfies readonly (keyof RigSettings)[] as readonly string[];

/** Who may run an agent: the limit, the order, the breaker, and what beads have failed by in common. */
export class GrantRules {
  readonly #stops: StopRules;

  constructor(private readonly draft: RigDraft) {
    this.#stops = new StopRules(draft);
  }

  /**
   * Up to the limit, which a change of the settings may have lowered: then nobody is sent away, and nobody new comes.
   */
  grant(): void {
    const { s, now } = this.draft;
    if (s.paused || s.removed) return;
    if (s.breaker.open) return this.#probe();
    const held: GrantRequest[] = [];
    while (s.grants.length < s.settings.maxAgents) {
      const next = s.waiting.shift();
      if (next === undefined) break;
      const leave = this.#stops.lets(next);
      if (leave === 'held') held.push(next);
      else s.grants.push({ ...next, grantedAt: now, probe: false, ahead: leave === 'ahead' ? true : undefined });
    }
    s.waiting.unshift(...held);
  }

  /** One at a time, after the cool-down: the best of those that wait, or that have not yet heard of their grant. */
  #probe(): void {
    const { s, now } = this.draft;
    if (now < (s.breaker.probeAt ?? 0) || s.grants.some(({ probe }) => probe)) return;
    const held = [...s.grants].filter(({ told }) => told !== true).sort(byGrantOrder)[0];
    const first = s.waiting.find((request) => this.#stops.lets(request) !== 'held');
    if (
      held !== undefined &&
      (first === undefined || s.grants.length >= s.settings.maxAgents || byGrantOrder(held, first) < 0)
    ) {
      s.grants = s.grants.map((grant) => (grant === held ? { ...grant, probe: true } : grant));
    } else if (first !== undefined && s.grants.length < s.settings.maxAgents) {
      s.grants.push({
        ...first,
        grantedAt: now,
        probe: true,
        ahead: this.#stops.lets(first) === 'ahead' ? true : undefined,
      });
      s.waiting = s.waiting.filter((request) => request !== first);
    } else return;
    this.draft.tell(`${(held ?? first)?.bead ?? ''} probes the infrastructure`);
  }

  /** @param full there is no room for it. */
  asked({ retried, ...request }: GrantRequest, full = false): void {
    const { s } = this.draft;
    if (s.removed) return this.#refuse(request);
    if (full) return this.#refuseForNow(request);
    this.#take(request);
    // Whoever retries a bead has looked after things: the others need no word of their own.
    if (retried === true) this.#stops.forgive(request.agent ?? 'rig');
  }

  #take(request: GrantRequest): void {
    const { s } = this.draft;
    const held = s.grants.findIndex(({ bead }) => bead === request.bead);
    const holder = s.grants[held];
    if (holder !== undefined) {
      // It does not know of its grant (it was started anew under the same id, say): the grant stays its own and is sent
      // again, so that the count stays true.
      s.grants[held] = { ...holder, workflowId: request.workflowId, told: false };
      return;
    }
    const waits = s.waiting.findIndex(({ bead }) => bead === request.bead);
    if (waits !== -1) s.waiting.splice(waits, 1);
    insertRequest(s.waiting, request);
  }

  #refuse({ bead, workflowId }: GrantRequest): void {
    this.draft.say(workflowId, {
      signal: rigMessages.grantRefused,
      payload: { bead, reason: `rig ${this.draft.s.rig} is being removed` },
    });
  }

  #refuseForNow({ bead, workflowId }: GrantRequest): void {
    const { rig, waiting } = this.draft.s;
    this.draft.say(workflowId, {
      signal: rigMessages.grantRefused,
      payload: { bead, reason: `rig ${rig} has no room for one more bead: ${waiting.length} wait for it`, full: true },
    });
  }

  /**
   * @param inVain its bead was sent ahead, and given back by its host (`cameBack`).
   * @param afterWork its agent worked before it was refused, as one before it (`refusedAfterWork`).
   */
  returned(end: ReturnGrant, inVain = false, afterWork = false): void {
    const { s } = this.draft;
    s.waiting = s.waiting.filter(({ bead }) => bead !== end.bead);
    const grant = s.grants.find(({ bead }) => bead === end.bead);
    if (grant === undefined) return;
    s.grants = s.grants.filter((other) => other !== grant);
    // One that was never sent was never used, whatever the bead says of the attempt before.
    this.#judge(grant.told === true ? end : { infraLoss: false, progress: false }, grant.probe);
    if (grant.told !== true || end.end === undefined) return;
    if (inVain) this.#stops.triedInVain(grant);
    this.#stops.ended(grant, end.end, afterWork);
  }

  /** An operator says that things are mended. */
  resumed(): void {
    this.#stops.forgive();
  }

  /** @param changed names of the settings that have changed. */
  configured(changed: readonly string[]): void {
    this.#stops.limitsChanged();
    if (changed.some((name) => cures.includes(name))) this.#stops.mended();
  }

  #judge(end: Omit<ReturnGrant, 'bead'>, probe: boolean): void {
    const { s } = this.draft;
    const before = s.breaker;
    s.breaker = breakerAfter(before, end, probe, this.draft.now);
    if (before.open && !s.breaker.open) {
      this.draft.tell('the infrastructure works again: the breaker is closed');
      s.grants = s.grants.map((grant) => ({ ...grant, probe: false }));
    } else if (s.breaker.opened > before.opened) this.draft.tell(`the breaker is open: ${s.breaker.reason ?? ''}`);
  }

  grantTold(bead: string, delivered: boolean): void {
    const { s } = this.draft;
    const grant = s.grants.find((other) => other.bead === bead);
    if (grant === undefined) return;
    if (delivered) s.grants = s.grants.map((other) => (other === grant ? { ...grant, told: true } : other));
    else this.#takeBack(grant.bead, 'it has ended before its grant reached it');
  }

  #takeBack(bead: string, why: string): void {
    const { s } = this.draft;
    const grant = s.grants.find((other) => other.bead === bead);
    s.grants = s.grants.filter((other) => other !== grant);
    if (grant?.probe === true) this.#judge({ infraLoss: false, progress: false }, true);
    this.draft.tell(`the grant of ${bead} is free again: ${why}`);
  }

  progressed({ bead, spawned }: ProbeProgress): void {
    const ahead = this.draft.s.grants.find((grant) => grant.bead === bead && grant.ahead);
    if (ahead !== undefined) this.#stops.reached(ahead, spawned === true ? 'spawned' : 'progress');
    if (spawned === true) return;
    if (this.draft.s.grants.some((grant) => grant.bead === bead && grant.probe))
      this.#judge({ infraLoss: false, progress: true }, true);
  }

  /** Holders that have ended without a word. A grant that was made after the question is another's. */
  gone(words: ReadonlyMap<string, string>, askedAt: number): void {
    for (const { bead, workflowId, grantedAt } of this.draft.s.grants) {
      const why = words.get(workflowId);
      if (why !== undefined && grantedAt < askedAt) this.#takeBack(bead, why);
    }
  }

  /** No bead gets a grant any more; those that have one keep it to the end. */
  removed(): void {
    const { s } = this.draft;
    for (const request of s.waiting.splice(0)) this.#refuse(request);
    // A grant that nobody has heard of is none.
    for (const grant of s.grants.filter(({ told }) => told !== true)) {
      this.#takeBack(grant.bead, 'the rig is being removed');
      this.#refuse(grant);
    }
  }
}
