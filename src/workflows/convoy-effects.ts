import {
  ActivityFailure,
  ApplicationFailure,
  getExternalWorkflowHandle,
  isCancellation,
  log,
  workflowInfo,
} from '@temporalio/workflow';
import { beadWorkflowId, clip, convoyBeadId, integrationBranch, rigMessages } from '../contract/index.js';
import type { ConvoyState, MergeRequest, WithdrawMerge } from '../contract/index.js';
import { beadStart, landingItem, landingRequest, mergesNothing } from '../domain/index.js';
import type { ConvoyEffect, ConvoyEvent } from '../domain/index.js';
import { shortSha } from '../domain/words.js';
import { lookAtBranch, readRig, refinery, startBead } from './fleet-activities.js';

/** What the effects need of the convoy that asks for them. */
export interface ConvoyContext {
  readonly state: ConvoyState;
  apply(event: ConvoyEvent): void;
  look(only?: readonly string[]): Promise<void>;
  tellRig(
    name: typeof rigMessages.enqueueMerge | typeof rigMessages.withdrawMerge,
    payload: MergeRequest | WithdrawMerge,
  ): Promise<string | undefined>;
}

/**
 * Carries out what the state of a convoy asks for. Expected failures become events; what may pass is tried by the
 * activities themselves.
 */
export class ConvoyEffects {
  constructor(private readonly convoy: ConvoyContext) {}

