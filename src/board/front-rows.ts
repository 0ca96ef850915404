import type { FleetItem } from '../client/fleet.js';
import type { BeadSummary } from '../client/list.js';
import { billedTokens, noUsage } from '../contract/index.js';
import type { BeadView, ConvoyView, RigView } from '../contract/index.js';
import { pauseUnheard } from '../domain/bead/deadline.js';
import { doing } from '../operator/doing.js';
import type { Card, CardMore, ConvoyRow, RigRow } from './api-types.js';

/** @returns a bead as the front shows it: from visibility, and from its own account where there is one. */
export function cardOf(summary: BeadSummary, view: BeadView | undefined): Card {
  const { repo: _, ...card } = summary;
  return view === undefined ? card : { ...card, more: moreOf(view) };
}

function moreOf(view: BeadView): CardMore {
  const usage = view.usage ?? noUsage;
  return {
    attempt: view.current?.number,
    attempts: view.attemptCount,
    host: view.current?.host,
    cell: (view.current ?? view.attempts.at(-1))?.cell,
    pauseUnheard: pauseUnheard(view) ? true : undefined,
    doing: doing(view),
    since: view.current?.startedAt,
    costUsd: usage.costUsd,
    tokens: billedTokens(usage),
  };
}

/** @returns a rig as the front shows it. */
export function rigRow({ id }: FleetItem, view: RigView | undefined): RigRow {
  if (view === undefined) return { rig: id };
  const { settings } = view;
  return {
    rig: id,
    view: {
      paused: view.paused,
      removed: view.removed,
      attention: view.attention,
      version: view.version,
      repo: settings.repo,
      base: settings.base,
      strategy: settings.strategy,
      maxAgents: settings.maxAgents,
      approval: settings.approval,
      breakerOpen: view.breaker.open,
      running: view.grants.map(({ bead }) => bead),
      waiting: view.waiting.length,
      queue: view.queue.slice(0, 20).map(({ item, title, target, tries, lastReason, notBefore }) => ({
        item,
        title,
        target,
        tries,
        reason: lastReason,
        notBefore,
      })),
      merging: view.merging.map(({ item, title, target, startedAt }) => ({ item, title, target, since: startedAt })),
    },
  };
}

/** @returns a convoy as the front shows it. */
export function convoyRow({ id, title }: FleetItem, view: ConvoyView | undefined): ConvoyRow {
  return {
    convoy: id,
    title: view?.title ?? title ?? id,
    view:
      view === undefined
        ? undefined
        : {
            status: view.status,
            reason: view.reason,
            progress: view.progress,
            rig: view.rig,
            paused: view.paused,
            staged: view.staged,
            attention: view.attention,
          },
  };
}
