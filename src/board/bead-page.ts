import { pendingSentence } from '../operator/doing.js';
import { pendingInConvoy, surroundingsOf } from '../operator/surroundings.js';
import { BeadClient, endedAs } from '../client/beads.js';
import type { TownConnection } from '../client/connect.js';
import { BeadNotFoundError } from '../client/errors.js';
import { lookAt } from '../client/look.js';
import type { BeadLook } from '../client/look.js';
import { beadWorkflowId, isFinal } from '../contract/index.js';
import type { BeadView } from '../contract/index.js';
import { keyMissing } from '../domain/approval/needs-key.js';
import { nextBeadDeadline, waitingFor } from '../domain/bead/deadline.js';
import { explain, verdict } from '../domain/bead/explain.js';
import { problemsOf } from '../domain/telling/problems.js';
import { whyNotRunning } from '../domain/telling/why-not.js';
import type { Surroundings } from '../domain/telling/why-not.js';
import type { BeadPage, ActionRefusals } from './api-types.js';
import { shown } from './remedy.js';

/** Who works for the town changes slowly: it is asked so often, and the bead itself with every look. */
const surroundingsFresh = 4_000;

/** One bead in full, for as long as it is looked at. */
export class BeadLooks {
  readonly #bead: string;
  #around: { at: number; key: string; value: Surroundings } | undefined;

  constructor(bead: string) {
    this.#bead = bead;
  }

  /** @throws BeadNotFoundError and other errors of the client. */
  async look(town: TownConnection, deadline: number): Promise<BeadPage> {
    const found = await lookAt(new BeadClient(town, { deadline }), this.#bead).catch(async (error: unknown) => {
      // A convoy starts its beads when their time has come: until then only the convoy knows of them.
      const lines = error instanceof BeadNotFoundError ? await pendingInConvoy(town, this.#bead, deadline) : undefined;
      if (lines === undefined) throw error;
      return lines;
    });
    return Array.isArray(found) ? notStarted(this.#bead, found) : this.#page(town, found, deadline);
  }

  async #page(town: TownConnection, { description, view, notes }: BeadLook, deadline: number): Promise<BeadPage> {
    const running = description.execution === 'RUNNING';
    const around = running ? await this.#surroundings(town, view, deadline) : undefined;
    const now = Date.now();
    // Where a workflow was ended from outside, the bead's own verdict would be a claim about what no longer runs.
    const ended = description.ending !== undefined;
    const status =
      view === undefined || ended ? (running ? (description.status ?? 'open') : endedAs(description)) : view.status;
    const lines = view === undefined ? [] : explain(view, now);
    const beat = description.pendingActivities.map((activity) => pendingSentence(activity, now)).join('; ');
    const next = view === undefined || ended ? undefined : nextBeadDeadline(view);
    return {
      now,
      bead: this.#bead,
      title: view?.title ?? description.title,
      status,
      verdict: view === undefined || ended ? status : verdict(view),
      why:
        view === undefined
          ? [around?.hosts?.up.length === 0 ? `no worker polls ${town.taskQueue}: an agent that runs goes on` : status]
          : [view.reason, ...(ended ? [] : whyNotRunning(view, around ?? { now, taskQueue: town.taskQueue }))],
      next: next === undefined ? undefined : { at: next.at, text: next.text },
      waitsFor: view === undefined || ended ? undefined : waitingFor(view),
      details: lines.slice(2).filter((line) => !/^(?:waits for|next): /.test(line)),
      notes,
      problems:
        running && around?.hosts !== undefined
          ? shown(
              problemsOf({
                now,
                taskQueue: town.taskQueue,
                beads: [{ bead: this.#bead, status, view }],
                more: false,
                rigs: [],
                convoys: [],
                hosts: around.hosts,
              }),
            ).filter(({ about }) => about === this.#bead)
          : [],
      refusals: refusalsOf(status, running, view),
      state: view,
      beat: beat === '' ? undefined : beat,
      costUsd: view?.usage?.costUsd ?? 0,
      usage: view?.usage,
      workflowUrl:
        town.uiAddress === undefined
          ? undefined
          : `${town.uiAddress}/namespaces/${encodeURIComponent(town.namespace)}/workflows/` +
            beadWorkflowId(this.#bead),
    };
  }

  async #surroundings(town: TownConnection, view: BeadView | undefined, deadline: number): Promise<Surroundings> {
    const key = `${view?.status ?? ''} ${view?.agent ?? ''} ${view?.wait?.for ?? ''} ${view?.current?.id ?? ''}`;
    if (this.#around?.key === key && Date.now() - this.#around.at < surroundingsFresh)
      return { ...this.#around.value, now: Date.now() };
    const value = await surroundingsOf(town, view, deadline);
    this.#around = { at: Date.now(), key, value };
    return value;
  }
}

function notStarted(bead: string, lines: string[]): BeadPage {
  const none = 'it has not been started yet: its convoy starts it when its time has come';
  return {
    now: Date.now(),
    bead,
    title: bead,
    status: 'not started',
    verdict: 'not started',
    why: lines.slice(1),
    details: [],
    notes: [],
    problems: [],
    refusals: {
      nudge: none,
      pause: none,
      resume: none,
      retry: none,
      approve: none,
      'request-changes': none,
      cancel: none,
    },
    costUsd: 0,
  };
}

/**
 * Which buttons would be refused by the bead: only what is plain from its state, to keep the page calm. The bead itself
 * has the last word, and its sentence is shown.
 */
function refusalsOf(status: BeadPage['status'], running: boolean, view: BeadView | undefined): ActionRefusals {
  if (!running || (view !== undefined && isFinal(view.status))) {
    const ended = `it has ended (${status})`;
    return {
      nudge: ended,
      pause: ended,
      resume: ended,
      retry: ended,
      approve: ended,
      'request-changes': ended,
      cancel: ended,
    };
  }
  if (view === undefined) return {};
  const approval = view.wait?.for === 'approval' ? undefined : 'its work does not wait for an approval';
  const retries =
    view.wait?.for === 'person' || view.wait?.for === 'backoff' || view.current?.suspectSince !== undefined;
  return {
    pause: view.paused ? 'it is paused already' : view.cancelling ? 'it is being cancelled' : undefined,
    resume: view.paused ? undefined : 'it is not paused',
    retry: retries ? undefined : 'nothing of it waits for another try',
    approve: approval ?? keyMissing(view),
    'request-changes': approval,
    cancel: view.cancelling ? 'it is being cancelled' : undefined,
  };
}
