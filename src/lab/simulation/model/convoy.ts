/**
 * A convoy of the model: the decisions of `src/domain/convoy`, carried out as `workflows/convoy.ts` carries them out.
 * @module
 */
import {
  beadOfWorkflowId,
  beadWorkflowId,
  convoyBeadId,
  convoyMessages,
  convoyWorkflowId,
  integrationBranch,
  readBeadReport,
  readMergeEnded,
  rigMessages,
  rigWorkflowId,
} from '../../../contract/index.js';
import type { ConvoySpec, ConvoyState } from '../../../contract/index.js';
import {
  beadStart,
  convoyEffects,
  convoyLookEvery,
  convoyLooks,
  initialConvoy,
  landingItem,
  landingRequest,
  pauseConvoyProblem,
  resumeConvoyProblem,
  retryProblem,
  startConvoyProblem,
  stepConvoy,
} from '../../../domain/index.js';
import type { ConvoyEffect, ConvoyEvent, ConvoyRun } from '../../../domain/index.js';
import { Broken, convoyRuleProblem } from '../rules.js';
import type { ModelTown } from './town.js';
import { ModelWorkflow } from './workflow.js';

/** So many changes make a run long; a real one has some twenty times as many events by then. */
const changesPerRun = 12;

export class ModelConvoy extends ModelWorkflow {
  state: ConvoyState;

  constructor(town: ModelTown, spec: ConvoySpec) {
    super(town, convoyWorkflowId(spec.convoy));
    this.state = initialConvoy({ spec }, town.clock.now());
    this.apply({ type: 'tick' });
  }

  get gone(): boolean {
    return this.state.endedAt !== undefined;
  }

  /** The only place where the state changes; the rules are looked at after every step. */
  apply(event: ConvoyEvent): void {
    this.state = stepConvoy(this.state, event, this.town.clock.now());
    this.changes += 1;
    this.town.steps += 1;
    const broken = convoyRuleProblem(this.state);
    if (broken !== undefined) this.#broke(broken);
    this.wake();
  }

