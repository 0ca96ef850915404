/**
 * A rig of the model: the decisions of `src/domain/rig`, carried out as `workflows/rig.ts` carries them out.
 * @module
 */
import {
  readMergeRequest,
  readProbeProgress,
  readReturnGrant,
  readGrantRequest,
  readWithdrawMerge,
  rigMessages,
  rigWorkflowId,
} from '../../../contract/index.js';
import type { RigFacts, RigInput, RigState } from '../../../contract/index.js';
import {
  carriedRig,
  grantedBy,
  initialRig,
  mergeInput,
  mergeKey,
  mergeQueueIsFull,
  mergesToInterrupt,
  nextRigDeadline,
  nextRigInput,
  pauseRigProblem,
  resumeRigProblem,
  rigDrains,
  rigEffects,
  rigHolders,
  cameBack,
  rigIsFull,
  rigLookEvery,
  refusedAfterWork,
  stepRig,
} from '../../../domain/index.js';
import type { MergeUnderWay, RigEffect, RigEvent, RigRun } from '../../../domain/index.js';
import { Broken, rigRuleProblem } from '../rules.js';
import type { ModelTown } from './town.js';
import { ModelWorkflow } from './workflow.js';

/** So many changes make a run long; a real one has some twenty times as many events by then. */
const changesPerRun = 20;

export class ModelRig extends ModelWorkflow {
  state: RigState;
  readonly #merges = new Map<string, MergeUnderWay & { interrupt(): void }>();
  #armed: number | undefined;
  #disarm: () => void = () => undefined;

  constructor(
    town: ModelTown,
    private readonly input: RigInput,
  ) {
    super(town, rigWorkflowId(input.rig));
    this.state = initialRig(input, town.clock.now());
    this.apply({ type: 'tick' });
  }

  get gone(): boolean {
    return false;
  }
  get facts(): RigFacts {
    const { settings, version } = this.state;
    return { repo: settings.repo, base: settings.base, strategy: settings.strategy, version };
  }

  /** The only place where the state changes; the rules are looked at after every step. */
  apply(event: RigEvent): void {
    const before = this.state;
    this.state = stepRig(before, event, this.town.clock.now());
    this.changes += 1;
    this.town.steps += 1;
    const broken = rigRuleProblem(before, this.state);
    if (broken !== undefined) this.town.broken ??= new Broken(`rig ${this.state.rig}: ${broken}`);
    this.wake();
  }

  receive(name: string, payload: unknown): void {
    const read = <T>(reader: (payload: unknown) => T | string, event: (value: T) => RigEvent): void => {
      const value = reader(payload);
      this.apply(typeof value === 'string' ? { type: 'malformed', message: name, problem: value } : event(value));
    };
    switch (name) {
      case rigMessages.askGrant:
        return read(readGrantRequest, (request) => ({ type: 'asked', request, full: rigIsFull(this.state, request) }));
      case rigMessages.returnGrant:
        return read(readReturnGrant, (end) => ({
          type: 'returned',
          end,
          inVain: cameBack(this.state, end),
          afterWork: refusedAfterWork(this.state, end),
        }));
      case rigMessages.probeProgress:
        return read(readProbeProgress, (progress) => ({ type: 'progressed', progress }));
      case rigMessages.enqueueMerge:
        return read(readMergeRequest, (request) => ({
          type: 'enqueued',
          request,
          full: mergeQueueIsFull(this.state, request),
        }));
      case rigMessages.withdrawMerge:
        return read(readWithdrawMerge, (withdrawal) => ({ type: 'withdrawn', withdrawal }));
      default:
        return this.apply({ type: 'malformed', message: name, problem: 'unknown signal' });
    }
  }

  // ---- what an operator does; one who is refused changes nothing

  pause(): void {
    if (pauseRigProblem(this.state) === undefined) this.apply({ type: 'paused' });
  }
  resume(): void {
    if (resumeRigProblem(this.state) === undefined) this.apply({ type: 'resumed' });
  }