  do(effect: ConvoyEffect): Promise<void> {
    switch (effect.do) {
      case 'prepare':
        return this.#orFail(
          () => this.#prepare(),
          (reason) => this.convoy.apply({ type: 'notPrepared', reason }),
        );
      case 'start':
        return this.#orFail(
          () => this.#start(effect),
          (reason) => this.convoy.apply({ type: 'notStarted', id: effect.bead.id, reason }),
        );
      case 'cancelBead':
        return this.#cancel(effect.id);
      case 'land':
        return this.#orFail(
          () => this.#land(effect.contains),
          (reason) => this.convoy.apply({ type: 'landingStuck', reason }),
        );
      case 'withdraw':
        return this.#withdraw(effect.sha);
      case 'verify':
        return this.#orFail(
          () => this.#verify(effect),
          (reason) => this.convoy.apply({ type: 'landingStuck', reason }),
        );
    }
  }

  /** An activity that says that trying again cannot help: a person is asked, in its words. */
  async #orFail(run: () => Promise<void>, failed: (reason: string) => void): Promise<void> {
    try {
      await run();
    } catch (error) {
      if (!(error instanceof ActivityFailure) || isCancellation(error)) throw error;
      const { cause } = error;
      failed(
        clip(
          cause instanceof ApplicationFailure
            ? cause.message
            : `${error.activityType} did not get through: ${cause?.message ?? error.message}`,
          500,
        ),
      );
    }
  }

  async #prepare(): Promise<void> {
    const { state } = this.convoy;
    const facts = await readRig.executeWithOptions({ summary: `ask rig ${state.rig}` }, [{ rig: state.rig }]);
    const nothing = mergesNothing({ rig: state.rig, strategy: facts.strategy });
    if (nothing !== undefined && (state.target === 'integration' || state.beads.some(({ needs }) => needs.length > 0)))
      return this.convoy.apply({ type: 'notPrepared', reason: nothing });
    let began: string | undefined;
    if (state.target === 'integration') {
      const branch = integrationBranch(state.convoy);
      const made = await refinery().ensureBranch.executeWithOptions({ summary: `make branch ${branch}` }, [
        { repo: facts.repo, branch, from: facts.base },
      ]);
      // Of one that was there already, nobody knows here where it began.
      if (made.created) began = made.sha;
    }
    this.convoy.apply({ type: 'prepared', facts, began });
  }

  async #start({ bead: { id }, needs }: Extract<ConvoyEffect, { do: 'start' }>): Promise<void> {
    const { repo = '', targetBranch } = this.convoy.state;
    let baseSha = needs.length === 1 ? needs[0] : undefined;
    if (needs.length > 1) {
      // None of the merges need be the last one: the branch as it is now has them all, or has lost something.
      const { sha, missing } = await lookAtBranch.executeWithOptions(
        { summary: `does ${targetBranch ?? 'the base'} have all that ${id} needs?` },
        [{ repo, branch: targetBranch ?? '', contains: needs }],
      );
      if (sha === undefined || missing.length > 0) {
        const reason =
          sha === undefined
            ? `the branch ${targetBranch ?? ''} is gone`
            : `merged work that it needs (${missing.map((one) => shortSha(one)).join(', ')}) is no longer on ` +
              `${targetBranch ?? 'the base branch'}: was it rewritten?`;
        return this.convoy.apply({ type: 'notStarted', id, reason });
      }
      baseSha = sha;
    }
    this.convoy.apply({ type: 'starting', id });
    const { state } = this.convoy;
    const bead = state.beads.find((other) => other.id === id);
    // Meanwhile it was paused, cancelled, or the bead was taken out.
    if (bead?.status !== 'starting') return;
    const { report } = await startBead.executeWithOptions({ summary: `start ${id}` }, [
      beadStart(state, bead, baseSha),
    ]);
    this.convoy.apply({ type: 'started', id, report });
  }

  async #cancel(id: string): Promise<void> {
    const { convoy } = this.convoy.state;
    try {
      await getExternalWorkflowHandle(beadWorkflowId(convoyBeadId(convoy, id))).cancel();
      this.convoy.apply({ type: 'cancelTold', id });
    } catch (error) {
      if (isCancellation(error)) throw error;
      log.info('a bead that was to be cancelled has ended already', { id, error });
      this.convoy.apply({ type: 'cancelTold', id });
      await this.convoy.look([id]);
    }
  }

  async #land(contains: readonly { id: string; sha: string }[]): Promise<void> {
    const { repo = '', targetBranch = '' } = this.convoy.state;
    const { sha, missing } = await lookAtBranch.executeWithOptions(
      { summary: `is all merged work on ${targetBranch}?` },
      [{ repo, branch: targetBranch, contains: contains.map((one) => one.sha) }],
    );
    const stuck = (reason: string): void => this.convoy.apply({ type: 'landingStuck', reason });
    if (sha === undefined) return stuck(`the branch ${targetBranch} is gone from the remote: push it again`);
    if (missing.length > 0)
      return stuck(
        `${targetBranch} no longer has the work of ${contains
          .filter((one) => missing.includes(one.sha))
          .map(({ id }) => id)
          .join(', ')}: was it rewritten?`,
      );
    // Applied first: the answer may come back before the signal's own answer does.
    this.convoy.apply({ type: 'landingQueued', sha });
    if (this.convoy.state.landing?.queuedSha !== sha) return;
    const deaf = await this.convoy.tellRig(
      rigMessages.enqueueMerge,
      landingRequest(this.convoy.state, workflowInfo().workflowId, sha),
    );
    if (deaf !== undefined) stuck(deaf);
  }

  async #withdraw(sha: string): Promise<void> {
    this.convoy.apply({ type: 'withdrawTold' });
    const { convoy } = this.convoy.state;
    const deaf = await this.convoy.tellRig(rigMessages.withdrawMerge, {
      item: landingItem(convoy),
      sha,
      workflowId: workflowInfo().workflowId,
    });
    if (deaf !== undefined) this.convoy.apply({ type: 'landingStuck', reason: deaf });
  }

  /** Landed is what the remote shows, not what somebody has said. */
  async #verify({ sha, target }: { sha: string; target: string }): Promise<void> {
    const { repo = '' } = this.convoy.state;
    const { missing } = await lookAtBranch.executeWithOptions({ summary: `is the landing on ${target}?` }, [
      { repo, branch: target, contains: [sha] },
    ]);
    this.convoy.apply(
      missing.length === 0
        ? { type: 'landingVerified' }
        : {
            type: 'landingStuck',
            reason: `the rig says that it landed as ${shortSha(sha)}, but ${target} does not have that commit`,
          },
    );
  }
}