  #broke(rule: string): void {
    this.town.broken ??= new Broken(`convoy ${this.state.convoy}: ${rule}`);
  }

  receive(name: string, payload: unknown): void {
    const read = <T>(reader: (payload: unknown) => T | string, event: (value: T) => ConvoyEvent): void => {
      const value = reader(payload);
      this.apply(typeof value === 'string' ? { type: 'malformed', message: name, problem: value } : event(value));
    };
    if (name === convoyMessages.beadReport) read(readBeadReport, (report) => ({ type: 'report', report }));
    else if (name === rigMessages.mergeEnded) read(readMergeEnded, (ended) => ({ type: 'mergeEnded', ended }));
    else this.apply({ type: 'malformed', message: name, problem: 'unknown signal' });
  }

  // ---- what an operator does; one who is refused changes nothing

  start(): void {
    if (startConvoyProblem(this.state) === undefined) this.apply({ type: 'start' });
  }
  pause(): void {
    if (pauseConvoyProblem(this.state) === undefined) this.apply({ type: 'pause' });
  }
  resume(): void {
    if (resumeConvoyProblem(this.state) === undefined) this.apply({ type: 'resume' });
  }
  cancel(): void {
    if (!this.gone) this.apply({ type: 'cancel' });
  }
  /** Starts anew the first bead that has failed or was cancelled. */
  retryBead(): void {
    const bead = this.state.beads.find(({ id }) => retryProblem(this.state, id) === undefined);
    if (bead !== undefined) this.apply({ type: 'retryBead', id: bead.id });
  }

  // ---- what the workflow does

  protected goOn(): void {
    const length: ConvoyRun['length'] = this.changes < changesPerRun ? 'fine' : 'soon';
    if (length !== 'fine' && this.busy.size === 0) return this.#renew();
    for (const effect of convoyEffects(this.state, { length, underWay: this.busy })) {
      this.busy.add(effect.key);
      this.#carryOut(effect);
    }
    this.lookAgainEvery(
      convoyLookEvery,
      () => (convoyLooks(this.state) ? this.#awaited() : []),
      (ended, askedAt) => this.#looked(ended, askedAt),
    );
  }

  #renew(): void {
    this.state = JSON.parse(JSON.stringify(this.state)) as ConvoyState;
    this.changes = 0;
    this.apply({ type: 'renewed' });
  }

  /** The workflows whose end it waits for. */
  #awaited(only?: string): string[] {
    const { beads, convoy, landing, rig } = this.state;
    return [
      ...beads
        .filter(({ id, status }) => status === 'running' && (only === undefined || id === only))
        .map(({ id }) => beadWorkflowId(convoyBeadId(convoy, id))),
      ...(landing?.step === 'queued' && only === undefined ? [rigWorkflowId(rig)] : []),
    ];
  }

  #looked(ended: readonly string[], askedAt: number): void {
    const gone = ended.flatMap((workflowId) => {
      const bead = beadOfWorkflowId(workflowId);
      return bead === undefined ? [] : [{ bead, status: 'COMPLETED', report: this.town.report(bead) }];
    });
    if (gone.length > 0) this.apply({ type: 'looked', askedAt, gone });
  }

  #carryOut(effect: ConvoyEffect): void {
    const { key } = effect;
    switch (effect.do) {
      case 'prepare':
        return this.#prepare(key);
      case 'start':
        return this.#start(effect);
      case 'cancelBead':
        return this.#cancelBead(key, effect.id);
      case 'land':
        return this.#land(key, effect.contains);
      case 'withdraw':
        return this.#withdraw(key, effect.sha);
      case 'verify':
        return this.onceRemoteAnswers(() => {
          const missing = this.town.refinery.look(effect.target, [effect.sha]).missing.length > 0;
          this.apply(missing ? { type: 'landingStuck', reason: 'it is not there' } : { type: 'landingVerified' });
          if (missing) this.#broke(`the rig says that it has landed, and ${effect.target} does not have it`);
          this.done(key);
        });
      default:
        return effect satisfies never;
    }
  }

  #prepare(key: string): void {
    this.after(20, () => {
      const { facts } = this.town.rig;
      const ready = (): void => {
        this.apply({ type: 'prepared', facts });
        this.done(key);
      };
      if (this.state.target !== 'integration') return ready();
      this.onceRemoteAnswers(() => {
        this.town.refinery.ensure(integrationBranch(this.state.convoy));
        ready();
      });
    });
  }

  #start({ key, bead: { id }, needs }: Extract<ConvoyEffect, { do: 'start' }>): void {
    if (needs.length < 2) return this.#startAt(key, id, needs[0]);
    this.onceRemoteAnswers(() => {
      const { sha, missing } = this.town.refinery.look(this.state.targetBranch ?? '', needs);
      if (sha !== undefined && missing.length === 0) return this.#startAt(key, id, sha);
      this.apply({ type: 'notStarted', id, reason: 'what it needs is no longer there' });
      this.#broke(`${id} is to be started, and its target has lost what it needs`);
      this.done(key);
    });
  }

  #startAt(key: string, id: string, baseSha: string | undefined): void {
    this.apply({ type: 'starting', id });
    const bead = this.state.beads.find((other) => other.id === id);
    // Meanwhile it was paused, cancelled, or the bead was taken out.
    if (bead?.status !== 'starting') return this.done(key);
    const needed = this.state.beads.filter((other) => bead.needs.includes(other.id));
    const early = needed.find(({ status }) => status !== 'merged');
    if (early !== undefined) this.#broke(`${id} is started, and ${early.id}, which it needs, is not merged`);
    if (
      baseSha !== undefined &&
      !this.town.refinery.has(
        baseSha,
        needed.flatMap(({ sha }) => sha ?? []),
      )
    )
      this.#broke(`${id} begins at a commit that lacks what it needs`);
    const input = beadStart(this.state, bead, baseSha);
    this.after(20, () => {
      const report = this.town.startBead(input);
      this.apply({ type: 'started', id, report });
      this.done(key);
    });
  }

  #cancelBead(key: string, id: string): void {
    const bead = convoyBeadId(this.state.convoy, id);
    this.after(20, () => {
      const told = this.town.cancelBead(bead);
      this.apply({ type: 'cancelTold', id });
      if (told) return this.done(key);
      const askedAt = this.town.clock.now();
      this.after(20, () => {
        this.#looked(
          this.#awaited(id).filter((workflowId) => !this.town.lives(workflowId)),
          askedAt,
        );
        this.done(key);
      });
    });
  }

  #land(key: string, contains: readonly { id: string; sha: string }[]): void {
    this.onceRemoteAnswers(() => {
      const { targetBranch = '' } = this.state;
      const { sha, missing } = this.town.refinery.look(
        targetBranch,
        contains.map((one) => one.sha),
      );
      if (sha === undefined || missing.length > 0) {
        this.apply({ type: 'landingStuck', reason: `${targetBranch} lacks merged work` });
        this.#broke(`${targetBranch} lacks work that was merged into it`);
        return this.done(key);
      }
      this.apply({ type: 'landingQueued', sha });
      if (this.state.landing?.queuedSha !== sha) return this.done(key);
      this.town.send(
        rigWorkflowId(this.state.rig),
        rigMessages.enqueueMerge,
        landingRequest(this.state, this.workflowId, sha),
        () => this.done(key),
      );
    });
  }

  #withdraw(key: string, sha: string): void {
    this.apply({ type: 'withdrawTold' });
    const { convoy, rig } = this.state;
    this.town.send(
      rigWorkflowId(rig),
      rigMessages.withdrawMerge,
      { item: landingItem(convoy), sha, workflowId: this.workflowId },
      () => this.done(key),
    );
  }
}