  // ---- what the workflow does

  protected goOn(): void {
    const run = this.#run();
    for (const key of mergesToInterrupt(this.state, run)) this.#merges.get(key)?.interrupt();
    if (rigDrains(this.state, this.#run()) && this.busy.size === 0) this.#renew();
    const asked = (): RigEffect[] => rigEffects(this.state, this.town.clock.now(), this.#run());
    for (const effect of asked())
      if (effect.do === 'takeMerge')
        this.apply({ type: 'mergeStarted', workflowId: effect.workflowId, sha: effect.sha });
    for (const effect of asked()) {
      if (effect.do === 'takeMerge' || this.busy.has(effect.key)) continue;
      this.busy.add(effect.key);
      this.#carryOut(effect);
    }
    this.#arm();
    this.lookAgainEvery(
      rigLookEvery,
      () => (this.#run().length === 'fine' ? rigHolders(this.state) : []),
      (ended, askedAt) => this.#looked(ended, askedAt),
    );
  }

  /** Nobody is terminated here: each has given back what it held, and has heard of its merge, before it ended. */
  #looked(ended: readonly string[], askedAt: number): void {
    const forgotten = rigHolders(this.state).find((holder) => ended.includes(holder));
    if (forgotten !== undefined)
      this.town.broken ??= new Broken(`rig ${this.state.rig}: ${forgotten} has ended, and still holds something`);
    this.apply({ type: 'looked', askedAt, gone: ended.map((workflowId) => ({ workflowId, status: 'COMPLETED' })) });
  }

  #run(): RigRun {
    return {
      length: this.changes < changesPerRun ? 'fine' : this.changes < 3 * changesPerRun ? 'soon' : 'now',
      merges: [...this.#merges.values()],
    };
  }

  #renew(): void {
    const { carried } = JSON.parse(JSON.stringify(nextRigInput(this.input, this.state))) as RigInput;
    if (carried !== undefined) this.state = carriedRig(carried);
    this.changes = 0;
    this.apply({ type: 'renewed' });
  }

  /** The lazy timer: sleeps until the deadline as it stood, and sooner for a sooner one. */
  #arm(): void {
    const next = nextRigDeadline(this.state)?.at;
    if (next === undefined || next >= (this.#armed ?? Infinity)) return;
    this.#disarm();
    this.#armed = next;
    this.#disarm = this.town.clock.at(Math.max(next, this.town.clock.now() + 1), () =>
      this.town.whenThere(() => {
        this.#armed = undefined;
        this.apply({ type: 'tick' });
      }),
    );
  }

  #carryOut(effect: Exclude<RigEffect, { do: 'takeMerge' }>): void {
    const { key } = effect;
    switch (effect.do) {
      case 'grant': {
        const { bead, workflowId } = effect;
        return this.town.send(workflowId, rigMessages.granted, grantedBy(this.state, effect), (delivered) => {
          this.apply({ type: 'grantTold', bead, delivered });
          this.done(key);
        });
      }
      case 'tell': {
        const { workflowId, signal, payload, id } = effect.news;
        return this.town.send(workflowId, signal, payload, (delivered) => {
          this.apply({ type: 'newsTold', id, delivered });
          this.done(key);
        });
      }
      case 'merge':
        return this.#merge(effect);
      default:
        return effect satisfies never;
    }
  }

  #merge({ key, merge }: Extract<RigEffect, { do: 'merge' }>): void {
    const { workflowId, sha, strategy } = merge;
    const interrupt = this.town.refinery.merge(mergeInput(this.state, merge), (end) => {
      this.#merges.delete(key);
      if (end !== 'interrupted')
        this.apply(
          'outcome' in end
            ? { type: 'mergeEnded', workflowId, sha, outcome: end.outcome }
            : { type: 'mergeBroke', workflowId, sha, reason: end.broke },
        );
      this.done(key);
    });
    this.#merges.set(mergeKey(merge), { key, strategy, withdrawn: merge.withdrawn === true, interrupt });
  }
}
