import { beadIdProblem, beadOfWorkflowId, beadStatuses, searchAttributes, workflowTypes } from '../contract/index.js';
import type { AgentStatus, AttemptCell, BeadStatus } from '../contract/index.js';
import { markedAs, markingSealed } from '../codec/index.js';
import type { TownConnection } from './connect.js';
import { defaultDeadline, within } from './deadline.js';
import { asClientError } from './as-client-error.js';

/** A bead as the server's visibility store shows it: a moment late, but without asking any bead. */
export interface BeadSummary {
  bead: string;
  title: string;
  status: BeadStatus | 'terminated';
  agent: AgentStatus;
  attention?: string;
  rig?: string;
  convoy?: string;
  repo?: string;
  /** The agent program that it was slung with. */
  adapter?: string;
  /** What its agent runs in, where somebody has asked (`cellsOf`). */
  cell?: AttemptCell;
  /** The key that it is encrypted with, which is not here: of its texts nothing is known then. */
  sealedWith?: string;
  startedAt: number;
  closedAt?: number;
}

export interface ListOptions {
  /** Only beads of this status. */
  status?: BeadStatus;
  /** Ended ones too. */
  all?: boolean;
  /** Only those that say of themselves that somebody should look. */
  attention?: boolean;
  /** Newest first, at most so many. */
  limit: number;
  /** Only of the town with this main queue. */
  taskQueue?: string;
  rig?: string;
  convoy?: string;
  deadline?: number;
}

/**
 * @returns beads, newest first, and whether there are more than the limit. Visibility is eventually consistent: never
 * decide by it.
 */
export function listBeads(
  town: Pick<TownConnection, 'client'>,
  options: ListOptions,
): Promise<{ beads: BeadSummary[]; more: boolean }> {
  return beadsMatching(town, visibilityQuery(options), options);
}

/** @returns how many beads there are of those that `listBeads` lists, without its limit. */
export async function countBeads(
  town: Pick<TownConnection, 'client'>,
  options: Omit<ListOptions, 'limit'>,
): Promise<number> {
  const query = visibilityQuery(options);
  try {
    return (await within(town.client, options.deadline ?? defaultDeadline, () => town.client.workflow.count(query)))
      .count;
  } catch (error) {
    throw asClientError(error);
  }
}

/** How a query is read. */
export interface ReadOptions extends Pick<ListOptions, 'limit' | 'deadline'> {
  /** Beads of one request; 1,000 when absent, which is as much as servers give. */
  pageSize?: number;
  /** Called with each bead as soon as its page is there. */
  onBead?: (bead: BeadSummary) => void;
  /** Awaited between two pages. */
  betweenPages?: () => Promise<unknown>;
}

/** @returns the beads that a visibility query finds, newest first, and whether there are more than the limit. */
export async function beadsMatching(
  town: Pick<TownConnection, 'client'>,
  query: string,
  { limit, deadline = defaultDeadline, pageSize = 1_000, onBead, betweenPages }: ReadOptions,
): Promise<{ beads: BeadSummary[]; more: boolean }> {
  const beads: BeadSummary[] = [];
  const ofPage = Math.min(limit + 1, pageSize);
  let rows = 0;
  try {
    const read = async (): Promise<{ beads: BeadSummary[]; more: boolean }> => {
      for await (const found of town.client.workflow.list({ query, pageSize: ofPage })) {
        rows += 1;
        const bead = beadOfWorkflowId(found.workflowId);
        // Whoever can start a workflow chooses its id: one that is no bead's id is no bead.
        if (bead === undefined || beadIdProblem(bead) !== undefined) continue;
        if (beads.length === limit) return { beads, more: true };
        const summary = summaryOf(bead, found);
        beads.push(summary);
        onBead?.(summary);
        // The client asks for the next page when this one has been read to its end.
        if (rows % ofPage === 0) await betweenPages?.();
      }
      return { beads, more: false };
    };
    return await markingSealed(() => within(town.client, deadline, read));
  } catch (error) {
    throw asClientError(error);
  }
}

/** @returns a text as the visibility query language wants it. */
export const queryText = (text: string): string => `'${text.replaceAll("'", "''")}'`;

/** @returns the visibility query. */
export function visibilityQuery({
  status,
  all = false,
  attention = false,
  taskQueue,
  rig,
  convoy,
}: Pick<ListOptions, 'status' | 'all' | 'attention' | 'taskQueue' | 'rig' | 'convoy'>): string {
  const parts = [`WorkflowType = '${workflowTypes.bead}'`];
  if (status !== undefined) parts.push(`${searchAttributes.beadStatus} = '${status}'`);
  if (attention) parts.push(`${searchAttributes.attention} IS NOT NULL`);
  if (taskQueue !== undefined) parts.push(`TaskQueue = ${queryText(taskQueue)}`);
  if (rig !== undefined) parts.push(`${searchAttributes.rig} = ${queryText(rig)}`);
  if (convoy !== undefined) parts.push(`${searchAttributes.convoy} = ${queryText(convoy)}`);
  // One that continued as new is the same bead's earlier run.
  parts.push(all || status !== undefined ? `ExecutionStatus != 'ContinuedAsNew'` : `ExecutionStatus = 'Running'`);
  return parts.join(' AND ');
}

type Found = ReturnType<TownConnection['client']['workflow']['list']> extends AsyncIterable<infer T> ? T : never;

function summaryOf(bead: string, found: Found): BeadSummary {
  const text = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined);
  const attribute = (name: string): string | undefined => text(found.searchAttributes[name]?.[0]);
  const published = beadStatuses.find((known) => known === attribute(searchAttributes.beadStatus));
  const ended = {
    CANCELLED: 'cancelled',
    TERMINATED: 'terminated',
    TIMED_OUT: 'terminated',
    FAILED: 'failed',
  } as const;
  const attention = attribute(searchAttributes.attention);
  const rig = attribute(searchAttributes.rig);
  const convoy = attribute(searchAttributes.convoy);
  const repo = text(found.memo?.['repo']);
  const adapter = text(found.memo?.['agent']);
  return {
    bead,
    title: text(found.memo?.['title']) ?? bead,
    status: ended[found.status.name as keyof typeof ended] ?? published ?? 'open',
    agent:
      found.status.name === 'RUNNING'
        ? ((attribute(searchAttributes.agentStatus) as AgentStatus | undefined) ?? 'none')
        : 'none',
    attention,
    rig,
    convoy,
    repo,
    adapter,
    sealedWith: Object.values(found.memo ?? {})
      .map(markedAs)
      .find((key) => key !== undefined),
    startedAt: found.startTime.getTime(),
    closedAt: found.closeTime?.getTime(),
  };
}
